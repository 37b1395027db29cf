//! A box whose program was tampered with: what it sends is well formed and signed with its own key, and wrong.

use sync_core::exchange::{Answer, LaneItem};
use sync_core::identity::Actor;
use sync_core::wire::ChangeItem;

use crate::dice::Dice;

/// In so many of a hundred changes something is wrong.
const LIES_PERCENT: u64 = 20;
/// How far ahead of its own numbers a lie may be.
const FAR_AHEAD: u64 = 1 << 40;

/// What the box says instead of what stands in its store. `others` are sessions of honest boxes.
pub(crate) fn twist(mut answer: Answer, others: &[Actor], dice: &mut Dice) -> Answer {
    if let Answer::Next(next) = &mut answer {
        let mut before: Option<ChangeItem> = None;
        for (_, item) in &mut next.items {
            let LaneItem::Change(change) = item else { continue };
            let honest = change.clone();
            if dice.chance(LIES_PERCENT) {
                tell_a_lie(change, before.as_ref(), others, dice);
            }
            before = Some(honest);
        }
    }
    answer
}

fn tell_a_lie(change: &mut ChangeItem, before: Option<&ChangeItem>, others: &[Actor], dice: &mut Dice) {
    match (dice.below(6), before) {
        // Under the name of another box, at a number that may be its next.
        (0, _) => {
            if let Some(actor) = dice.pick(others) {
                change.position.actor = *actor;
            }
        }
        // Under a session that never was.
        (1, _) => change.position.actor.session.0[0] ^= 1,
        (2, _) => change.position.seq += 1 + dice.below(FAR_AHEAD),
        // Transplanted into another document.
        (3, Some(before)) => change.doc = before.doc,
        // The one before once more, at this one's number: this one is never sent.
        (4, Some(before)) => change.bytes.clone_from(&before.bytes),
        (3 | 4, None) => change.doc.0[15] ^= 1,
        _ => {
            let at = dice.index(change.bytes.len());
            if let Some(byte) = change.bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
}
