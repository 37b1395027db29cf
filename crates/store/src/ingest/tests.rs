//! Foreign changes: each is written, kept aside or refused, and none stops another.

use proptest::prelude::*;
use records::ids::{DeviceId, DocId, DocKind, SessionId};
use records::time::WallTime;
use records::tree::{Edit, Scalar};
use sync_core::document::{Change, Document, Origin};
use sync_core::identity::Actor;

use super::*;
use crate::workbench::{Bench, clinic, new_doc, on, write};
use crate::{Store, log};

const AT: WallTime = WallTime(1_760_000_000_000);

fn actor(session: u8) -> Actor {
    Actor {
        device: DeviceId([9; 8]),
        session: SessionId([session; 8]),
    }
}

fn allowed(_: &Foreign<'_>, _: &Checked, _: Option<&ClinicCode>) -> Result<(), &'static str> {
    Ok(())
}

async fn take(store: &Store, doc: DocId, position: Position, change: &Change) -> Ingested {
    take_if(store, doc, position, change.bytes.clone(), true).await
}

async fn take_if(store: &Store, doc: DocId, position: Position, bytes: Vec<u8>, may: bool) -> Ingested {
    store
        .write(move |tx| {
            let foreign = Foreign {
                position,
                doc,
                lane: Lane::P2,
                bytes: &bytes,
            };
            let forbidden =
                |_: &Foreign<'_>, _: &Checked, _: Option<&ClinicCode>| Err::<(), &'static str>("not_yours");
            if may {
                ingest(tx, &foreign, &allowed)
            } else {
                ingest(tx, &foreign, &forbidden)
            }
        })
        .await
        .unwrap()
}

fn created(session: u8, n: u64) -> (Document, Change) {
    let actor = actor(session);
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n,
    };
    let edits = [Edit::put(&["person", "name"], "王秀英")];
    Document::create(DocKind::Chart, &clinic(), origin, actor, AT, &edits).unwrap()
}

fn phone(document: &mut Document, session: u8, text: &str) -> Change {
    document
        .edit(actor(session), AT, &[Edit::put(&["person", "phone"], text)])
        .unwrap()
        .unwrap()
}

async fn parked(store: &Store) -> Vec<String> {
    store
        .read(|sql| {
            let mut rows = sql.prepare("SELECT reason FROM parked ORDER BY p")?;
            let reasons = rows.query_map([], |row| row.get(0))?;
            Ok::<_, StoreError>(reasons.collect::<crate::sql::Result<Vec<String>>>()?)
        })
        .await
        .unwrap()
}

