//! Box and hub stores that exchange over bytes in memory: what one writes the other holds, and only what it
//! should.

mod bases;
mod digests;
mod forged;
mod full;
mod leaving;
mod newer;
mod outside;
mod parcels;
mod people;
mod purges;
mod recovery;
mod releases;
mod repairs;
mod restores;
mod salvage;
mod schedules;
mod shares;
mod spoiled;
mod sticks;
mod successions;
mod two_nodes;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use records::ids::{BlobId, ClinicCode, DeviceId, DocId, DocKind, StaffId};
use records::staff::{Role, StaffMember, StaffState};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::Edit;
use sync_core::exchange::{Answer, Ask, Counts, Credentials, Exchange, ExchangeFault};
use sync_core::wire::{Ack, BlobHave, BlobOffer, BlobState, Bye, EnrolRefusal, EnrolRequest};
use tempfile::TempDir;

use super::Enrolment;
use crate::workbench::{
    Engine, Place, commit, on_both_engines, random, with_blobs_in_a_folder, with_blobs_outside,
};
use crate::{Clock, Commit, Lane, OpenOptions, Side, Store, Target, Write};

const COUNTY: [u8; 32] = [7; 32];
const NOW: Duration = Duration::from_secs(5);

/// A clock that is moved by hand.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(1_760_000_000_000 + self.0.load(Ordering::SeqCst)),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

struct End {
    folder: TempDir,
    clock: Arc<HandClock>,
    store: Store,
    seed: u64,
    place: Place,
}

impl End {
    fn hub(seed: u64, on: Engine) -> Self {
        Self::new(Side::Hub, seed, on.place())
    }

    fn new_box(seed: u64) -> Self {
        Self::new(Side::Box, seed, Place::default())
    }

    fn new(side: Side, seed: u64, place: Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(1000)));
        Self::begin(folder, clock, side, seed, place)
    }

    fn begin(folder: TempDir, clock: Arc<HandClock>, side: Side, seed: u64, place: Place) -> Self {
        let store = Self::open(&folder, &clock, side, seed, place.clone());
        Self {
            folder,
            clock,
            store,
            seed,
            place,
        }
    }

    fn open(folder: &TempDir, clock: &Arc<HandClock>, side: Side, seed: u64, place: Place) -> Store {
        let mut options = OpenOptions::new(side, clock.clone(), random(seed));
        options.database = place.database.map(|database| database.url().parse().unwrap());
        options.blobs = place.outside.map(|outside| outside.blobs);
        Store::open(folder.path(), options).unwrap()
    }

    /// Address of its database on a server.
    fn address(&self) -> Option<crate::Address> {
        self.place
            .database
            .as_ref()
            .map(|database| database.url().parse().unwrap())
    }

    /// Another run of the program on the same folder.
    fn restart(self, side: Side) -> Self {
        let Self {
            folder,
            clock,
            store,
            seed,
            place,
        } = self;
        drop(store);
        Self::begin(folder, clock, side, seed + 1000, place)
    }
}

fn code(text: &str) -> ClinicCode {
    text.parse().unwrap()
}

async fn hub(on: Engine) -> End {
    let hub = End::hub(1, on);
    hub.store.set_county(COUNTY).await.unwrap();
    hub.store.meet_objects().await.unwrap();
    for clinic in ["0017", "0018"] {
        assert!(hub.store.add_clinic(&code(clinic), "柳树村").await.unwrap());
    }
    hub
}

async fn join(end: &End, hub: &End, clinic: &str) {
    let secret = hub.store.new_token_secret(&code(clinic)).await.unwrap().unwrap();
    let request = EnrolRequest::sign(end.store.device_key(), end.store.actor(), secret, None, "box");
    let key = request.verify().unwrap();
    let taken = hub.store.enrol_device(&request, key).await.unwrap().unwrap();
    let enrolment = Enrolment {
        hub_url: "https://127.0.0.1:1".into(),
        clinic: taken.clinic,
        clinic_name: taken.clinic_name,
        county: COUNTY,
        hub_key: hub.store.device_key().public().to_bytes(),
        ca: vec![],
        certificate: vec![],
    };
    end.store.keep_enrolment(enrolment, taken.epoch).await.unwrap();
}

