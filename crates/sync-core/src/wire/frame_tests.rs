//! Tests of frames and messages: golden vectors, round trips, hostile bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use records::ids::{BlobId, ClinicCode, DeviceId, DocId, SessionId, StaffId};
use records::time::{ClockSource, Stamp, WallTime};

use super::*;
use crate::identity::{Actor, DeviceKey};
use crate::wire::*;

fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

fn actor(n: u8) -> Actor {
    Actor {
        device: DeviceId([n; 8]),
        session: SessionId([n + 1; 8]),
    }
}

fn hello() -> Hello {
    let mut queue = [QueueReport::default(); Lane::COUNT];
    queue[2] = QueueReport {
        items: 3,
        bytes: 2100,
        oldest: Some(WallTime(1_700_000_000_000)),
    };
    Hello {
        versions: (1, 1),
        actor: actor(1),
        clinic: clinic(),
        software: "0.1.0".into(),
        epoch: 7,
        own: [3; 8],
        own_whole: true,
        feeds: FeedMarks {
            ends: [0, 1, 200, 0, 5],
            digest: [4; 8],
        },
        queue,
        clock: Stamp {
            at: WallTime(1_700_000_100_000),
            source: ClockSource::Hub,
        },
    }
}

fn change(seq: u64, length: usize) -> ChangeItem {
    ChangeItem {
        position: actor(1).at(seq),
        doc: DocId([9; 16]),
        bytes: vec![0x55; length],
    }
}

fn key() -> DeviceKey {
    DeviceKey::from_seed(&[1; 32])
}

const COUNTY: [u8; 32] = [8; 32];

fn batch() -> Batch {
    Batch::sign(
        &key(),
        VERSION,
        &COUNTY,
        actor(1),
        12,
        vec![change(1, 4), change(3, 900)],
    )
}

fn offer() -> BlobOffer {
    BlobOffer {
        blob: BlobId([5; 32]),
        doc: DocId([6; 16]),
        length: 22_000,
    }
}

fn fact() -> Fact {
    let body = encode_roster(&[RosterEntry {
        id: StaffId([2; 8]),
        name: "示例".into(),
        login: "shili".into(),
        roles: vec!["doctor".into()],
        state: "active".into(),
        must_change: false,
        password_hash: "$argon2id$x".into(),
        pin_hash: String::new(),
    }]);
    let kind = FactKind::Roster;
    Fact {
        epoch: 7,
        n: 1,
        kind,
        clinic: clinic(),
        actor: actor(1),
        body,
        signature: [0; 64],
    }
    .signed(&key(), VERSION, &COUNTY)
}

fn feed() -> FeedBatch {
    let end = FeedEnd {
        position: 14,
        chain: [1; 8],
    };
    let items = vec![
        (11, FeedItem::Change(change(5, 30))),
        (12, FeedItem::Fact(fact())),
        (14, FeedItem::Blob(offer())),
    ];
    FeedBatch {
        epoch: 7,
        after: 10,
        end,
        actor: actor(1),
        items,
        signature: [0; 64],
    }
    .signed(&key(), VERSION, &COUNTY)
}

fn messages() -> Vec<Message> {
    let audit = AuditBatch::sign(
        &key(),
        VERSION,
        &COUNTY,
        actor(1),
        4,
        vec![b"entry four".to_vec(), vec![]],
    );
    vec![
        Message::Batch(batch()),
        Message::Audit(audit),
        Message::Offer(offer()),
        Message::Piece(BlobPiece {
            offer: offer(),
            offset: 16_384,
            bytes: vec![1, 2, 3],
        }),
        Message::Feed(feed()),
        Message::Facts(vec![fact(), fact()]),
        Message::HandBack(HandBack {
            actor: actor(3),
            changes: [Some(b"abc".to_vec()), None]
                .into_iter()
                .map(|bytes| FedChange {
                    position: actor(1).at(4),
                    doc: DocId([8; 16]),
                    hash: bytes.as_ref().map_or([4; 32], |bytes| change_hash(bytes)),
                    bytes,
                })
                .collect(),
            signature: [6; 64],
        }),
    ]
}

