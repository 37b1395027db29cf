//! Taking in, over a real socket with the opener behind it: whose a reading is, the same one twice, one that cannot be
//! read.

use std::time::Instant;

use records::patients::Deceased;
use records::time::{Stamp, WallTime};
use records::tree::Node;
use records::units::MmHg;
use records::vitals::Measured;
use store::{Clock as _, TrayState};

use super::*;
use crate::bays::readings::{Found, to_tray};
use crate::opener::serving;
use crate::opener::tests::Bench as Card;
use crate::workbench::{Bench, id_number};

/// A box that was opened, and where it takes in what its locked self kept.
struct OpenBox {
    bench: Bench,
    desk: Desk,
    key: InboxKey,
    _card: Card,
}

impl OpenBox {
    async fn new() -> Self {
        let bench = Bench::new(&[]).await;
        let (card, mut opener) = Card::locked("482759");
        let path = card.socket();
        let user = rustix::process::getuid().as_raw();
        let listener = serving::listen(&path, user).unwrap();
        std::thread::spawn(move || {
            let start = Instant::now();
            for stream in listener.incoming() {
                let _ = serving::converse(&mut stream.unwrap(), user, &mut opener, start);
            }
        });
        let desk = Desk {
            door: Door::at(path),
            store: bench.state.store.clone(),
            unreadable: Arc::default(),
        };
        let key = desk.key().await.unwrap();
        Self {
            bench,
            desk,
            key,
            _card: card,
        }
    }

    fn message(&self, name: &str, number: &str, source: ClockSource) -> Message {
        let found = Found {
            measured: Measured::BloodPressure {
                systolic: MmHg::new(151).unwrap(),
                diastolic: MmHg::new(97).unwrap(),
                pulse: None,
            },
            marks: Vec::new(),
            subject: None,
            from_memory: false,
        };
        let taken = Stamp {
            at: WallTime(self.bench.clock.now().at.0),
            source,
        };
        Message::new("", name, number, to_tray(&found, "", "", taken))
    }

    async fn put(&self, id: u8, message: &Message) {
        self.put_for(id, message, self.key.public()).await;
    }

    async fn put_for(&self, id: u8, message: &Message, to: InboxPublic) {
        let message = message.seal(to, &mut Random::new(Zeroizing::new([id; 32])));
        let id = [id; 16];
        let put = self.desk.door.ask(Request::Put { id, message }).await;
        assert!(put.unwrap() == Answer::Done);
    }

    async fn waiting(&self) -> usize {
        match self.desk.door.ask(Request::State).await.unwrap() {
            Answer::State { standing } => standing.waiting,
            _ => panic!("no state"),
        }
    }

    /// Pressures in this patient's record, and readings in the tray.
    async fn found(&self, patient: PatientId) -> (usize, usize) {
        let store = &self.bench.state.store;
        let readings = store.observations_of(patient, None, 100).await.unwrap();
        let tray = store.tray_list(TrayState::Waiting, 100).await.unwrap();
        (readings.len(), tray.len())
    }
}

fn taken(records: usize, tray: usize, unreadable: usize) -> Taken {
    Taken {
        records,
        tray,
        unreadable,
    }
}

#[tokio::test]
async fn a_reading_goes_to_its_person_and_what_is_not_certain_to_the_tray() {
    let this = OpenBox::new().await;
    let patient = this.bench.register("吕小兰", &id_number(1)).await;
    this.bench.register("赵大山", &id_number(2)).await;
    let of = |name: &str, n, source| this.message(name, &id_number(n), source);
    this.put(1, &of("吕小兰", 1, ClockSource::Tablet)).await;
    this.put(2, &of("吕小兰", 2, ClockSource::Tablet)).await;
    this.put(3, &of("吕小兰", 3, ClockSource::Tablet)).await;
    this.put(4, &of("吕小兰", 1, ClockSource::None)).await;
    this.put(5, &this.message("", "", ClockSource::Tablet)).await;
    assert_eq!(this.desk.take_in().await.unwrap(), taken(1, 4, 0));
    assert_eq!(this.found(patient).await, (1, 4));
    assert_eq!(this.waiting().await, 0);
    let tray = this
        .bench
        .state
        .store
        .tray_list(TrayState::Waiting, 100)
        .await
        .unwrap();
    assert!(tray.iter().all(|item| item.reason == "taken_locked"));
    assert!(
        tray.iter()
            .any(|item| item.content["subject"] == format!("吕小兰 {}", id_number(3)))
    );
}