async fn boxed(hub: &End, seed: u64, clinic: &str) -> End {
    let end = End::new_box(seed);
    join(&end, hub, clinic).await;
    end
}

async fn credentials(of: &Store, with: &Store, of_box: DeviceId) -> Credentials {
    Credentials {
        key: of.device_key().clone(),
        county: COUNTY,
        peer: with.device_key().public(),
        predecessors: of.predecessors(of_box).await.unwrap(),
    }
}

/// Both ends of a connection.
async fn connect(end: &Store, hub: &Store) -> (Exchange, Exchange) {
    let hello = end.hello("test").await.unwrap().unwrap();
    let own = credentials(end, hub, end.device()).await;
    let at_box = Exchange::for_box(own, &hello, Duration::ZERO, NOW);
    (
        at_box,
        Exchange::for_hub(credentials(hub, end, end.device()).await, NOW),
    )
}

/// Exchanges until the box is settled, or until `most` bytes went each way.
async fn exchange(end: &Store, hub: &Store, most: usize) -> Result<(Counts, usize), ExchangeFault> {
    let mut ends = connect(end, hub).await;
    let carried = carry(end, hub, &mut ends, most).await?;
    Ok((ends.0.counts(), carried))
}

/// The same on a connection that stays.
async fn carry(
    end: &Store,
    hub: &Store,
    (at_box, at_hub): &mut (Exchange, Exchange),
    most: usize,
) -> Result<usize, ExchangeFault> {
    let mut carried = 0;
    for _ in 0..100_000 {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box.handle_answer(end.answer_as_box(ask).await.unwrap(), NOW)?;
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            let answer = hub.answer_as_hub(end.device(), ask).await.unwrap();
            at_hub.handle_answer(answer, NOW)?;
            if hub.has_objects() {
                // As often as possible: whatever follows meets blobs that are outside already.
                hub.move_blobs().await.unwrap();
            }
        }
        if at_box.is_settled() {
            return Ok(carried);
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            carried += bytes.len();
            at_hub.handle_bytes(&bytes, NOW)?;
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            carried += bytes.len();
            at_box.handle_bytes(&bytes, NOW)?;
        }
        if carried > most {
            return Ok(carried);
        }
    }
    panic!("the exchange does not end");
}

async fn sync(end: &End, hub: &End) -> Counts {
    exchange(&end.store, &hub.store, usize::MAX).await.unwrap().0
}

async fn write(end: &End, owner: &str, kind: DocKind, edits: Vec<Edit>) -> DocId {
    let target = Target::New {
        kind,
        owner: code(owner),
    };
    let done = end
        .store
        .commit(commit(vec![Write {
            target,
            base: None,
            edits,
        }]))
        .await
        .unwrap();
    done.docs[0]
}

async fn edit(end: &End, doc: DocId, edits: Vec<Edit>) {
    let write = Write {
        target: Target::Existing(doc),
        base: None,
        edits,
    };
    end.store.commit(commit(vec![write])).await.unwrap();
}

async fn chart(end: &End, owner: &str, name: &str) -> DocId {
    write(
        end,
        owner,
        DocKind::Chart,
        vec![Edit::put(&["person", "name"], name)],
    )
    .await
}

async fn visit(end: &End, owner: &str, chart: DocId, complaint: &str) -> DocId {
    let edits = vec![
        Edit::put(
            &["visit", "patient"],
            records::tree::Scalar::Bytes(chart.0.to_vec()),
        ),
        Edit::put(&["note", "complaint"], complaint),
    ];
    write(end, owner, DocKind::Encounter, edits).await
}

async fn name_of(end: &End, chart: DocId) -> Option<String> {
    let read = end.store.chart_tree(chart.patient().unwrap()).await.unwrap()?;
    read.value.text(&["person", "name"]).map(str::to_owned)
}