fn frames() -> Vec<Frame> {
    let mut held = Holdings::default();
    held.insert(actor(1).at(1));
    held.insert(actor(1).at(3));
    let ack = Ack {
        handled: [0, 0, 2, 0, 1],
        held: held.clone(),
        parked: vec![(actor(1).at(9), ParkReason::NotAllowed)],
        spoiled: vec![
            Spoiled {
                position: actor(1).at(10),
                held: Some((DocId([6; 16]), [9; 8])),
            },
            Spoiled {
                position: actor(1).at(11),
                held: None,
            },
        ],
        audit: vec![(actor(1), 5)],
        blobs: vec![BlobHave {
            blob: BlobId([5; 32]),
            have: 300,
            state: BlobState::Wanted,
        }],
        taken_back: vec![[3; 8]],
    };
    let mut tips: [Vec<FeedEnd>; Lane::COUNT] = Default::default();
    tips[2] = vec![FeedEnd {
        position: 300,
        chain: [5; 8],
    }];
    let welcome = Welcome {
        version: 1,
        actor: actor(3),
        epoch: 7,
        at: WallTime(1_700_000_000_000),
        holds_follow: true,
        wanted: Wanted::Own,
        feeds_from: [0, 1, 2, 3, 4],
        tips,
        safe_through: [0, 0, 300, 0, 1],
        kinds: vec![1, 2, 3, 4, 5, 6],
    };
    let enrolled = Enrolled {
        clinic: clinic(),
        clinic_name: "示例村卫生室".into(),
        epoch: 7,
        at: WallTime(1_700_000_000_000),
        hub_key: key().public().to_bytes(),
        ca: vec![1; 300],
        certificate: vec![2; 200],
    };
    let mut frames = vec![
        Frame::Hello(hello()),
        Frame::Welcome(welcome),
        Frame::Holds(Holds {
            last: true,
            changes: held,
            prints: [(actor(1), SessionPrint([8; 8]))].into(),
            audit: [(actor(1), 9)].into(),
            parked: vec![(actor(1).at(3), ParkReason::Spoiled)],
            feeds_from: Some([0, 1, 300, 0, 2]),
            hands_back: 4,
        }),
        Frame::Sketch(SessionSketch::of(&Holds {
            changes: own_lacks(),
            ..Holds::default()
        })),
        Frame::Tell(vec![actor(1).session]),
        Frame::Succeed(SuccessionRequest::sign(
            &key(),
            &DeviceKey::from_seed(&[77; 32]),
            actor(2).session,
            &[7; 32],
            Some(clinic()),
            "box",
        )),
        Frame::Lacks(own_lacks()),
        Frame::Segment(Segment {
            lane: Lane::P1,
            total: Some(3),
            bytes: vec![1, 2, 3],
        }),
        Frame::Segment(Segment {
            lane: Lane::P4,
            total: None,
            bytes: vec![7; MAX_SEGMENT],
        }),
        Frame::Ack(ack),
        Frame::Quiet(Quiet {
            handled: 12,
            fingerprint: [1; 8],
        }),
        Frame::Progress(70_000),
        Frame::Want(vec![WantedBlob {
            lane: Lane::P4,
            offer: offer(),
            have: 16_384,
        }]),
        Frame::Compare(vec![0x61, 1, 2]),
        Frame::Lacking(vec![[1; 32], [2; 32]]),
        Frame::Ping,
        Frame::Pong,
        Frame::Bye(Bye::Revoked),
        Frame::Enrol(EnrolRequest::sign(
            &key(),
            Actor {
                device: key().device(),
                ..actor(1)
            },
            [3; 16],
            Some(clinic()),
            "一号",
        )),
        Frame::EnrolAnswer(EnrolAnswer::Enrolled(enrolled)),
        Frame::EnrolAnswer(EnrolAnswer::Refused(EnrolRefusal::UsedToken)),
    ];
    frames.extend(about_a_share());
    frames
}

fn about_a_share() -> [Frame; 7] {
    let meeting = Meeting {
        county: [1; 32],
        device: key().device(),
        nonce: [2; 32],
    };
    let give = ShareGive::sign(&key(), &meeting, [4; 32], Share([5; 32]));
    let refusal = ShareRefusal::sign(&key(), &meeting, &[3; 32], ShareWhy::Revoked);
    [
        Frame::Knock(Knock {
            device: key().device(),
        }),
        Frame::Nonce(meeting.nonce),
        Frame::ShareAsk(ShareAsk::sign(&key(), &meeting, [3; 32])),
        Frame::ShareGive(give),
        Frame::ShareAnswer(ShareAnswer::Kept),
        Frame::ShareAnswer(ShareAnswer::Given(Share([5; 32]))),
        Frame::ShareAnswer(ShareAnswer::Refused(refusal)),
    ]
}

