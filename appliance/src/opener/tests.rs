//! The opener over a card in a file: founded, locked, tried, recovered.

mod hub;

use std::path::{Path, PathBuf};

use card::FileDevice;
use card::vestibule::Papers;
use zeroize::Zeroizing;

use super::*;
use crate::person_card::{Board, ID, RECOVERY, by_hub, by_person};

/// A system whose mount is a note of the key.
#[derive(Default)]
pub(crate) struct Noted {
    opened: Option<VolumeKey>,
    fails: bool,
    starts_anew: bool,
}

impl System for Noted {
    fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    fn open(&mut self, _: Extent, volume: [u8; 16], key: &VolumeKey) -> Result<(), String> {
        assert_eq!(volume, ID);
        if self.fails {
            return Err("the card is worn".to_owned());
        }
        self.opened = Some(key.clone());
        Ok(())
    }

    fn start_anew(&mut self) {
        self.opened = None;
        self.starts_anew = true;
    }
}

pub(crate) struct Bench {
    _folder: tempfile::TempDir,
    card: PathBuf,
    key: VolumeKey,
    starts: u8,
}

impl Bench {
    fn new(made: fn(&Path) -> VolumeKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("card");
        Self {
            key: made(&card),
            _folder: folder,
            card,
            starts: 1,
        }
    }

    /// The opener after a start of the machine.
    fn start(&mut self) -> Opener<FileDevice, Noted> {
        self.starts += 1;
        let device = FileDevice::open_in_use(&self.card).unwrap();
        let random = Random::new(Zeroizing::new([self.starts; 32]));
        let cost = Cost::new(64, 1).unwrap();
        Opener::new(device, Noted::default(), &Board, random, cost, seconds(20)).unwrap()
    }