async fn same(end: &End, hub: &End, clinic: &str) {
    equal(end, hub, clinic).await;
    assert_eq!(end.store.alarms().await.unwrap(), []);
}

/// The clinic's part of the hub and the box hold the same; alarms may stand.
async fn equal(end: &End, hub: &End, clinic: &str) {
    let summary = hub.store.clinic_summary(&code(clinic)).await.unwrap().unwrap();
    let own = end.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(own.problems, Vec::<String>::new());
    assert_eq!(summary.fingerprint, own.fingerprint.to_bytes());
    assert_eq!((summary.patients, summary.changes), (own.patients, own.changes));
    let kept = hub
        .store
        .verify(Some(code(clinic)), Box::new(|_, _| {}))
        .await
        .unwrap();
    assert_eq!(kept.fingerprint, own.fingerprint);
    assert_eq!(kept.problems, Vec::<String>::new());
}

async fn what_a_box_wrote_is_at_the_hub_and_an_edit_travels_back(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 10, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    visit(&end, "0017", patient, "咳嗽").await;
    assert_eq!(end.store.link_status().await.unwrap().pending, 2);
    let counts = sync(&end, &hub).await;
    assert_eq!((counts.changes_sent, counts.round_trips), (2, 1));
    assert!(counts.audit_bytes > 0);
    let status = end.store.link_status().await.unwrap();
    assert_eq!((status.pending, status.cause, status.parked), (0, None, 0));
    assert!(status.last_contact.is_some() && status.queue.iter().all(|lane| lane.items == 0));
    same(&end, &hub, "0017").await;
    assert_eq!(name_of(&hub, patient).await.as_deref(), Some("示例甲"));
    assert_eq!(hub.store.arrivals(patient).await.unwrap().len(), 1);
    edit(
        &hub,
        patient,
        vec![Edit::put(&["person", "phone"], "13800000000")],
    )
    .await;
    assert_eq!(sync(&end, &hub).await.changes_received, 1);
    same(&end, &hub, "0017").await;
    let row = &hub.store.clinics().await.unwrap()[0];
    assert_eq!((row.patients, row.documents, row.devices), (1, 2, 1));
    let (counts, carried) = exchange(&end.store, &hub.store, usize::MAX).await.unwrap();
    assert_eq!(
        counts,
        Counts {
            round_trips: 1,
            ..Counts::default()
        }
    );
    assert!(carried < 160, "{carried} bytes to learn that nothing is new");
}

/// A blob of this many bytes that comes with an edit of a document.
async fn attach(end: &End, doc: DocId, length: usize) -> BlobId {
    attach_in(end, Lane::P2, doc, length).await
}

/// Attaches a blob by a commit of this lane.
async fn attach_in(end: &End, lane: Lane, doc: DocId, length: usize) -> BlobId {
    let content: Vec<u8> = (0..length)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    let id = sync_core::blobs::blob_id(&content);
    let write = Write {
        target: Target::Existing(doc),
        base: None,
        edits: vec![Edit::put(&["ext", "attached"], length as i64)],
    };
    let commit = Commit {
        blobs: vec![content],
        lane,
        ..commit(vec![write])
    };
    end.store.commit(commit).await.unwrap();
    id
}

async fn a_cut_at_any_place_loses_nothing(on: Engine) {
    let hub = hub(on).await;
    let mut end = boxed(&hub, 20, "0017").await;
    let (mut patients, mut blobs) = (Vec::new(), Vec::new());
    for round in 0..12usize {
        let patient = chart(&end, "0017", "示例乙").await;
        visit(&end, "0017", patient, &"头晕".repeat(round * 40)).await;
        blobs.push(attach(&end, patient, 30_000 + round).await);
        patients.push(patient);
        for known in &patients {
            if name_of(&hub, *known).await.is_some() {
                edit(
                    &hub,
                    *known,
                    vec![Edit::put(&["address", "group"], format!("{round}组"))],
                )
                .await;
            }
        }
        exchange(&end.store, &hub.store, 700 * round * round + 60)
            .await
            .unwrap();
        if round % 3 == 0 {
            end = end.restart(Side::Box);
        }
    }
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    for blob in blobs {
        assert_eq!(
            hub.store.blob(blob).await.unwrap(),
            end.store.blob(blob).await.unwrap()
        );
    }
}

