//! The opener and the county's hub: a share that opens, questions that prove this box, and a revocation that only the
//! hub's own word brings about.

use card::vestibule::HubPapers;
use records::ids::DeviceId;
use sync_core::identity::DeviceKey;
use sync_core::wire::{Meeting, ShareAsk, ShareRefusal, ShareWhy};

use super::*;

const PIN: &str = "482759";
const NONCE: [u8; 32] = [2; 32];
const AT: Duration = Duration::from_secs(40);

type Tried = Opener<FileDevice, Noted>;

fn hub() -> DeviceKey {
    DeviceKey::from_seed(&[6; 32])
}

fn papers() -> HubPapers {
    HubPapers {
        url: "https://hub.example".to_owned(),
        county: [1; 32],
        hub: hub().public().to_bytes(),
        device: [7; 8],
    }
}

fn meeting() -> Meeting {
    Meeting {
        county: [1; 32],
        device: DeviceId([7; 8]),
        nonce: NONCE,
    }
}

fn gave(share: &str) -> Request {
    Request::HubGave {
        share: share.to_owned().into(),
    }
}

fn set_share(share: &str) -> Request {
    Request::SetShare {
        share: share.to_owned().into(),
    }
}

fn share(byte: &str) -> String {
    byte.repeat(32)
}

/// A box of policy `hub` that is open, with its papers left.
fn open_box() -> (Bench, Tried) {
    let (bench, mut opener) = Bench::founded(by_hub, PIN);
    assert!(opener.answer(Request::LeaveHub { hub: papers() }, AT) == Answer::Done);
    (bench, opener)
}

/// Asks the hub; the box's own nonce.
fn asked(opener: &mut Tried) -> [u8; 32] {
    let Answer::Question {
        key,
        nonce,
        signature,
    } = opener.answer(Request::AskHub { nonce: NONCE }, AT)
    else {
        panic!("no question");
    };
    let ask = ShareAsk {
        key,
        nonce,
        signature,
    };
    assert_eq!(ask.verify(&meeting()), Ok(()));
    nonce
}

fn refused(opener: &mut Tried, by: &DeviceKey, nonce: &[u8; 32], why: ShareWhy) -> Answer {
    let signature = ShareRefusal::sign(by, &meeting(), nonce, why).signature;
    let why = why.number();
    opener.answer(Request::HubRefused { why, signature }, AT)
}

#[test]
fn a_share_that_the_hub_keeps_opens_the_box_after_a_start_and_no_other_does() {
    let (mut bench, mut opener) = open_box();
    assert!(!standing(&mut opener, AT).has_share);
    assert!(opener.answer(set_share(&share("05")), AT) == Answer::Done);
    assert!(
        opener.answer(set_share(&share("05")), AT) == Answer::Done,
        "told again"
    );
    let mut opener = bench.start();
    let found = standing(&mut opener, AT);
    assert!(found.by_hub && found.has_share && found.has_pin && !found.is_open);
    for wrong in [share("06"), share("zz"), String::new()] {
        assert!(opener.answer(gave(&wrong), AT) == Answer::WrongKey);
    }
    assert_eq!(standing(&mut opener, AT).wrong, 0, "nobody guesses a share");
    assert!(opener.answer(gave(&share("05")), AT) == Answer::Opened);
    assert_eq!(opener.system.opened, Some(bench.key.clone()));
    // And the PIN as ever.
    let mut opener = bench.start();
    assert!(opener.answer(open(PIN), AT) == Answer::Opened);
    // A hub that lost its share gets another one while the box is open; the old one is void.
    assert!(opener.answer(set_share(&share("06")), AT) == Answer::Done);
    let mut opener = bench.start();
    assert!(opener.answer(gave(&share("05")), AT) == Answer::WrongKey);
    assert!(opener.answer(gave(&share("06")), AT) == Answer::Opened);
}

#[test]
fn no_share_is_taken_before_there_is_a_pin_nor_while_locked_nor_by_a_box_that_the_hub_may_not_open() {
    let mut bench = Bench::new(by_hub);
    let mut opener = bench.start();
    opener.system.opened = Some(bench.key.clone());
    assert!(
        opener.answer(set_share(&share("05")), AT) == Answer::NotNow,
        "before a PIN"
    );
    assert!(opener.answer(set("", PIN), AT) == Answer::Done);
    let mut opener = bench.start();
    assert!(
        opener.answer(set_share(&share("05")), AT) == Answer::NotNow,
        "locked"
    );
    let (_bench, mut opener) = Bench::founded(by_person, PIN);
    assert!(
        opener.answer(set_share(&share("05")), AT) == Answer::NotNow,
        "by a person only"
    );
    assert!(!standing(&mut opener, AT).by_hub);
}