    /// Where its opener listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.card.with_file_name("socket")
    }

    /// A box that was founded with this PIN and started anew.
    pub(crate) fn locked(pin: &str) -> (Self, Opener<FileDevice, Noted>) {
        let (mut bench, _) = Self::founded(by_person, pin);
        let opener = bench.start();
        (bench, opener)
    }

    /// An open box that was founded with this PIN just now.
    fn founded(made: fn(&Path) -> VolumeKey, pin: &str) -> (Self, Opener<FileDevice, Noted>) {
        let mut bench = Self::new(made);
        let mut opener = bench.start();
        opener.system.opened = Some(bench.key.clone());
        assert!(opener.answer(set("", pin), seconds(30)) == Answer::Done);
        (bench, opener)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn set(old: &str, new: &str) -> Request {
    let (old, new) = (old.to_owned().into(), new.to_owned().into());
    Request::SetPin { old, new }
}

fn open(pin: &str) -> Request {
    Request::Open {
        pin: pin.to_owned().into(),
    }
}

fn recover(key: &str, pin: &str) -> Request {
    let (key, pin) = (key.to_owned().into(), pin.to_owned().into());
    Request::Recover { key, pin }
}

fn standing(opener: &mut Opener<FileDevice, Noted>, now: Duration) -> Standing {
    match opener.answer(Request::State, now) {
        Answer::State { standing } => standing,
        _ => panic!("no state"),
    }
}

#[test]
fn a_founded_box_opens_by_its_pin_after_a_start_and_by_nothing_else() {
    let (bench, mut opener) = Bench::locked("482759");
    let at = seconds(30);
    let found = standing(&mut opener, at);
    assert!(found.has_pin && !found.is_open);
    assert!(opener.answer(set("482759", "102938"), at) == Answer::NotNow);
    assert!(opener.answer(open("482758"), at) == Answer::WrongPin { wait_seconds: 0 });
    assert_eq!(standing(&mut opener, at).wrong, 1);
    assert!(opener.answer(open("482759"), at) == Answer::Opened);
    assert_eq!(opener.system.opened, Some(bench.key.clone()));
    assert_eq!(standing(&mut opener, at).wrong, 0);
}

#[test]
fn wrong_pins_cost_more_and_more_time_also_after_a_restart_and_the_right_one_too() {
    let (mut bench, mut opener) = Bench::locked("482759");
    let mut now = seconds(30);
    for wait_seconds in [0, 0, 0, 15, 30] {
        assert!(opener.answer(open("111111"), now) == Answer::WrongPin { wait_seconds });
        now += seconds(wait_seconds);
    }
    assert!(opener.answer(open("111111"), now) == Answer::WrongPin { wait_seconds: 60 });
    // Nothing is tried before its time, and nothing counts.
    let early = now + seconds(59);
    assert!(opener.answer(open("482759"), early) == Answer::Wait { wait_seconds: 1 });
    assert_eq!(standing(&mut opener, early).wrong, 6);
    // The power was pulled: the wait is whole again.
    let mut opener = bench.start();
    assert!(opener.answer(open("482759"), seconds(25)) == Answer::Wait { wait_seconds: 55 });
    assert!(opener.answer(open("482759"), seconds(80)) == Answer::Opened);
    let mut opener = bench.start();
    assert_eq!(standing(&mut opener, seconds(21)).wait_seconds, 0);
}

#[test]
fn a_try_counts_before_it_is_made() {
    let (mut bench, mut opener) = Bench::locked("482759");
    opener.system.fails = true;
    // The right PIN over a card that does not mount: the count is back at nothing, and the data are not open.
    assert!(
        matches!(opener.answer(open("482759"), seconds(30)), Answer::Failed { why } if why == "the card is worn")
    );
    assert!(!standing(&mut opener, seconds(30)).is_open);
    // A machine that loses its power in the middle of a try has made it.
    let header = luks::read(&mut opener.device, opener.extent).unwrap().unwrap();
    let mut nothing = FileDevice::open_in_use(&bench.card).unwrap();
    let slot_of_pin = opener.extent.at + (32 << 10) + 2 * (128 << 10);
    nothing.write_at(slot_of_pin, &[0; 4096]).unwrap();
    assert!(header.pin_source().is_some());
    assert!(matches!(
        opener.answer(open("482759"), seconds(30)),
        Answer::WrongPin { .. }
    ));
    assert_eq!(standing(&mut bench.start(), seconds(30)).wrong, 1);
}

#[test]
fn the_recovery_key_opens_at_any_time_and_sets_a_new_pin() {
    let (mut bench, mut opener) = Bench::locked("482759");
    for _ in 0..4 {
        opener.answer(open("111111"), seconds(30));
    }
    let at = seconds(31);
    assert!(matches!(opener.answer(open("482759"), at), Answer::Wait { .. }));
    assert!(opener.answer(recover(&RECOVERY.replace('0', "1"), "102938"), at) == Answer::WrongKey);
    assert!(opener.answer(recover(RECOVERY, "123456"), at) == bad(PinFault::TooPlain));
    let spaced = RECOVERY
        .to_ascii_uppercase()
        .as_bytes()
        .chunks(4)
        .fold(String::new(), |all, part| {
            all + std::str::from_utf8(part).unwrap() + " "
        });
    assert!(opener.answer(recover(&spaced, "102938"), at) == Answer::Opened);
    assert_eq!(opener.system.opened, Some(bench.key.clone()));
    let mut opener = bench.start();
    assert!(matches!(
        opener.answer(open("482759"), seconds(30)),
        Answer::WrongPin { .. }
    ));
    assert!(opener.answer(open("102938"), seconds(30)) == Answer::Opened);
}

#[test]
fn another_pin_needs_the_old_one_and_its_tries_count_too() {
    let (mut bench, mut opener) = Bench::locked("482759");
    let at = seconds(30);
    assert!(opener.answer(open("482759"), at) == Answer::Opened);
    assert!(matches!(
        opener.answer(set("", "102938"), at),
        Answer::WrongPin { .. }
    ));
    assert!(matches!(
        opener.answer(set("482758", "102938"), at),
        Answer::WrongPin { .. }
    ));
    assert_eq!(standing(&mut opener, at).wrong, 2);
    assert!(opener.answer(set("482759", "12345"), at) == bad(PinFault::TooShort));
    assert!(opener.answer(set("482759", "102938"), at) == Answer::Done);
    let mut opener = bench.start();
    assert!(matches!(
        opener.answer(open("482759"), at),
        Answer::WrongPin { .. }
    ));
    assert!(opener.answer(open("102938"), at) == Answer::Opened);
}

#[test]
fn what_is_left_and_put_in_is_there_after_a_start() {
    let (mut bench, mut opener) = Bench::locked("482759");
    let at = seconds(30);
    let papers = Papers {
        certificate: "certificate".to_owned(),
        key: "key".to_owned().into(),
        inbox: "00".repeat(32),
    };
    let left = Request::Leave {
        papers: papers.clone(),
    };
    assert!(opener.answer(left, at) == Answer::Done);
    for _ in 0..2 {
        let put = Request::Put {
            id: [7; 16],
            message: b"sealed".to_vec(),
        };
        assert!(opener.answer(put, at) == Answer::Done);
    }
    let mut opener = bench.start();
    assert!(opener.answer(Request::Papers, at) == Answer::Papers { papers: Some(papers) });
    assert_eq!(standing(&mut opener, at).waiting, 1);
    let item = Answer::Item {
        place: 0,
        id: Some("07".repeat(16)),
        bytes: b"sealed".to_vec(),
    };
    assert!(opener.answer(Request::Next { from: 0 }, at) == item);
    assert!(opener.answer(Request::Next { from: 1 }, at) == Answer::NoItem);
    assert!(opener.answer(Request::Remove { place: 0 }, at) == Answer::Done);
    assert!(bench.start().answer(Request::Next { from: 0 }, at) == Answer::NoItem);
}

#[test]
fn only_its_own_user_is_answered_over_the_socket() {
    let (mut bench, mut opener) = Bench::locked("482759");
    let path = bench.socket();
    let own = rustix::process::getuid().as_raw();
    let door = client::Door::at(path.clone());
    // Root may always ask, and a test may run as root: then the other user asks nothing here.
    for (user, is_answered) in [(own, true), (own + 1, own == 0)] {
        let listener = serving::listen(&path, own).unwrap();
        let door = door.clone();
        let asking = std::thread::spawn(move || door.ask_now(&Request::State));
        let (mut stream, _) = listener.accept().unwrap();
        let conversed = serving::converse(&mut stream, user, &mut opener, std::time::Instant::now());
        drop(stream);
        assert_eq!(conversed.is_ok(), is_answered);
        assert_eq!(asking.join().unwrap().is_ok(), is_answered);
    }
    let _ = bench.start();
}