async fn a_clinic_holds_its_own_patients_and_those_that_join_it(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 30, "0017").await, boxed(&hub, 31, "0018").await);
    let patient = chart(&near, "0017", "示例丙").await;
    visit(&near, "0017", patient, "腹痛").await;
    let blob = attach(&near, patient, 20_000).await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    assert_eq!(name_of(&far, patient).await, None);
    assert!(
        hub.store
            .join_patient(&code("0018"), patient.patient().unwrap())
            .await
            .unwrap()
    );
    assert_eq!(sync(&far, &hub).await.changes_received, 3);
    assert_eq!(name_of(&far, patient).await.as_deref(), Some("示例丙"));
    assert_eq!(
        far.store.blob(blob).await.unwrap().map(|content| content.len()),
        Some(20_000)
    );
    // Whoever cares for a patient may write the chart; both clinics and the hub hold the same.
    edit(&far, patient, vec![Edit::put(&["person", "name"], "示例丁")]).await;
    visit(&far, "0018", patient, "复诊").await;
    sync(&far, &hub).await;
    assert_eq!(sync(&near, &hub).await.changes_received, 2);
    assert_eq!(name_of(&near, patient).await.as_deref(), Some("示例丁"));
    sync(&far, &hub).await;
    same(&near, &hub, "0017").await;
    same(&far, &hub, "0018").await;
}

async fn what_a_clinic_may_not_write_is_set_aside_and_the_lane_goes_on(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 40, "0018").await;
    let foreign = visit(&end, "0017", DocId([1; 16]), "x").await;
    edit(&end, foreign, vec![Edit::put(&["note", "complaint"], "y")]).await;
    let own = chart(&end, "0018", "示例戊").await;
    sync(&end, &hub).await;
    assert!(name_of(&hub, own).await.is_some());
    let status = end.store.link_status().await.unwrap();
    // The edit builds on what was set aside and is set aside with it.
    assert_eq!((status.pending, status.parked), (0, 2));
    let summary = hub.store.clinic_summary(&code("0017")).await.unwrap().unwrap();
    assert_eq!(summary.documents, 0);
    // Told again at the next contact, which is as short as any.
    assert_eq!(sync(&end, &hub).await.round_trips, 1);
}

async fn a_revoked_box_is_not_served(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 90, "0017").await;
    chart(&end, "0017", "示例").await;
    sync(&end, &hub).await;
    assert!(hub.store.revoke_device(end.store.device()).await.unwrap());
    let refused = exchange(&end.store, &hub.store, usize::MAX).await;
    assert_eq!(refused.err(), Some(ExchangeFault::Refused(Bye::Revoked)));
    let devices = hub.store.devices(Some(&code("0017"))).await.unwrap();
    assert!(devices[0].revoked.is_some());
}

async fn an_urgent_change_brings_its_past_along(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 95, "0017").await;
    let patient = chart(&end, "0017", "示例").await;
    let write = Write {
        target: Target::Existing(patient),
        base: None,
        edits: vec![Edit::put(&["person", "phone"], "2")],
    };
    end.store
        .commit(Commit {
            lane: Lane::P0,
            ..commit(vec![write])
        })
        .await
        .unwrap();
    let own = end.store.device();
    let next = end
        .store
        .read(move |sql| super::queue::next(sql, own, Lane::P0, 0, 1000))
        .await
        .unwrap();
    assert_eq!(next.items.len(), 2);
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
}

