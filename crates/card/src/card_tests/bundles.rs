//! Bundles: made, judged, fetched over a line that dies, installed; and everything that is refused.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::bundle::{Addressed, Arrival, Bundle, BundleFault, DataForms, Images, Taker, make};
use crate::firmware::starts;
use crate::signed::SecretKey;
use crate::slots::Card;
use crate::state::{Outcome, Why};

const COUNTY: &str = "441802";
const FORMS: DataForms = DataForms {
    oldest: 1,
    newest: 2,
    writes: 2,
};

fn key() -> SecretKey {
    SecretKey::from_seed(&[5; 32])
}

fn images(release: &Release) -> Images<'_> {
    Images {
        version: release.system.version,
        boot: &release.boot,
        root: &release.root,
    }
}

fn bundle(new: &Release, base: Option<&Release>) -> Vec<u8> {
    bundle_with(new, base, FORMS)
}

fn bundle_with(new: &Release, base: Option<&Release>, data: DataForms) -> Vec<u8> {
    let base = base.map(images);
    let to = Addressed {
        county: COUNTY,
        hardware: &["pi3".to_owned(), "pi4".to_owned()],
        data,
    };
    make(&images(new), base.as_ref(), &to, &key(), 3).unwrap()
}

/// A later version that differs a little from an earlier one, as versions do.
fn changed(base: &Release, version: u64) -> Release {
    let mut root = base.root.clone();
    root[4000..4100].copy_from_slice(&noise(version, 100));
    Release {
        system: System {
            version: Version(version),
            root: Content::of(&root),
            ..base.system
        },
        boot: base.boot.clone(),
        root,
    }
}

fn taker<'a>(running: &'a Release, last: &'a Outcome) -> Taker<'a> {
    Taker {
        county: COUNTY,
        hardware: "pi4",
        running: &running.system,
        data: FORMS,
        last,
    }
}

#[test]
fn a_whole_bundle_and_a_difference_install_the_same_system_and_the_difference_is_small() {
    let (one, two) = (release(1), changed(&release(1), 2));
    let whole = bundle(&two, None);
    let difference = bundle(&two, Some(&one));
    assert!(
        difference.len() * 4 < whole.len(),
        "{} {}",
        difference.len(),
        whole.len()
    );
    for bytes in [whole, difference] {
        let mut card = Card::open(card(&one)).unwrap();
        let mut bundle = Bundle::open(Cursor::new(bytes), &[key().public()]).unwrap();
        bundle.manifest().judge(&taker(&one, &Outcome::None)).unwrap();
        let slot = bundle.install(&mut card, Slot::A, |_| {}).unwrap();
        assert_eq!(card.state().system(slot), Some(&two.system));
        assert!(card.is_whole(slot).unwrap());
        card.ask_for_trial(Slot::A).unwrap();
        assert_eq!(starts(card.parts().0, true).unwrap().slot, Some(Slot::B));
    }
}

#[test]
fn a_cut_at_any_write_of_an_install_by_difference_leaves_its_base_whole_and_the_update_ends_well() {
    let one = release(1);
    let two = changed(&one, 2);
    let bytes = bundle(&two, Some(&one));
    let keys = [key().public()];
    let install = |card: &mut Card<LoggedCard>, running: Slot| {
        let mut bundle = Bundle::open(Cursor::new(&bytes), &keys).unwrap();
        bundle.install(card, running, |_| {}).unwrap();
    };
    let mut updated = Card::open(card(&one)).unwrap();
    install(&mut updated, Slot::A);
    updated.ask_for_trial(Slot::A).unwrap();
    updated.begin(Slot::B).unwrap();
    updated.healthy(Slot::B).unwrap();
    let (mut seen, mut number) = (std::collections::BTreeSet::new(), 0);
    let count = updated.into_device().cuts(11, |mut state| {
        let (slot, version) = cuts::assert_starts_whole(&mut state, &[&one, &two]);
        assert_eq!(
            slot == Slot::B,
            version == Version(2),
            "the base is never written"
        );
        seen.insert(version);
        number += 1;
        if number % 7 == 0 || version == Version(2) {
            let ended = cuts::go_on_by(state.settled(), &two, install);
            assert_eq!(ended, Version(2));
        }
    });
    assert!(count > 200, "{count} states");
    assert_eq!(seen, [Version(1), Version(2)].into());
}

