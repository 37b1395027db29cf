//! Exchanges that break one rule on purpose, between the real exchange and the real store: the model must catch each.

use store::{Store, StoreError};
use sync_core::exchange::{Answer, Ask, LaneItem, Taken};
use sync_core::wire::{FeedItem, FeedMarks, Holds, Lane, Wanted, change_hash};

use crate::line::Side;
use crate::machine::at_once;

/// A rule of the exchange that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Broken {
    /// The hub acknowledges a batch and does not store it.
    AckBeforeStore,
    /// The box hears no acknowledgement of changes.
    AckUnheard,
    /// The hub does not tell anew at a contact what it holds, and nobody compares: that would mend it.
    NotToldAnew,
    /// The hub leaves some changes of a feed out.
    FeedSkips,
    /// The box moves its place in the feed past changes that it did not take.
    FeedTakenInPart,
    /// The hub sends one clinic what another one shall hold.
    OtherClinicsFeed,
    /// The hub gives bytes of a blob from another place than was asked for.
    WrongResumePlace,
    /// Urgent items wait for a turn of theirs.
    UrgentWaits,
    /// What must leave a clinic is not told to it.
    LeavingUntold,
    /// The hub gives up after the first broken connection: a box does not come again.
    NoRetry,
    /// An end that hears nothing waits for ever.
    NoTimeout,
    /// A form that is sent twice counts twice.
    FormCountsTwice,
    /// A position under which another change is held is acknowledged as if it were this one.
    SpoiledAcknowledged,
    /// Everything is called safe at the hub although no backup holds it.
    SafeTooEarly,
    /// One message that the hub cannot store blocks those behind it.
    OneBlocksAll,
    /// The hub goes on serving a box that was revoked.
    ThiefServed,
    /// Both ends take each other's word that they hold the same.
    PrintsUncompared,
}

/// Whether this one of about ten is met.
fn is_hit(hash: &[u8; 32]) -> bool {
    hash[31].is_multiple_of(11)
}

/// What the hub does with a question while the rule is broken; `device` asks, `other` is a device of another clinic.
pub(crate) fn at_hub(
    broken: Option<Broken>,
    store: &Store,
    device: records::ids::DeviceId,
    other: records::ids::DeviceId,
    ask: Ask,
) -> Result<Answer, StoreError> {
    let answer = |ask| at_once(store.answer_as_hub(device, ask));
    match (broken, ask) {
        (Some(Broken::AckBeforeStore), Ask::TakeBatch { lane, batch })
            if batch
                .changes
                .iter()
                .any(|change| is_hit(&change_hash(&change.bytes))) =>
        {
            let mut taken = Taken::nothing(lane);
            batch
                .changes
                .iter()
                .for_each(|change| taken.ack.held.insert(change.position));
            Ok(Answer::Taken(Box::new(taken)))
        }
        (Some(Broken::OneBlocksAll), Ask::TakeBatch { batch, .. })
            if batch
                .changes
                .iter()
                .any(|change| is_hit(&change_hash(&change.bytes))) =>
        {
            Err(StoreError::Unreadable("batch: one change is not liked"))
        }
        (Some(Broken::NotToldAnew), Ask::Greet(mut hello)) => {
            let own = hello.own;
            hello.feeds = FeedMarks::default();
            let told = answer(Ask::Greet(hello))?;
            let _ = own;
            Ok(match told {
                Answer::Greeting(mut greeting) => {
                    greeting.welcome.holds_follow = false;
                    if greeting.welcome.wanted == Wanted::Own {
                        greeting.welcome.wanted = Wanted::Nothing;
                    }
                    greeting.own = Holds::default();
                    Answer::Greeting(greeting)
                }
                other => other,
            })
        }
        (Some(Broken::FeedSkips | Broken::PrintsUncompared), ask @ Ask::Next { .. }) => {
            Ok(match answer(ask)? {
                Answer::Next(mut next) => {
                    next.items
                        .retain(|(_, item)| !matches!(item, LaneItem::Change(change) if is_hit(&change_hash(&change.bytes))));
                    Answer::Next(next)
                }
                other => other,
            })
        }
        (Some(Broken::OtherClinicsFeed), ask @ Ask::Next { .. }) => at_once(store.answer_as_hub(other, ask)),
        (Some(Broken::LeavingUntold), ask @ Ask::Next { .. }) => Ok(match answer(ask)? {
            Answer::Next(mut next) => {
                next.items.retain(|(_, item)| {
                    !matches!(item, LaneItem::Fact(fact) if matches!(fact.kind,
                        sync_core::wire::FactKind::Panel | sync_core::wire::FactKind::Purge))
                });
                Answer::Next(next)
            }
            other => other,
        }),
        (Some(Broken::SpoiledAcknowledged), ask @ Ask::TakeBatch { .. }) => Ok(match answer(ask)? {
            Answer::Taken(mut taken) => {
                for spoiled in std::mem::take(&mut taken.ack.spoiled) {
                    taken.ack.held.insert(spoiled.position);
                }
                Answer::Taken(taken)
            }
            other => other,
        }),
        (Some(Broken::SafeTooEarly), ask @ Ask::Greet(_)) => Ok(match answer(ask)? {
            Answer::Greeting(mut greeting) => {
                greeting.welcome.safe_through = [u64::from(u32::MAX); Lane::COUNT];
                Answer::Greeting(greeting)
            }
            other => other,
        }),
        (_, ask) => answer(ask),
    }
}

/// What the box does with a question while the rule is broken.
pub(crate) fn at_box(broken: Option<Broken>, store: &Store, ask: Ask) -> Result<Answer, StoreError> {
    let answer = |ask| at_once(store.answer_as_box(ask));
    match (broken, ask) {
        (Some(Broken::AckUnheard), Ask::Acked(mut ack)) => {
            ack.held.0.clear();
            answer(Ask::Acked(ack))
        }
        (Some(Broken::AckUnheard), Ask::HubHolds(_)) => answer(Ask::HubHolds(Holds::default())),
        (Some(Broken::FeedTakenInPart), Ask::TakeFeed { lane, mut feed }) => {
            feed.items.retain(
                |(_, item)| !matches!(item, FeedItem::Change(change) if is_hit(&change_hash(&change.bytes))),
            );
            answer(Ask::TakeFeed { lane, feed })
        }
        (Some(Broken::WrongResumePlace), Ask::ReadBlob { offer, offset }) if offset > 0 => {
            let Answer::BlobBytes { bytes, .. } = answer(Ask::ReadBlob {
                offer,
                offset: offset - 1,
            })?
            else {
                return Err(StoreError::Unreadable("answer"));
            };
            Ok(Answer::BlobBytes { offer, offset, bytes })
        }
        (Some(Broken::UrgentWaits), ask @ Ask::Next { lane, after, .. }) if lane <= Lane::P1 => {
            // Its turn comes for one minute of twenty.
            if !(store.clock().uptime().as_secs() / 60).is_multiple_of(20) {
                Ok(Answer::Next(sync_core::exchange::NextItems::none(lane, after)))
            } else {
                answer(ask)
            }
        }
        (Some(Broken::PrintsUncompared | Broken::NotToldAnew), Ask::Settled(_)) => {
            let own = at_once(store.fingerprint())?.to_bytes();
            let mut print = [0; 8];
            print.copy_from_slice(&own[..8]);
            answer(Ask::Settled(print))
        }
        (_, ask) => answer(ask),
    }
}

/// Whether an end of a connection is woken when its time is up.
pub(crate) fn hears_timeouts(broken: Option<Broken>, _side: Side) -> bool {
    broken != Some(Broken::NoTimeout)
}
