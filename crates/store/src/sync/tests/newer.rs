//! What a box of a newer release writes passes through an older hub whole.

use super::*;
use sync_core::document::{Document, Origin};
use sync_core::identity::Actor;
use sync_core::wire::{Batch, ChangeItem, Fact, FactKind, ParkReason, VERSION};

async fn unknown_containers_and_fields_are_kept_and_relayed(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 600, "0017").await, boxed(&hub, 601, "0017").await);
    let patient = chart(&near, "0017", "示例甲").await;
    edit(
        &near,
        patient,
        vec![
            Edit::put(&["person", "field_of_next_year"], "x"),
            Edit::put(&["container_of_next_year", "aa", "value"], 7),
        ],
    )
    .await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    // An older release edits it and knows nothing of them.
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    sync(&far, &hub).await;
    sync(&near, &hub).await;
    for end in [&near, &far, &hub] {
        let tree = end
            .store
            .chart_tree(patient.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value;
        assert_eq!(tree.text(&["person", "field_of_next_year"]), Some("x"));
        assert!(tree.leaf(&["container_of_next_year", "aa", "value"]).is_some());
    }
    same(&near, &hub, "0017").await;
    same(&far, &hub, "0017").await;
}

/// Hands the hub changes under the box's own session, as its link would.
pub(super) async fn hand_in(hub: &End, end: &End, actor: Actor, changes: Vec<ChangeItem>) -> Ack {
    let batch = Batch::sign(end.store.device_key(), VERSION, &COUNTY, actor, 0, changes);
    let ask = Ask::TakeBatch {
        lane: Lane::P2,
        batch,
    };
    match hub.store.answer_as_hub(end.store.device(), ask).await.unwrap() {
        Answer::Taken(taken) => taken.ack,
        other => panic!("{other:?}"),
    }
}

async fn documents_of_an_unknown_kind_are_kept_and_relayed_as_they_came(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 610, "0017").await, boxed(&hub, 611, "0017").await);
    let stranger = boxed(&hub, 612, "0018").await;
    let actor = Actor {
        session: records::ids::SessionId([4; 8]),
        ..near.store.actor()
    };
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: 1,
    };
    let (mut document, first) =
        Document::create(DocKind::Chart, &code("0017"), origin, actor, WallTime(0), &[]).unwrap();
    let second = document
        .edit(actor, WallTime(0), &[Edit::put(&["ext", "a"], 1)])
        .unwrap()
        .unwrap();
    let mut doc = document.id();
    doc.0[0] = 0x7e;
    let items = |changes: &[&sync_core::document::Change]| -> Vec<ChangeItem> {
        (1..)
            .zip(changes)
            .map(|(seq, change)| ChangeItem {
                position: actor.at(seq),
                doc,
                bytes: change.bytes.clone(),
            })
            .collect()
    };
    let changes = items(&[&first, &second]);
    let ack = hand_in(&hub, &near, actor, changes.clone()).await;
    assert!(ack.held.contains(&actor.at(1)) && ack.held.contains(&actor.at(2)));
    assert_eq!(ack.parked[0].1, ParkReason::UnknownKind);
    for end in [&near, &far, &stranger] {
        sync(end, &hub).await;
    }
    let kept = |sql: &crate::sql::Connection| {
        let mut find = sql.prepare("SELECT body FROM parked ORDER BY p")?;
        let rows = find.query_map([], |row| row.get(0))?;
        Ok::<_, crate::StoreError>(rows.collect::<crate::sql::Result<Vec<Vec<u8>>>>()?)
    };
    for end in [&far, &hub] {
        let bodies = end.store.read(kept).await.unwrap();
        let bytes: Vec<Vec<u8>> = bodies
            .iter()
            .map(|body| crate::log::unpack(body).unwrap())
            .collect();
        assert_eq!(bytes, [first.bytes.clone(), second.bytes.clone()]);
    }
    assert!(stranger.store.read(kept).await.unwrap().is_empty());
    same(&far, &hub, "0017").await;
    assert_eq!(sync(&far, &hub).await.round_trips, 1);
}

async fn facts_of_an_unknown_kind_are_kept(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 620, "0017").await;
    hub.store
        .write(|tx| super::super::facts::state_fact(tx, FactKind::Unknown(200), &code("0017"), vec![1, 2, 3]))
        .await
        .unwrap();
    sync(&end, &hub).await;
    let kept = end
        .store
        .read(|sql| {
            let body: Vec<u8> =
                sql.query_row("SELECT body FROM link_statements WHERE kind = 200", [], |row| {
                    row.get(0)
                })?;
            Ok::<_, crate::StoreError>(Fact::decode(&body).unwrap())
        })
        .await
        .unwrap();
    assert_eq!((kept.kind, kept.body), (FactKind::Unknown(200), vec![1, 2, 3]));
}

async fn what_an_older_hub_cannot_read_is_no_difference(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 630, "0017").await;
    chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    let summary = hub.store.clinic_summary(&code("0017")).await.unwrap().unwrap();
    // Another box of the clinic wrote a document of a kind that the hub does not know: it kept and relayed it.
    write(&end, "0017", DocKind::Link, vec![Edit::put(&["ext", "a"], 1)]).await;
    let mut print = [0; 8];
    print.copy_from_slice(&summary.fingerprint[..8]);
    let settled = |kinds: Option<Vec<u8>>| {
        let store = end.store.clone();
        async move {
            store
                .write(move |tx| {
                    tx.sql.execute("DELETE FROM link_queue", [])?;
                    super::super::state::put(tx.sql, "hub_kinds", kinds.as_deref())?;
                    super::super::state::settled(tx, print)
                })
                .await
                .unwrap()
        }
    };
    let known = |kind: &DocKind| *kind != DocKind::Link;
    let older = DocKind::ALL
        .into_iter()
        .filter(known)
        .map(DocKind::byte)
        .collect();
    assert!(settled(Some(older)).await);
    assert!(!settled(Some(DocKind::ALL.map(DocKind::byte).to_vec())).await);
}

on_both_engines! {
    unknown_containers_and_fields_are_kept_and_relayed,
    documents_of_an_unknown_kind_are_kept_and_relayed_as_they_came,
    facts_of_an_unknown_kind_are_kept,
    what_an_older_hub_cannot_read_is_no_difference,
}