#[tokio::test]
async fn the_same_item_twice_is_one_reading_whatever_happened_between() {
    let this = OpenBox::new().await;
    let patient = this.bench.register("吕小兰", &id_number(1)).await;
    let known = this.message("吕小兰", &id_number(1), ClockSource::Tablet);
    let unknown = this.message("赵大山", &id_number(2), ClockSource::Tablet);
    for (id, message) in [(1, &known), (2, &unknown)] {
        this.put(id, message).await;
        // Killed between the store and the removal.
        let (_, kept) = Message::parse(&serde_json::to_vec(message).unwrap()).unwrap();
        this.desk.save([id; 16], message, &kept).await.unwrap();
    }
    assert_eq!(this.found(patient).await, (1, 1));
    // Meanwhile the second person was registered: the reading waits in the tray already.
    let second = this.bench.register("赵大山", &id_number(2)).await;
    assert_eq!(this.desk.take_in().await.unwrap(), taken(1, 1, 0));
    assert_eq!(this.found(patient).await, (1, 1));
    assert_eq!(this.found(second).await, (0, 1));
    assert_eq!(this.desk.take_in().await.unwrap(), Taken::default());
}

#[tokio::test]
async fn an_unreadable_item_is_kept_and_counted_and_stops_no_other() {
    let this = OpenBox::new().await;
    let message = this.message("吕小兰", &id_number(1), ClockSource::Tablet);
    let other = InboxKey::new(Zeroizing::new([9; 32]));
    this.put_for(1, &message, other.public()).await;
    this.put(2, &message).await;
    let strange = Message {
        form: FORM + 1,
        ..message.clone()
    };
    this.put(3, &strange).await;
    assert_eq!(this.desk.take_in().await.unwrap(), taken(0, 1, 2));
    assert_eq!(this.desk.unreadable.load(Ordering::Acquire), 2);
    assert_eq!(this.waiting().await, 2);
    assert_eq!(this.desk.take_in().await.unwrap(), taken(0, 0, 2));
}

#[tokio::test]
async fn the_key_stays_the_same_and_the_papers_are_left() {
    let this = OpenBox::new().await;
    let again = this.desk.key().await.unwrap().public();
    assert_eq!(again, this.key.public());
    let leaf = LanLeaf {
        certificate_pem: "certificate".to_owned(),
        key_pem: "key".to_owned(),
        not_after: WallTime(0),
    };
    assert!(this.desk.leave(&leaf).await);
    let Answer::Papers { papers: Some(papers) } = this.desk.door.ask(Request::Papers).await.unwrap() else {
        panic!("no papers");
    };
    assert_eq!(papers.inbox, this.key.public().to_hex());
    assert_eq!(*papers.key, "key");
}

proptest::proptest! {
    #[test]
    fn only_number_and_name_and_day_together_lead_into_a_record(
        own in 1_u32..4, named in 1_u32..4, is_name in proptest::bool::ANY,
        has_day in proptest::bool::ANY, is_dead in proptest::bool::ANY, charts in 0_usize..3,
    ) {
        let chart = Chart {
            name: "吕小兰".to_owned(),
            id_number: IdNumber::read(&id_number(own)),
            deceased: is_dead.then_some(Deceased { on: None }),
            ..Chart::read(&Node::default())
        };
        let message = Message::new("", if is_name { "吕小兰" } else { "吕小" }, &id_number(named), Value::Null);
        let source = if has_day { ClockSource::Tablet } else { ClockSource::None };
        let found = vec![(PatientId([1; 16]), chart); charts];
        let expected = own == named && is_name && has_day && !is_dead && charts == 1;
        let goes = decide(&message, source, &found);
        proptest::prop_assert_eq!(goes == Goes::Record(PatientId([1; 16])), expected);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        fuzz_one(&bytes);
    }
}