#[test]
fn the_key_that_proves_the_box_is_made_once_and_known_to_its_own_machine_only() {
    let (mut bench, mut opener) = open_box();
    let Answer::OpeningKey { key } = opener.answer(Request::OpeningKey, AT) else {
        panic!("no key");
    };
    let mut opener = bench.start();
    assert!(opener.answer(Request::Hub, AT) == Answer::Hub { hub: Some(papers()) });
    assert!(opener.answer(Request::OpeningKey, AT) == Answer::OpeningKey { key });
    let Answer::Question { key: asks, .. } = opener.answer(Request::AskHub { nonce: NONCE }, AT) else {
        panic!("no question");
    };
    assert_eq!(asks, key);
    let (_bench, mut opener) = Bench::founded(by_hub, PIN);
    assert!(
        opener.answer(Request::AskHub { nonce: NONCE }, AT) == Answer::NotNow,
        "no hub"
    );
}

#[test]
fn a_revocation_counts_only_in_the_hubs_own_word_to_the_question_that_was_asked() {
    let (mut bench, mut opener) = open_box();
    assert!(opener.answer(set_share(&share("05")), AT) == Answer::Done);
    let stranger = DeviceKey::from_seed(&[9; 32]);
    // Nothing was asked.
    assert!(refused(&mut opener, &hub(), &[3; 32], ShareWhy::Revoked) == Answer::NotBelieved);
    // By somebody else, or to another question.
    let nonce = asked(&mut opener);
    assert!(refused(&mut opener, &stranger, &nonce, ShareWhy::Revoked) == Answer::NotBelieved);
    assert!(
        refused(&mut opener, &hub(), &nonce, ShareWhy::Revoked) == Answer::NotBelieved,
        "once"
    );
    let first = asked(&mut opener);
    let second = asked(&mut opener);
    assert_ne!(first, second);
    assert!(refused(&mut opener, &hub(), &first, ShareWhy::Revoked) == Answer::NotBelieved);
    // Another reason is a reason to wait.
    for why in [
        ShareWhy::Unknown,
        ShareWhy::Succeeded,
        ShareWhy::NotYet,
        ShareWhy::Other(77),
    ] {
        let nonce = asked(&mut opener);
        assert!(
            refused(&mut opener, &hub(), &nonce, why) == Answer::Done,
            "{why:?}"
        );
    }
    assert!(!standing(&mut opener, AT).is_revoked && !opener.system.starts_anew);
    let mut opener = bench.start();
    assert!(opener.answer(gave(&share("05")), AT) == Answer::Opened);
}

#[test]
fn a_revoked_box_closes_and_only_the_countys_recovery_key_opens_it_again() {
    for (made, is_open) in [
        (by_hub as fn(&Path) -> VolumeKey, true),
        (by_hub, false),
        (by_person, true),
    ] {
        let (mut bench, mut opener) = Bench::founded(made, PIN);
        assert!(opener.answer(Request::LeaveHub { hub: papers() }, AT) == Answer::Done);
        let _ = opener.answer(set_share(&share("05")), AT);
        if !is_open {
            opener = bench.start();
        }
        let nonce = asked(&mut opener);
        assert!(refused(&mut opener, &hub(), &nonce, ShareWhy::Revoked) == Answer::Revoked);
        assert_eq!(opener.system.starts_anew, is_open);
        let mut opener = bench.start();
        let found = standing(&mut opener, AT);
        assert!(found.is_revoked && !found.has_pin && !found.has_share);
        assert!(matches!(opener.answer(open(PIN), AT), Answer::WrongPin { .. }));
        assert!(opener.answer(gave(&share("05")), AT) == Answer::WrongKey);
        assert!(opener.answer(recover(RECOVERY, "102938"), AT) == Answer::Opened);
        assert_eq!(opener.system.opened, Some(bench.key.clone()));
        assert!(!standing(&mut opener, AT).is_revoked);
        let mut opener = bench.start();
        assert!(opener.answer(open("102938"), AT) == Answer::Opened);
    }
}
