//! How long a box waits after start PINs that did not open its data. Pure: how often is kept on the card, so a restart
//! does not begin anew, and the wait runs on the clock of this start, so it begins again in full. Nothing is ever wiped:
//! whoever types long enough only waits, and the recovery key need not.

use std::time::Duration;

/// Wrong PINs that cost no wait: who mistypes twice is not held up.
pub const FREE: u32 = 3;
/// The wait after the first one more; each further one doubles it.
const FIRST: Duration = Duration::from_secs(15);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The wait after so many wrong PINs.
pub fn wait_after(wrong: u32) -> Duration {
    let over = wrong.saturating_sub(FREE);
    let Some(doublings) = over.checked_sub(1) else {
        return Duration::ZERO;
    };
    let factor = 1_u32.checked_shl(doublings.min(30)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

/// When the next PIN is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    since: Duration,
}

impl Tries {
    /// A start, or a PIN that did not open the data, at this time since the start of the machine.
    pub fn begin(now: Duration) -> Self {
        Self { since: now }
    }

    /// The time that is left until the next PIN is tried.
    pub fn left(self, wrong: u32, now: Duration) -> Duration {
        wait_after(wrong).saturating_sub(now.saturating_sub(self.since))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_are_free_and_then_each_wait_is_twice_the_last_up_to_half_an_hour() {
        let seconds: Vec<u64> = (0..12).map(|wrong| wait_after(wrong).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 960, 1800]);
        assert_eq!(wait_after(u32::MAX), LONGEST);
    }

    proptest! {
        #[test]
        fn a_wait_never_shrinks_with_more_wrong_pins_and_ends(wrong in 0_u32..200, now in 0_u64..10_000) {
            prop_assert!(wait_after(wrong) <= wait_after(wrong + 1));
            let begun = Tries::begin(Duration::from_secs(now));
            prop_assert_eq!(begun.left(wrong, Duration::from_secs(now)), wait_after(wrong));
            let over = Duration::from_secs(now) + LONGEST;
            prop_assert_eq!(begun.left(wrong, over), Duration::ZERO);
        }
    }
}
