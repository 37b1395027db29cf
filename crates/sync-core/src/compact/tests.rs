//! Properties of the compact form: what goes in comes out byte for byte, and no bytes make it panic.

use std::collections::HashMap;

use proptest::prelude::*;
use records::packed;
use records::tree::{Edit, Node, Scalar};

use super::*;
use crate::document::{Document, Heads};
use crate::identity::{DeviceKey, SIGNATURE_LEN};
use crate::wire::{AuditBatch, Batch, FeedBatch, FeedEnd, FeedItem, Message};
use records::ids::{DeviceId, SessionId};
use records::time::WallTime;

const AT: WallTime = WallTime(1_760_000_000_000);
const COUNTY: [u8; 32] = [7; 32];

#[derive(Default)]
struct Log {
    origins: HashMap<DocId, Origin>,
    positions: HashMap<[u8; 32], Position>,
    hashes: HashMap<Position, [u8; 32]>,
}

impl Log {
    fn add(&mut self, items: &[ChangeItem]) {
        for item in items {
            let origin = origin_of(item.position.actor, item.position.seq);
            self.origins.entry(item.doc).or_insert(origin);
            let hash = change_hash(&item.bytes);
            self.positions.insert(hash, item.position);
            self.hashes.insert(item.position, hash);
        }
    }
}

impl Known for Log {
    fn origin(&self, doc: DocId) -> Option<Origin> {
        self.origins.get(&doc).copied()
    }

    fn position(&self, _: DocId, hash: &[u8; 32]) -> Option<Position> {
        self.positions.get(hash).copied()
    }

    fn hash_at(&self, position: Position) -> Option<[u8; 32]> {
        self.hashes.get(&position).copied()
    }
}

fn key() -> DeviceKey {
    DeviceKey::from_seed(&[3; 32])
}

fn actor(session: u8) -> Actor {
    Actor {
        device: key().device(),
        session: SessionId([session; 8]),
    }
}

fn stranger() -> Actor {
    Actor {
        device: DeviceId([9; 8]),
        session: SessionId([8; 8]),
    }
}

/// A chart and a visit that names it, later edits of the chart, and a clash with a stranger's edit.
fn story(edits: &[Edit]) -> (Vec<ChangeItem>, Vec<ChangeItem>) {
    let (writer, later) = (actor(1), actor(2));
    let clinic = "0017".parse().unwrap();
    let item = |position: Position, doc: DocId, bytes: Vec<u8>| ChangeItem { position, doc, bytes };
    let first = [
        Edit::put(&["person", "name"], "王秀英"),
        Edit::put(&["person", "phone"], "13800000001"),
    ];
    let origin = origin_of(writer, 1);
    let (mut chart, made) = Document::create(DocKind::Chart, &clinic, origin, writer, AT, &first).unwrap();
    let base = vec![item(writer.at(1), chart.id(), made.bytes)];
    let heads = Heads::new([made.hash]);
    let patient = chart.id().0.to_vec();
    let visit = [
        Edit::put(&["visit", "patient"], patient),
        Edit::put(&["note", "history"], "咳嗽3天，无发热。"),
    ];
    let origin = origin_of(later, 1);
    let (mut encounter, made) =
        Document::create(DocKind::Encounter, &clinic, origin, later, AT, &visit).unwrap();
    let mut day = vec![item(later.at(1), encounter.id(), made.bytes)];
    let mut seq = 1;
    let mut push = |doc: DocId, change: Option<crate::document::Change>| {
        if let Some(change) = change {
            seq += 1;
            day.push(item(later.at(seq), doc, change.bytes));
        }
    };
    push(chart.id(), chart.edit(later, AT, edits).unwrap_or_default());
    push(
        encounter.id(),
        encounter
            .edit(later, WallTime(AT.0 + 90_000), edits)
            .unwrap_or_default(),
    );
    let other = [Edit::put(&["person", "phone"], "13900000002")];
    let theirs = chart.edit_at(&heads, stranger(), AT, &other).unwrap().unwrap();
    let mine = [
        Edit::put(&["person", "phone"], "13700000003"),
        Edit::delete(&["person", "name"]),
    ];
    push(chart.id(), chart.edit(later, AT, &mine).unwrap());
    let mut base = base;
    base.push(item(stranger().at(4), chart.id(), theirs.bytes));
    (base, day)
}

