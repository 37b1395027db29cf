//! What messages start from: changes that both ends hold.

use super::*;
use sync_core::exchange::Ask;

/// Visits before the first contact: enough for a base.
const EARLIER: usize = 160;
/// Visits behind it: a message of several segments.
const LATER: usize = 40;

async fn visits(end: &End, patient: DocId, numbers: std::ops::Range<usize>) {
    for n in numbers {
        // Nothing of one complaint helps to write the next.
        let complaint = blake3::hash(&n.to_be_bytes()).to_hex();
        visit(end, "0017", patient, &complaint).await;
    }
}

async fn a_base_is_learned_while_its_message_is_on_its_way(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 340, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    visits(&end, patient, 0..EARLIER).await;
    sync(&end, &hub).await;
    visits(&end, patient, EARLIER..EARLIER + LATER).await;
    let (mut at_box, mut at_hub) = connect(&end.store, &hub.store).await;
    // Frames of the box that had come when the hub was asked to learn, and when it was asked to unpack.
    let (mut came, mut learned, mut unpacked) = (0, None, None);
    while !at_box.is_settled() {
        while let Some(ask) = at_box.poll_ask(NOW) {
            let answer = end.store.answer_as_box(ask).await.unwrap();
            at_box.handle_answer(answer, NOW).unwrap();
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            match &ask {
                Ask::Learn { .. } => learned = learned.or(Some(came)),
                Ask::Unpack { lane: Lane::P2, .. } => unpacked = unpacked.or(Some(came)),
                _ => {}
            }
            let answer = hub.store.answer_as_hub(end.store.device(), ask).await.unwrap();
            at_hub.handle_answer(answer, NOW).unwrap();
        }
        if let Some(bytes) = at_box.poll_transmit(NOW) {
            came += 1;
            at_hub.handle_bytes(&bytes, NOW).unwrap();
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            at_box.handle_bytes(&bytes, NOW).unwrap();
        }
    }
    let (learned, unpacked) = (learned.unwrap(), unpacked.unwrap());
    assert!(
        learned < unpacked,
        "asked after {learned} frames, the message was there after {unpacked}"
    );
    same(&end, &hub, "0017").await;
}

on_both_engines! {
    a_base_is_learned_while_its_message_is_on_its_way,
}