async fn is_sound(store: &Store) {
    let found = store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_foreign_record_is_written_once_and_listed() {
    let bench = Bench::new();
    let store = bench.open();
    let (mut document, first) = created(1, 1);
    let doc = document.id();
    let Ingested::Stored(stored) = take(&store, doc, actor(1).at(1), &first).await else {
        panic!("refused")
    };
    assert!(stored.created);
    assert_eq!((stored.owner, stored.patient), (clinic(), doc.patient()));
    assert_eq!(take(&store, doc, actor(1).at(1), &first).await, Ingested::Known);
    let second = phone(&mut document, 2, "1");
    assert!(matches!(
        take(&store, doc, actor(2).at(1), &second).await,
        Ingested::Stored(_)
    ));
    let chart = store.chart(doc.patient().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (chart.value.name.as_str(), chart.value.phone.as_str()),
        ("王秀英", "1")
    );
    assert_eq!(chart.heads, document.heads());
    // It can be edited here, and our change and theirs meet.
    write(&store, on(doc, vec![Edit::put(&["person", "phone"], "2")])).await;
    let third = phone(&mut document, 2, "3");
    assert!(matches!(
        take(&store, doc, actor(2).at(2), &third).await,
        Ingested::Stored(_)
    ));
    assert!(
        store
            .chart(doc.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value
            .clashes
            .len()
            == 1
    );
    is_sound(&store).await;
}

#[tokio::test]
async fn what_comes_before_its_past_waits_for_it() {
    let bench = Bench::new();
    let store = bench.open();
    let (mut document, first) = created(1, 1);
    let doc = document.id();
    let second = phone(&mut document, 1, "1");
    let third = phone(&mut document, 1, "2");
    assert_eq!(take(&store, doc, actor(1).at(3), &third).await, Ingested::Waiting);
    assert_eq!(
        take(&store, doc, actor(1).at(2), &second).await,
        Ingested::Waiting
    );
    assert_eq!(take(&store, doc, actor(1).at(2), &second).await, Ingested::Known);
    let Ingested::Stored(stored) = take(&store, doc, actor(1).at(1), &first).await else {
        panic!("refused")
    };
    let released: Vec<Position> = stored.released.iter().map(|(_, position)| *position).collect();
    assert_eq!(released, [actor(1).at(2), actor(1).at(3)]);
    assert!(parked(&store).await.is_empty());
    let chart = store.chart(doc.patient().unwrap()).await.unwrap().unwrap();
    assert_eq!(chart.value.phone, "2");
    is_sound(&store).await;
}

#[tokio::test]
async fn another_change_at_a_held_position_spoils_the_session() {
    let bench = Bench::new();
    let store = bench.open();
    let (document, first) = created(1, 1);
    take(&store, document.id(), actor(1).at(1), &first).await;
    let (mut twin, mut rival) = (document.clone(), document.clone());
    let mine = phone(&mut twin, 1, "1");
    let theirs = phone(&mut rival, 1, "2");
    assert!(matches!(
        take(&store, document.id(), actor(1).at(2), &mine).await,
        Ingested::Stored(_)
    ));
    assert_eq!(
        take(&store, document.id(), actor(1).at(2), &theirs).await,
        Ingested::Spoiled
    );
    assert_eq!(
        take(&store, document.id(), actor(1).at(3), &theirs).await,
        Ingested::Spoiled
    );
    assert!(parked(&store).await.is_empty());
    // The same change cannot stand at two positions either.
    assert_eq!(
        take(&store, document.id(), actor(1).at(9), &mine).await,
        Ingested::Known
    );
    is_sound(&store).await;
}

#[tokio::test]
async fn a_bad_change_is_kept_aside_with_its_reason_and_stops_nothing() {
    let bench = Bench::new();
    let store = bench.open();
    let own = write(
        &store,
        new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], "李")]),
    )
    .await
    .docs[0];
    let (mut document, first) = created(1, 1);
    let doc = document.id();
    take(&store, doc, actor(1).at(1), &first).await;
    let next = phone(&mut document, 1, "1");
    let garbage = take_if(&store, doc, actor(1).at(2), vec![1, 2, 3], true).await;
    assert!(matches!(garbage, Ingested::Parked(Fault::Malformed(_))));
    assert_eq!(
        take_if(&store, doc, actor(1).at(2), vec![1, 2, 3], true).await,
        Ingested::Known
    );
    let stranger = take(&store, doc, actor(5).at(1), &next).await;
    assert_eq!(stranger, Ingested::Parked(Fault::WrongActor));
    let forbidden = take_if(&store, doc, actor(1).at(3), next.bytes.clone(), false).await;
    assert!(matches!(forbidden, Ingested::Parked(_)));
    assert_eq!(parked(&store).await, ["malformed", "actor", "not_yours"]);
    let (other, begun) = created(3, 1);
    assert!(matches!(
        take(&store, other.id(), actor(3).at(1), &begun).await,
        Ingested::Stored(_)
    ));
    write(&store, on(own, vec![Edit::put(&["person", "phone"], "1")])).await;
    is_sound(&store).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// I-6: in whatever order and however often changes come, the records and the fingerprint are the same.
    #[test]
    fn any_order_of_arrival_ends_in_the_same_records(
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        texts in prop::collection::vec(0..5u8, 2..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (document, first) = created(1, 1);
            let doc = document.id();
            let mut changes = vec![(actor(1).at(1), first)];
            let mut writers = [document.clone(), document];
            for (n, text) in texts.iter().enumerate() {
                let who = n % 2;
                let change = writers[who]
                    .edit(actor(who as u8 + 2), AT, &[Edit::put(&["person", "phone"], i64::from(*text))]);
                if let Some(change) = change.unwrap() {
                    let seq = 1 + changes.iter().filter(|(at, _)| at.actor == actor(who as u8 + 2)).count();
                    changes.push((actor(who as u8 + 2).at(seq as u64), change));
                }
            }
            let straight = Bench::new();
            let store = straight.open();
            for (position, change) in &changes {
                take(&store, doc, *position, change).await;
            }
            let crooked = Bench::new();
            let other = crooked.open();
            let shuffled = order.iter().map(|index| index.get(&changes)).chain(changes.iter().rev());
            for (position, change) in shuffled {
                take(&other, doc, *position, change).await;
            }
            assert_eq!(store.fingerprint().await.unwrap(), other.fingerprint().await.unwrap());
            let left = store.read(move |sql| log::load(sql, doc)).await.unwrap().unwrap();
            let right = other.read(move |sql| log::load(sql, doc)).await.unwrap().unwrap();
            assert_eq!(left.tree(), right.tree());
            assert!(parked(&other).await.is_empty());
            assert!(matches!(left.tree().leaf(&["person", "phone"]).unwrap().winner, Scalar::Int(_)));
            is_sound(&other).await;
        });
    }
}