fn batch(changes: Vec<ChangeItem>) -> Message {
    Message::Batch(Batch::sign(&key(), 1, &COUNTY, actor(2), 5, changes))
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let key = prop_oneof![
        Just("0123456789abcdef".to_owned()),
        Just("0000000000000003".to_owned()),
        Just("00112233445566778899aabbccddeeff".to_owned()),
        Just("0100000011223344".to_owned()),
        Just("name".to_owned()),
        "[a-zA-Z一-三]{1,20}",
    ];
    let fact = prop::collection::btree_map("[a-z]{1,5}|drug|dose|line", any_scalar(), 0..5)
        .prop_map(|parts| {
            Node::Map(
                parts
                    .into_iter()
                    .map(|(key, value)| (key, value.into()))
                    .collect(),
            )
        })
        .prop_map(|node| Scalar::Bytes(packed::pack(&node).unwrap()));
    let value = prop_oneof![any_scalar(), fact];
    (
        prop_oneof![Just("fields"), Just("edits"), Just("source")],
        key,
        value,
    )
        .prop_map(|(container, key, value)| Edit::put(&[container, &key], value))
}

fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        (0i64..300).prop_map(Scalar::Int),
        (-9000i32..9000, 0u8..5)
            .prop_map(|(digits, e)| Scalar::Float(f64::from(digits) / 10f64.powi(e.into()))),
        "\\PC{0,30}".prop_map(Scalar::Text),
        Just(Scalar::Text("口服".into())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Scalar::Bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_come_back_byte_for_byte(edits in prop::collection::vec(any_edit(), 0..8)) {
        let (base, day) = story(&edits);
        let mut ours = Log::default();
        ours.add(&base);
        let mut theirs = Log::default();
        theirs.add(&base);
        ours.add(&day);
        let message = batch(day);
        let (bytes, _) = pack(&message, &Start::Small, None, false, &ours).unwrap();
        let (back, _) = unpack(&bytes, None, &theirs).unwrap();
        prop_assert_eq!(&back, &message);
        // An end that knows nothing is told in full.
        let (bytes, _) = pack(&message, &Start::Small, None, false, &Nothing).unwrap();
        prop_assert_eq!(unpack(&bytes, None, &Nothing).unwrap().0, message);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_as_something_else(
        at in 0usize..4000, with in any::<u8>(), cut in 0usize..4000, edits in prop::collection::vec(any_edit(), 0..4),
    ) {
        let (base, day) = story(&edits);
        let mut log = Log::default();
        log.add(&base);
        let (mut bytes, _) = pack(&batch(day), &Start::Small, None, false, &Nothing).unwrap();
        let place = at % bytes.len();
        bytes[place] ^= with;
        let _ = unpack(&bytes, None, &log);
        bytes.truncate(cut % (bytes.len() + 1));
        let _ = unpack(&bytes, None, &log);
    }

    #[test]
    fn a_change_by_itself_comes_back_byte_for_byte(
        edits in prop::collection::vec(any_edit(), 0..8), at in 0usize..4000, with in any::<u8>(),
    ) {
        let (base, day) = story(&edits);
        for item in base.iter().chain(&day) {
            let (actor, kind) = (item.position.actor, item.doc.kind().unwrap());
            let mut folded = fold(actor, kind, &item.bytes).unwrap();
            prop_assert_eq!(
                unfold(actor, kind, &folded).unwrap(),
                (item.bytes.clone(), change_hash(&item.bytes))
            );
            let place = at % folded.len();
            folded[place] ^= with;
            fuzz_one(&[&[kind as u8][..], &folded].concat());
            if let Ok((bytes, hash)) = unfold(actor, kind, &folded) {
                prop_assert_eq!(bytes == item.bytes, hash == change_hash(&item.bytes));
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..6) {
        let framed = [&[kind, 2, 1][..], &bytes].concat();
        let _ = unpack(&framed, None, &Nothing);
        let _ = Envelope::read(&bytes);
        fuzz_one(&framed);
    }
}

#[test]
fn a_day_takes_a_part_of_what_zstd_takes() {
    let (base, day) = story(&[]);
    let mut log = Log::default();
    log.add(&base);
    let message = batch(day);
    let zstd = message.encode().len();
    let (alone, _) = pack(&message, &Start::Small, None, false, &log).unwrap();
    assert!(alone.len() < zstd, "{} {zstd}", alone.len());
    let learned = Learned::of_base(&base);
    let shared = Base::of(
        vec![Range {
            actor: actor(1),
            first: 1,
            last: 1,
        }],
        &base,
    );
    let start = Start::Shared(shared.clone());
    let (primed, left) = pack(&message, &start, Some(learned.clone()), true, &log).unwrap();
    let envelope = Envelope::read(&primed).unwrap().unwrap();
    assert_eq!((envelope.start, envelope.more), (Start::Shared(shared), true));
    let (back, left_there) = unpack(&primed, Some(learned), &log).unwrap();
    assert_eq!(back, message);
    // The same again, going on from what the first left, is nearly all known.
    let (again, _) = pack(&message, &Start::Continued, Some(left), false, &log).unwrap();
    assert_eq!(unpack(&again, Some(left_there), &log).unwrap().0, message);
    assert!(again.len() * 4 < alone.len(), "{} {}", again.len(), alone.len());
}

#[test]
fn a_change_that_is_not_automerge_s_own_bytes_travels_raw() {
    let (_, mut day) = story(&[]);
    day[0].bytes = vec![1, 2, 3];
    let end = day[1].bytes.len() - 1;
    day[1].bytes[end] ^= 1;
    day[1].doc = DocId([0xee; 16]);
    let message = batch(day);
    let (bytes, _) = pack(&message, &Start::Small, None, false, &Nothing).unwrap();
    assert_eq!(unpack(&bytes, None, &Nothing).unwrap().0, message);
}

#[test]
fn a_change_with_a_turned_bit_travels_too() {
    let (base, day) = story(&[]);
    for change in base.iter().chain(&day) {
        for bit in 0..change.bytes.len() * 8 {
            let mut bytes = change.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some((expanded, _)) = parted(&bytes) {
                assert_eq!(automerge::Change::from(expanded).raw_bytes(), bytes);
            }
        }
    }
}

#[test]
fn what_the_reader_lacks_is_told_apart_from_nonsense() {
    let (base, day) = story(&[]);
    let mut log = Log::default();
    log.add(&base);
    let (bytes, _) = pack(&batch(day), &Start::Small, None, false, &log).unwrap();
    assert_eq!(
        unpack(&bytes, None, &Nothing),
        Err(WireFault::NotHere("dependency"))
    );
    let base = Envelope::read(&[0, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        .unwrap()
        .unwrap();
    assert!(matches!(base.start, Start::Shared(_)));
    assert_eq!(
        unpack(&[0, 2, 0], None, &Nothing),
        Err(WireFault::NotHere("base"))
    );
}

#[test]
fn audit_entries_and_feeds_come_back() {
    let entries = vec![b"{\"act\":\"view\"}".to_vec(), vec![0xff; 40], Vec::new()];
    let audit = Message::Audit(AuditBatch::sign(&key(), 1, &COUNTY, actor(2), 9, entries));
    let (_, day) = story(&[]);
    let items = day
        .into_iter()
        .zip([4, 6, 9])
        .map(|(item, at)| (at, FeedItem::Change(item)))
        .collect();
    let feed = FeedBatch {
        epoch: 2,
        after: 3,
        end: FeedEnd {
            position: 12,
            chain: [5; 8],
        },
        actor: stranger(),
        items,
        signature: [1; SIGNATURE_LEN],
    };
    for message in [audit, Message::Feed(feed)] {
        let (bytes, _) = pack(&message, &Start::Large, None, false, &Nothing).unwrap();
        assert_eq!(unpack(&bytes, None, &Nothing).unwrap().0, message);
    }
}

#[test]
fn a_change_that_is_not_automerge_s_own_bytes_is_not_folded() {
    let (_, mut day) = story(&[]);
    let end = day[1].bytes.len() - 1;
    day[1].bytes[end] ^= 1;
    assert_eq!(fold(actor(2), DocKind::Chart, &day[1].bytes), None);
    let mut folded = fold(actor(2), DocKind::Encounter, &day[0].bytes).unwrap();
    folded.push(0);
    assert!(unfold(actor(2), DocKind::Encounter, &folded).is_err());
}

/// The form in which logs of earlier releases stand: what was folded then is read by every later release.
#[test]
fn the_form_of_a_folded_change_is_fixed() {
    let fact = packed::pack(&Node::map([
        ("drug", Node::from(Scalar::from("阿莫西林"))),
        ("route", Scalar::from("口服").into()),
    ]));
    let edits = [Edit::put(&["fields", "0123456789abcdef"], fact.unwrap())];
    let (_, day) = story(&edits);
    let folded: Vec<u8> = day
        .iter()
        .flat_map(|item| fold(actor(2), item.doc.kind().unwrap(), &item.bytes).unwrap())
        .collect();
    let hash: String = blake3::hash(&folded).to_hex().chars().take(16).collect();
    assert_eq!((folded.len(), hash.as_str()), (379, "dc60554060e29108"));
}

/// The format: other bytes here mean that ends of two releases do not understand each other.
#[test]
fn the_form_of_a_message_is_fixed() {
    let (base, day) = story(&[]);
    let mut log = Log::default();
    log.add(&base);
    let (bytes, _) = pack(&batch(day), &Start::Small, None, false, &log).unwrap();
    let hash: String = blake3::hash(&bytes).to_hex().chars().take(16).collect();
    assert_eq!((bytes.len(), hash.as_str()), (176, "945c2ffab730b65c"));
}