#[test]
fn what_is_said_about_a_share_is_of_one_length_and_nothing_shorter_or_longer_is_read() {
    for frame in about_a_share() {
        let bytes = frame.encode();
        let body = &bytes[3..];
        for cut in (0..body.len()).chain([body.len() + 1]) {
            let mut other = body.to_vec();
            other.resize(cut, 0);
            let len = u16::try_from(cut).unwrap().to_be_bytes();
            let mut reader = FrameReader::default();
            reader.push(&[&len[..], &bytes[2..3], &other].concat());
            assert!(reader.next_frame().is_err(), "{frame:?} of {cut} bytes");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn own_lacks() -> Holdings {
    Holdings([(actor(1), RangeSet::from_range(3, 300))].into())
}

#[test]
fn every_frame_survives_the_wire_byte_by_byte() {
    let mut reader = FrameReader::default();
    for frame in frames() {
        let bytes = frame.encode();
        assert!(bytes.len() <= 3 + MAX_FRAME);
        for byte in &bytes[..bytes.len() - 1] {
            reader.push(&[*byte]);
            assert_eq!(reader.next_frame(), Ok(None));
        }
        assert!(reader.is_inside_frame());
        reader.push(&bytes[bytes.len() - 1..]);
        assert_eq!(reader.next_frame(), Ok(Some(frame)));
        assert!(!reader.is_inside_frame());
    }
}

#[test]
fn the_bytes_of_version_1_never_change() {
    // A box that was away for a year speaks exactly these bytes.
    let golden = [
        (Frame::Ping, "000008"),
        (Frame::Bye(Bye::NoCommonVersion), "00010a03"),
        (Frame::Progress(300), "000207ac02"),
        (
            Frame::Quiet(Quiet {
                handled: 12,
                fingerprint: [1; 8],
            }),
            "0009060c0101010101010101",
        ),
        (
            Frame::Segment(Segment {
                lane: Lane::P1,
                total: Some(3),
                bytes: vec![1, 2, 3],
            }),
            "0005048103010203",
        ),
        (
            Frame::Hello(hello()),
            concat!(
                "004a01",
                "0101",
                "01010101010101010202020202020202",
                "0430303137",
                "05302e312e30",
                "07",
                "0303030303030303",
                "01",
                "0001c8010005",
                "0404040404040404",
                "0000",
                "03b4100180a0abfef962",
                "0000",
                "c0bab7fef962",
                "02"
            ),
        ),
    ];
    for (frame, expected) in golden {
        assert_eq!(hex(&frame.encode()), expected);
    }
    let mut distinct = 0x20..;
    let blob = BlobId(std::array::from_fn(|_| distinct.next().unwrap_or_default()));
    let doc = DocId(std::array::from_fn(|_| distinct.next().unwrap_or_default()));
    let offer = BlobOffer {
        blob,
        doc,
        length: 22_000,
    };
    let piece = Message::Piece(BlobPiece {
        offer,
        offset: 16_384,
        bytes: vec![1, 2, 3],
    });
    let expected = format!("0300{blob}{doc}f0ab0180800103010203");
    assert_eq!(hex(&piece.encode()), expected);
    assert_eq!(hex(&batch().signature[..8]), "c53346d87a536e96");
}

#[test]
fn of_a_torn_piece_every_byte_that_came_counts_and_of_nothing_else() {
    let bytes: Vec<u8> = (0..2_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    let whole = BlobPiece {
        offer: offer(),
        offset: 300,
        bytes,
    };
    let encoded = Message::Piece(whole.clone()).encode();
    let names = encoded.len() - whole.bytes.len();
    for came in 0..=encoded.len() {
        let torn = Message::decode_torn(&encoded[..came]);
        if came <= names {
            assert_eq!(torn, None);
            continue;
        }
        let torn = torn.unwrap();
        assert_eq!((torn.offer, torn.offset), (whole.offer, whole.offset));
        assert_eq!(torn.bytes, whole.bytes[..came - names]);
    }
    for message in messages() {
        if !matches!(message, Message::Piece(_)) {
            assert_eq!(Message::decode_torn(&message.encode()), None);
        }
    }
}

#[test]
fn every_message_survives_and_its_signature_fits() {
    for message in messages() {
        assert_eq!(Message::decode(&message.encode()), Ok(message.clone()));
    }
    let batch = batch();
    assert!(
        key()
            .public()
            .verify(&batch.claim(VERSION, &COUNTY), &batch.signature)
            .is_ok()
    );
    let mut changed = batch.clone();
    changed.changes[0].bytes[0] ^= 1;
    assert!(
        key()
            .public()
            .verify(&changed.claim(VERSION, &COUNTY), &batch.signature)
            .is_err()
    );
    let mut moved = batch.clone();
    moved.changes[0].doc = DocId([1; 16]);
    assert!(
        key()
            .public()
            .verify(&moved.claim(VERSION, &COUNTY), &batch.signature)
            .is_err()
    );
    let feed = feed();
    assert!(
        key()
            .public()
            .verify(&feed.claim(VERSION, &COUNTY), &feed.signature)
            .is_ok()
    );
    assert!(
        fact().verify(key().public(), VERSION, &COUNTY).is_err(),
        "stated by another device"
    );
}

#[test]
fn an_enrolment_request_proves_its_key() {
    let device = key().device();
    let request = EnrolRequest::sign(
        &key(),
        Actor { device, ..actor(1) },
        [3; 16],
        None,
        &"卫".repeat(40),
    );
    assert!(request.box_name.len() <= MAX_BOX_NAME);
    assert_eq!(request.verify(), Ok(key().public()));
    let other = EnrolRequest {
        secret: [4; 16],
        ..request
    };
    assert!(other.verify().is_err());
}

#[test]
fn a_change_is_known_by_the_hash_that_automerge_gives_it() {
    let mut doc = automerge::AutoCommit::new();
    automerge::transaction::Transactable::put(&mut doc, automerge::ROOT, "k", "v").unwrap();
    let change = doc.get_last_local_change().unwrap();
    assert_eq!(change_hash(change.raw_bytes()), change.hash().0);
}

#[test]
fn lengths_are_refused_before_anything_is_allocated() {
    let refuse = |bytes: &[u8]| {
        let mut reader = FrameReader::default();
        reader.push(bytes);
        reader.next_frame()
    };
    assert_eq!(refuse(&[0xff, 0xff, 4]), Err(WireFault::TooLong("frame")));
    assert_eq!(refuse(&[0, 1, 99, 0]), Err(WireFault::BadValue("frame type")));
    assert_eq!(
        refuse(b"HTTP/1.1 200 OK\r\n\r\n<html>"),
        Err(WireFault::TooLong("frame"))
    );
    let huge_total = [0, 7, 4, 0x80, 0xff, 0xff, 0xff, 0xff, 0x0f, 1];
    assert_eq!(refuse(&huge_total), Err(WireFault::TooLong("message")));
    let bomb = Message::decode(&[0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]);
    assert_eq!(bomb, Err(WireFault::TooLong("unpacked message")));
    assert!(Message::decode(&[0, 1, 0x10, 0x28, 0xb5, 0x2f, 0xfd]).is_err());
}

#[test]
fn holdings_are_told_in_bounded_pages() {
    let mut all = Holdings::default();
    for n in 0..1000u16 {
        let [high, low] = n.to_be_bytes();
        let actor = Actor {
            device: DeviceId([high; 8]),
            session: SessionId([low; 8]),
        };
        let set = all.0.entry(actor).or_default();
        (1..=u64::from(n % 5) + 1).for_each(|k| set.insert(k * 10, k * 10 + 3));
    }
    let audit = [(actor(1), 4)].into();
    let pages = Holds {
        changes: all.clone(),
        audit,
        ..Holds::default()
    }
    .pages();
    assert!(pages.len() > 3);
    let mut told = Holdings::default();
    for (at, page) in pages.iter().enumerate() {
        assert_eq!(page.last, at + 1 == pages.len());
        assert!(Frame::Holds(page.clone()).encode().len() <= MAX_FRAME);
        told.extend(&page.changes);
    }
    assert_eq!(told, all);
    assert_eq!(told.digest(&BTreeMap::new()), all.digest(&BTreeMap::new()));
    assert_eq!(Holds::default().pages().len(), 1);
}

proptest! {
    #[test]
    fn hostile_bytes_never_break_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_one(&bytes);
    }

    #[test]
    fn damaged_frames_never_break_a_decoder(which in 0usize..24, at in any::<prop::sample::Index>(), bits: u8) {
        let mut bytes = frames()[which].encode();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        fuzz_one(&bytes);
    }

    #[test]
    fn damaged_messages_never_break_a_decoder(which in 0usize..7, at in any::<prop::sample::Index>(), bits: u8) {
        let mut bytes = messages()[which].encode();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        fuzz_one(&bytes);
    }
}
