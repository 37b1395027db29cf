//! Forged changes of an enrolled box: none is accepted, no document breaks, the lane goes on.

use super::newer::hand_in;
use super::*;
use automerge::legacy::{Key, ObjectId, OpId};
use automerge::{ActorId, ExpandedChange};
use records::ids::SessionId;
use sync_core::document::{Change, Document};
use sync_core::identity::Actor;
use sync_core::wire::{ChangeItem, ParkReason};

fn actor(of: &End, session: u8) -> Actor {
    Actor {
        session: SessionId([session; 8]),
        ..of.store.actor()
    }
}

fn forge(change: &Change, spoil: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = automerge::Change::try_from(change.bytes.as_slice())
        .unwrap()
        .decode();
    spoil(&mut expanded);
    automerge::Change::from(expanded).raw_bytes().to_vec()
}

/// The document as the hub has it.
async fn document(hub: &End, doc: DocId) -> Document {
    hub.store
        .read(move |sql| crate::log::load(sql, doc))
        .await
        .unwrap()
        .unwrap()
}

async fn no_forged_change_is_accepted_and_the_lane_goes_on(on: Engine) {
    let hub = hub(on).await;
    let (thief, victim) = (boxed(&hub, 700, "0017").await, boxed(&hub, 701, "0018").await);
    let patient = chart(&thief, "0017", "示例甲").await;
    let other = chart(&thief, "0017", "示例乙").await;
    let foreign = chart(&victim, "0018", "示例丙").await;
    sync(&thief, &hub).await;
    sync(&victim, &hub).await;
    let state = document(&hub, patient).await;
    let me = actor(&thief, 9);
    let honest = |doc: &Document, who: Actor| {
        let mut doc = doc.clone();
        let edits = [
            Edit::put(&["person", "name"], "改"),
            Edit::put(&["person", "phone"], "1"),
        ];
        doc.edit(who, WallTime(0), &edits).unwrap().unwrap()
    };
    let mine = honest(&state, me);
    let stolen = honest(&state, actor(&victim, 3));
    let session = honest(&state, actor(&thief, 8));
    let elsewhere = honest(&document(&hub, other).await, me);
    let used = ActorId::from(&thief.store.actor().to_bytes()[..]);
    let forged: Vec<(&str, DocId, Vec<u8>)> = vec![
        ("another's actor", patient, stolen.bytes.clone()),
        ("another session", patient, session.bytes.clone()),
        (
            "wrong start_op",
            patient,
            forge(&mine, |change| {
                change.start_op = change.start_op.checked_add(1000).unwrap();
            }),
        ),
        (
            "start_op in the past",
            patient,
            forge(&mine, |change| change.start_op = 1.try_into().unwrap()),
        ),
        (
            "wrong pred",
            patient,
            forge(&mine, |change| {
                change.operations[0].pred = vec![OpId::new(9999, &used)].into();
            }),
        ),
        (
            "no pred where one is hidden",
            patient,
            forge(&mine, |change| {
                change.operations[0].pred = vec![OpId::new(2, &used)].into();
            }),
        ),
        (
            "used op id",
            patient,
            forge(&mine, |change| change.actor_id = used.clone()),
        ),
        (
            "huge counter",
            patient,
            forge(&mine, |change| {
                change.start_op = (u64::MAX - 5).try_into().unwrap()
            }),
        ),
        (
            "an object that is not there",
            patient,
            forge(&mine, |change| {
                change.operations[0].obj = ObjectId::Id(OpId::new(777, &used));
            }),
        ),
        (
            "a container replaced",
            patient,
            forge(&mine, |change| {
                change.operations[0].obj = ObjectId::Root;
                change.operations[0].key = Key::Map("person".into());
                change.operations[0].pred = Vec::new().into();
            }),
        ),
        (
            "transplanted into another document",
            patient,
            elsewhere.bytes.clone(),
        ),
        (
            "another clinic's document",
            foreign,
            honest(&document(&hub, foreign).await, me).bytes,
        ),
        ("no change at all", patient, vec![7; 100]),
    ];
    let before = [patient, other, foreign];
    let mut heads = Vec::new();
    for doc in before {
        heads.push(document(&hub, doc).await.heads());
    }
    let changes_before = hub.store.storage().await.unwrap().changes;
    for (seq, (what, doc, bytes)) in (1..).zip(&forged) {
        let change = ChangeItem {
            position: me.at(seq),
            doc: *doc,
            bytes: bytes.clone(),
        };
        let ack = hand_in(&hub, &thief, me, vec![change.clone()]).await;
        let written = hub.store.storage().await.unwrap().changes;
        assert_eq!(written, changes_before, "{what}");
        // Replayed: the answer is the same, nothing happens.
        let again = hand_in(&hub, &thief, me, vec![change]).await;
        assert_eq!(again.parked.len(), ack.parked.len(), "{what}");
    }
    // A change that waits for a past that never comes, reordered before it, changes nothing either.
    for (doc, heads) in before.iter().zip(&heads) {
        let now = document(&hub, *doc).await;
        assert_eq!(now.heads(), *heads);
        assert!(Document::load(*doc, now.changes().iter().map(|change| change.bytes.as_slice())).is_ok());
    }
    // The lane goes on: the true change of the true actor, and the box's own work.
    let true_change = ChangeItem {
        position: actor(&thief, 7).at(1),
        doc: patient,
        bytes: honest(&state, actor(&thief, 7)).bytes,
    };
    let ack = hand_in(&hub, &thief, actor(&thief, 7), vec![true_change.clone()]).await;
    assert_eq!((ack.parked.len(), ack.spoiled.len()), (0, 0));
    assert_eq!(name_of(&hub, patient).await.as_deref(), Some("改"));
    // Replayed under another position it is known by its content, and nothing is written twice.
    let changes = hub.store.storage().await.unwrap().changes;
    let replayed = ChangeItem {
        position: actor(&thief, 7).at(2),
        ..true_change
    };
    hand_in(&hub, &thief, actor(&thief, 7), vec![replayed]).await;
    assert_eq!(hub.store.storage().await.unwrap().changes, changes);
    edit(&thief, patient, vec![Edit::put(&["person", "phone"], "2")]).await;
    edit(&victim, foreign, vec![Edit::put(&["person", "phone"], "3")]).await;
    sync(&thief, &hub).await;
    sync(&victim, &hub).await;
    assert_eq!(
        hub.store
            .chart(foreign.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value
            .phone,
        "3"
    );
    let found = hub.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    same(&victim, &hub, "0018").await;
}

async fn changes_that_come_in_the_wrong_order_wait_and_are_all_taken(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 710, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    let me = actor(&end, 9);
    let mut document = document(&hub, patient).await;
    let mut changes: Vec<ChangeItem> = (1..=8)
        .map(|seq| {
            let edits = [Edit::put(&["person", "phone"], seq.to_string())];
            ChangeItem {
                position: me.at(seq),
                doc: patient,
                bytes: document.edit(me, WallTime(0), &edits).unwrap().unwrap().bytes,
            }
        })
        .collect();
    changes.reverse();
    for change in changes {
        let ack = hand_in(&hub, &end, me, vec![change]).await;
        assert!(
            ack.parked
                .iter()
                .all(|(_, reason)| *reason != ParkReason::Malformed)
        );
    }
    let read = hub
        .store
        .chart(patient.patient().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.value.phone, "8");
    assert_eq!(hub.store.storage().await.unwrap().parked, 0);
}

async fn a_change_that_waits_at_two_positions_leaves_no_gap_at_either(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 720, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    let me = actor(&end, 9);
    let mut document = document(&hub, patient).await;
    let mut edited = |seq: u64| {
        let edits = [Edit::put(&["person", "phone"], seq.to_string())];
        ChangeItem {
            position: me.at(seq),
            doc: patient,
            bytes: document.edit(me, WallTime(0), &edits).unwrap().unwrap().bytes,
        }
    };
    let (first, second) = (edited(1), edited(2));
    let twice = ChangeItem {
        position: me.at(7),
        ..second.clone()
    };
    for change in [second, twice, first] {
        hand_in(&hub, &end, me, vec![change]).await;
    }
    assert_eq!(hub.store.storage().await.unwrap().parked, 0);
    let found = hub.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
}

on_both_engines! {
    a_change_that_waits_at_two_positions_leaves_no_gap_at_either,
    no_forged_change_is_accepted_and_the_lane_goes_on,
    changes_that_come_in_the_wrong_order_wait_and_are_all_taken,
}