async fn nobody_reads_a_blob_by_its_hash_alone(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 100, "0017").await, boxed(&hub, 101, "0018").await);
    let patient = chart(&near, "0017", "示例").await;
    let blob = attach(&near, patient, 20_000).await;
    sync(&near, &hub).await;
    let own = chart(&far, "0018", "示例").await;
    sync(&far, &hub).await;
    for doc in [patient, own] {
        let offer = BlobOffer {
            blob,
            doc,
            length: 20_000,
        };
        let device = far.store.device();
        let read = hub
            .store
            .answer_as_hub(device, Ask::ReadBlob { offer, offset: 0 })
            .await
            .unwrap();
        assert_eq!(
            read,
            Answer::BlobBytes {
                offer,
                offset: 0,
                bytes: Vec::new()
            }
        );
    }
    let offer = BlobOffer {
        blob,
        doc: own,
        length: 20_000,
    };
    let answer = hub
        .store
        .answer_as_hub(
            far.store.device(),
            Ask::TakeOffer {
                lane: Lane::P4,
                offer,
            },
        )
        .await;
    let Ok(Answer::Taken(taken)) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (taken.ack.blobs[0].state, taken.ack.blobs[0].have),
        (BlobState::Wanted, 0)
    );
}

async fn what_comes_with_something_urgent_goes_before_ordinary_work(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 111, "0017").await;
    let patient = chart(&end, "0017", "示例").await;
    // The change itself waits in the lane of its commit, in an ordinary one beside the chart.
    for (commit, length, expected) in [
        (Lane::P0, 9_000, [2, 0, 1, 0]),
        (Lane::P0, 60_000, [3, 1, 1, 0]),
        (Lane::P1, 61_000, [3, 3, 1, 0]),
        (Lane::P1, 300_000, [3, 4, 1, 1]),
        (Lane::P2, 9_001, [3, 4, 3, 1]),
        (Lane::P2, 62_000, [3, 4, 4, 2]),
    ] {
        attach_in(&end, commit, patient, length).await;
        let queue = end.store.link_status().await.unwrap().queue;
        let waiting = [Lane::P0, Lane::P1, Lane::P2, Lane::P4].map(|lane| queue[lane.index()].items);
        assert_eq!(waiting, expected, "{commit:?} {length}");
    }
}

async fn a_blob_for_which_the_hub_has_no_room_is_offered_ever_more_rarely(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 110, "0017").await;
    let patient = chart(&end, "0017", "示例").await;
    let blob = attach(&end, patient, 20_000).await;
    let mut tries = 0;
    for _ in 0..300 {
        let own = end.store.device();
        let next = end
            .store
            .read(move |sql| super::queue::next(sql, own, Lane::P4, 0, 1000))
            .await
            .unwrap();
        if !next.items.is_empty() {
            tries += 1;
            let full = BlobHave {
                blob,
                have: 0,
                state: BlobState::NotNow,
            };
            let ack = Ack {
                blobs: vec![full],
                ..Ack::default()
            };
            end.store.answer_as_box(Ask::Acked(ack)).await.unwrap();
        }
        // A contact that brings everything but this blob.
        end.store
            .write(|tx| super::blobs::count_contact(tx.sql))
            .await
            .unwrap();
    }
    assert!((8..=14).contains(&tries), "{tries} tries in 300 contacts");
    assert_eq!(end.store.link_status().await.unwrap().pending, 3);
    for _ in 0..66 {
        sync(&end, &hub).await;
    }
    assert!(hub.store.blob(blob).await.unwrap().is_some());
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
}

on_both_engines! {
    what_a_box_wrote_is_at_the_hub_and_an_edit_travels_back,
    a_cut_at_any_place_loses_nothing,
    a_clinic_holds_its_own_patients_and_those_that_join_it,
    what_a_clinic_may_not_write_is_set_aside_and_the_lane_goes_on,
    a_revoked_box_is_not_served,
    an_urgent_change_brings_its_past_along,
    nobody_reads_a_blob_by_its_hash_alone,
    what_comes_with_something_urgent_goes_before_ordinary_work,
    a_blob_for_which_the_hub_has_no_room_is_offered_ever_more_rarely,
}

with_blobs_outside! {
    a_cut_at_any_place_loses_nothing,
    a_clinic_holds_its_own_patients_and_those_that_join_it,
    nobody_reads_a_blob_by_its_hash_alone,
    a_blob_for_which_the_hub_has_no_room_is_offered_ever_more_rarely,
}