#[test]
fn a_base_that_rotted_is_no_base() {
    let one = release(1);
    let two = changed(&one, 2);
    let mut card = Card::open(card(&one)).unwrap();
    let root = card.layout().root_of(Slot::A);
    card.parts().0.write_at(root.at, &[0xee; 512]).unwrap();
    let mut bundle = Bundle::open(Cursor::new(bundle(&two, Some(&one))), &[key().public()]).unwrap();
    let refused = bundle.install(&mut card, Slot::A, |_| {});
    assert!(matches!(refused, Err(BundleFault::OtherBase)));
}

#[test]
fn every_bundle_that_is_not_for_this_box_is_refused_with_a_sentence_of_its_own() {
    let (one, two, three) = (release(1), release(2), release(3));
    let keys = [key().public()];
    let manifest = |bytes: Vec<u8>| {
        Bundle::open(Cursor::new(bytes), &keys)
            .unwrap()
            .manifest()
            .clone()
    };
    let new = manifest(bundle(&two, None));
    let none = Outcome::None;
    let back = Outcome::RolledBack {
        version: Version(2),
        why: Why::Unhealthy,
        detail: String::new(),
    };
    let county = Taker {
        county: "441803",
        ..taker(&one, &none)
    };
    let board = Taker {
        hardware: "pi5",
        ..taker(&one, &none)
    };
    let said: Vec<String> = [
        new.judge(&county),
        new.judge(&board),
        new.judge(&taker(&two, &none)),
        new.judge(&taker(&three, &none)),
        new.judge(&taker(&one, &back)),
        manifest(bundle(&three, Some(&two))).judge(&taker(&one, &none)),
    ]
    .into_iter()
    .map(|judged| judged.unwrap_err().to_string())
    .collect();
    for (said, part) in said.iter().zip([
        "another county",
        "pi3, pi4",
        "version 2 runs already",
        "version 3 runs already",
        "went back",
        "fetch the whole one",
    ]) {
        assert!(said.contains(part), "{said}");
    }
    // A difference is not installed over another base, judged or not.
    let mut card = Card::open(card(&one)).unwrap();
    let mut wrong = Bundle::open(Cursor::new(bundle(&three, Some(&two))), &keys).unwrap();
    let refused = wrong.install(&mut card, Slot::A, |_| {});
    assert!(matches!(refused, Err(BundleFault::OtherBase)));
    let stranger = Bundle::open(
        Cursor::new(bundle(&two, None)),
        &[SecretKey::from_seed(&[6; 32]).public()],
    );
    assert!(matches!(stranger, Err(BundleFault::Signed(_))));
}

#[test]
fn a_bundle_arrives_over_a_line_that_dies_at_any_byte_and_through_restarts() {
    let one = release(1);
    // More than one piece, and nothing that can be compressed.
    let mut two = release(2);
    two.root = noise(77, 700_000);
    two.system.root = Content::of(&two.root);
    let bytes = bundle(&two, None);
    let none = Outcome::None;
    let (keys, taker) = ([key().public()], taker(&one, &none));
    let mut file = Vec::new();
    let (mut fetched, mut step) = (0, 1);
    loop {
        // Each round is a process of its own: all it knows is the file.
        let mut arrival = Arrival::go_on(Cursor::new(file), &keys, &taker).unwrap();
        let from = arrival.wants() as usize;
        let end = (from + step).min(bytes.len());
        arrival.take(&bytes[from..end], &taker).unwrap();
        fetched += end - from;
        step = step * 3 / 2 + 1;
        let is_whole = arrival.is_whole();
        file = arrival.into_file().unwrap().into_inner();
        if is_whole {
            break;
        }
    }
    assert_eq!(file, bytes);
    assert_eq!(fetched, bytes.len(), "no byte was fetched twice");
    // A piece that went bad in the file is fetched again, and only from there on.
    let place = file.len() - 300_000;
    file[place] ^= 1;
    let mut arrival = Arrival::go_on(Cursor::new(file), &keys, &taker).unwrap();
    let from = arrival.wants() as usize;
    assert!(from <= place && from > place - 262_144, "{from} {place}");
    let mut wrong = bytes[from..].to_vec();
    wrong[10] ^= 1;
    assert!(matches!(
        arrival.take(&wrong, &taker),
        Err(BundleFault::Damaged { .. })
    ));
    assert_eq!(
        arrival.wants() as usize,
        from,
        "the damaged piece is wanted again"
    );
    arrival.take(&bytes[from..], &taker).unwrap();
    assert!(arrival.is_whole());
    assert!(matches!(
        arrival.take(&[0], &taker),
        Err(BundleFault::Length { .. })
    ));
    Bundle::open(arrival.into_file().unwrap(), &keys).unwrap();
}

