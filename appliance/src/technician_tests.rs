//! The technician's door on a card in a file: who is let in, for how long, and what is said to the others.

use std::fs;

use card::signed::SecretKey;
use card::technician::{FILE, Permit};

use super::*;
use crate::update::tests::{Bench, key};

const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNqzPM6jgKPyXb1gUXoEKZbkBvO5sZTb8L0ks1nGGbT";

fn place(bench: &Bench, stick: Option<&str>) -> Place {
    Place {
        card: bench.config.clone(),
        stick: stick.map(|name| bench.at(name)),
        notes: bench.at("notes"),
    }
}

fn permit(clinic: &str, minutes: u32, number: u8) -> Permit {
    Permit::new("441802", clinic, SSH, minutes, [number; 8]).unwrap()
}

/// A stick with this permit.
fn stick(bench: &Bench, text: &str) -> Place {
    let folder = bench.at("stick");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(FILE), text).unwrap();
    place(bench, Some("stick"))
}

fn admitted(place: &Place) -> Admitted {
    place.admit().unwrap().unwrap()
}

#[test]
fn a_box_without_a_permit_lets_nobody_in_and_says_nothing() {
    let bench = Bench::new();
    assert_eq!(place(&bench, None).admit().unwrap(), None);
    assert_eq!(place(&bench, Some("stick")).admit().unwrap(), None);
}

#[test]
fn a_permit_is_good_for_its_minutes_whatever_restarts_and_while_it_is_there() {
    let bench = Bench::new();
    let place = stick(&bench, &permit("0017", 3, 1).seal(&key()));
    let first = admitted(&place);
    assert_eq!((first.permit.key.as_str(), first.left), (SSH, 3));
    assert_eq!(place.spend(&first.permit).unwrap(), 2);
    assert_eq!(admitted(&place).left, 2, "after a restart");
    assert_eq!(place.spend(&first.permit).unwrap(), 1);
    assert!(place.is_there(&first));
    assert_eq!(place.spend(&first.permit).unwrap(), 0);
    let said = place.admit().unwrap_err().to_string();
    assert!(
        said.contains("stick: the technician's permit is used up: its 3 minutes are over"),
        "{said}"
    );

    // A new number is a new permit; the stick that goes takes its permit along.
    stick(&bench, &permit("0017", 3, 2).seal(&key()));
    let second = admitted(&place);
    assert_eq!(second.left, 3);
    assert!(!place.is_there(&first));
    fs::remove_dir_all(bench.at("stick")).unwrap();
    assert!(!place.is_there(&second));
}

#[test]
fn a_permit_on_the_card_itself_counts_as_one_on_a_stick() {
    let bench = Bench::new();
    bench.put_on_card(
        card::select::PERMIT,
        permit("0017", 60, 1).seal(&key()).as_bytes(),
    );
    let place = place(&bench, None);
    let admitted = admitted(&place);
    assert_eq!((admitted.offer.from.as_str(), admitted.left), ("the card", 60));
    assert!(place.is_there(&admitted));
}

#[test]
fn what_is_not_this_countys_or_this_clinics_is_refused_in_a_sentence() {
    let bench = Bench::new();
    let other = SecretKey::from_seed(&[9; 32]);
    for (text, words) in [
        (permit("0017", 60, 1).seal(&other), "signature does not fit"),
        (
            permit("0018", 60, 1).seal(&key()),
            "for clinic 0018 of county 441802, not for this box",
        ),
        (String::new(), "no signed text"),
        ("x".repeat(PERMIT_MAX + 10), "too long"),
    ] {
        let said = stick(&bench, &text).admit().unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn no_minute_is_given_that_cannot_be_noted() {
    let bench = Bench::new();
    let place = stick(&bench, &permit("0017", 60, 1).seal(&key()));
    let permit = admitted(&place).permit;
    // Where the note should be lies something else.
    let note = bench.at("notes").join(&permit.number);
    fs::create_dir_all(&note).unwrap();
    assert!(matches!(place.spend(&permit), Err(DoorFault::Notes { .. })));
    assert!(matches!(place.admit(), Err(DoorFault::Notes { .. })));
    fs::remove_dir(&note).unwrap();
    fs::write(&note, "many").unwrap();
    assert!(matches!(place.admit(), Err(DoorFault::Notes { .. })));
}
