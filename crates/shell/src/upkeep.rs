//! Looking for damage in the background, so that what nobody reads does not rot unnoticed.

use std::time::Duration;

use store::{Looked, Store};

/// How often what is looked at. All are times of the monotonic clock: no correction of the wall clock makes them
/// longer.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// After a start, before the first round: the start has checked the database already.
    first: Duration,
    /// Between two stretches: a round takes a small part of a core and of the card.
    pause: Duration,
    /// Between two rounds.
    rest: Duration,
    /// After a failure that is no damage.
    again: Duration,
    /// Between two looks at whether somebody met damage.
    alert: Duration,
}

/// Damage is noticed within a day also where nobody reads: a round ends well within the four hours that are left.
const PACE: Pace = Pace {
    first: Duration::from_secs(10 * 60),
    pause: Duration::from_millis(200),
    rest: Duration::from_secs(20 * 3600),
    again: Duration::from_secs(60),
    alert: Duration::from_secs(60),
};

/// Goes round for as long as the program runs.
pub async fn look_after(store: Store) {
    go_round(&store, PACE).await;
}

async fn go_round(store: &Store, pace: Pace) {
    rest(store, pace.first, pace.alert).await;
    loop {
        match store.look_for_damage().await {
            Ok(Looked::More) => tokio::time::sleep(pace.pause).await,
            Ok(Looked::Done) => rest(store, pace.rest, pace.alert).await,
            Err(error) => {
                tracing::warn!(%error, "the look for damage stopped; it is tried again");
                tokio::time::sleep(pace.again).await;
            }
        }
    }
}

/// Waits; ends at once where a reader or writer meets damage that was not known before.
async fn rest(store: &Store, at_most: Duration, alert: Duration) {
    let known = store.has_met_damage();
    let end = tokio::time::Instant::now() + at_most;
    while tokio::time::Instant::now() < end && (known || !store.has_met_damage()) {
        tokio::time::sleep(alert).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::{Clock, OpenOptions, Side};

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> records::time::Stamp {
            records::time::Stamp {
                at: records::time::WallTime(1_760_000_000_000),
                source: records::time::ClockSource::Tablet,
            }
        }

        fn uptime(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// Documents of a large county's box, with room: ten years of 5,000 patients are 320,000.
    const DOCUMENTS: u32 = 1_000_000;

    #[tokio::test]
    async fn a_day_does_not_pass_without_a_round() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(Side::Box, Arc::new(Still), Box::new(|bytes| bytes.fill(7)));
        let store = Store::open(folder.path(), options).unwrap();
        let soon = Duration::from_millis(1);
        let pace = Pace {
            first: soon,
            pause: soon,
            again: soon,
            alert: soon,
            ..PACE
        };
        let looking = tokio::spawn({
            let store = store.clone();
            async move { go_round(&store, pace).await }
        });
        while store.checked_at().await.unwrap().is_none() {
            tokio::time::sleep(soon).await;
        }
        looking.abort();
        // Stretches are of 64 documents; each may take as long as its pause.
        let round = PACE.pause * 2 * (DOCUMENTS / 64);
        assert!(PACE.first + round < Duration::from_secs(24 * 3600));
        assert!(PACE.rest + round < Duration::from_secs(24 * 3600));
    }
}