#[test]
fn a_bundle_for_others_is_refused_with_its_first_bytes() {
    let (one, two) = (release(1), release(2));
    let bytes = bundle(&two, None);
    let none = Outcome::None;
    let county = Taker {
        county: "x",
        ..taker(&one, &none)
    };
    let mut arrival = Arrival::go_on(Cursor::new(Vec::new()), &[key().public()], &county).unwrap();
    let mut refused = None;
    for (taken, byte) in bytes.iter().enumerate() {
        if let Err(fault) = arrival.take(&[*byte], &county) {
            refused = Some((taken, fault));
            break;
        }
    }
    let (taken, fault) = refused.unwrap();
    assert!(
        matches!(fault, BundleFault::OtherCounty) && taken < 1500,
        "{taken} {fault}"
    );
    let mut nonsense = Arrival::go_on(Cursor::new(Vec::new()), &[key().public()], &county).unwrap();
    assert!(matches!(
        nonsense.take(b"<html>", &county),
        Err(BundleFault::Form)
    ));
    crate::bundle::fuzz_one(b"{}");
}

#[test]
fn bytes_behind_a_bundle_are_cut_off() {
    let (one, two) = (release(1), release(2));
    let bytes = bundle(&two, None);
    let none = Outcome::None;
    let (keys, taker) = ([key().public()], taker(&one, &none));
    // A longer bundle lay there before, under the same name.
    let left = [bytes.clone(), vec![9; 5000]].concat();
    let arrival = Arrival::go_on(Cursor::new(left.clone()), &keys, &taker).unwrap();
    assert!(arrival.is_whole());
    assert_eq!(arrival.into_file().unwrap().into_inner(), bytes);
    // All at once, before the manifest was known.
    let mut arrival = Arrival::go_on(Cursor::new(Vec::new()), &keys, &taker).unwrap();
    arrival.take(&left, &taker).unwrap();
    assert!(arrival.is_whole());
    Bundle::open(arrival.into_file().unwrap(), &keys).unwrap();
}

proptest! {
    /// Whatever is taken can be gone back from: each of the two programs reads what the other one writes.
    #[test]
    fn a_bundle_is_taken_only_where_there_is_a_way_back(forms in prop::array::uniform2((1_u32..6, 0_u32..3, 0_u32..3))) {
        let [old, new] = forms.map(|(oldest, more, written)| DataForms {
            oldest,
            newest: oldest + more,
            writes: oldest + written.min(more),
        });
        let (one, two) = (release(1), release(2));
        let bundle = Bundle::open(Cursor::new(bundle_with(&two, None, new)), &[key().public()]).unwrap();
        let none = Outcome::None;
        let judged = bundle.manifest().judge(&Taker { data: old, ..taker(&one, &none) });
        prop_assert_eq!(judged.is_ok(), old.reads(new.writes) && new.reads(old.writes));
        match judged {
            Err(BundleFault::DataTooOld { .. }) => prop_assert!(!new.reads(old.writes)),
            Err(BundleFault::NoWayBack { .. }) => prop_assert!(!old.reads(new.writes)),
            other => prop_assert!(other.is_ok()),
        }
    }

    /// 100 %: whatever byte is changed, wherever it is cut, whatever is added, it is refused.
    #[test]
    fn a_bundle_with_any_change_is_refused(place in any::<prop::sample::Index>(), bit in 0_u8..8, added in 1_usize..50) {
        let bytes = bundle(&release(2), None);
        let keys = [key().public()];
        let refused = |bytes: Vec<u8>| Bundle::open(Cursor::new(bytes), &keys).is_err();
        prop_assert!(!refused(bytes.clone()));
        let place = place.index(bytes.len());
        let mut changed = bytes.clone();
        changed[place] ^= 1 << bit;
        prop_assert!(refused(changed), "bit {bit} of byte {place}");
        prop_assert!(refused(bytes[..place].to_vec()), "cut at {place}");
        prop_assert!(refused([bytes, vec![0; added]].concat()), "{added} bytes added");
    }
}
