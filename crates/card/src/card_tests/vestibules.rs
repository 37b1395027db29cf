//! What a locked box keeps: cut at every write, read by its own machine only, and bounded.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::encrypted::board;
use super::*;
use crate::protection::{DeviceKey, DeviceKeys};
use crate::random::Random;
use crate::vestibule::{self, HubPapers, ITEM_BYTES_MAX, ITEMS_MAX, Item, Papers, Vestibule, VestibuleFault};

const ID: [u8; 16] = [5; 16];

fn random(seed: u8) -> Random {
    Random::new(Zeroizing::new([seed; 32]))
}

fn own() -> DeviceKey {
    board(0).strongest().unwrap()
}

fn extent() -> Extent {
    layout().data_for(CAPACITY).unwrap()
}

fn read(card: &mut LoggedCard) -> Vestibule {
    Vestibule::read(card, extent(), ID, &own()).unwrap()
}

fn papers(word: &str) -> Papers {
    Papers {
        certificate: format!("certificate {word}"),
        key: Zeroizing::new(format!("key {word}")),
        inbox: "00".repeat(32),
    }
}

/// Everything that waits, by its number.
fn items(card: &mut LoggedCard) -> Vec<(usize, Item)> {
    let vestibule = read(card);
    let (mut from, mut found) = (0, Vec::new());
    while let Some((number, item)) = vestibule.next(card, from).unwrap() {
        found.push((number, item));
        from = number + 1;
    }
    found
}

#[test]
fn a_cut_while_a_wrong_pin_is_counted_leaves_the_count_before_or_after_it_and_the_papers() {
    let mut card = LoggedCard::new(CAPACITY);
    let mut first = read(&mut card);
    first
        .set_papers(&mut card, papers("one"), &mut random(1))
        .unwrap();
    first.set_wrong(&mut card, 6, &mut random(2)).unwrap();
    let mut card = card.settled();
    read(&mut card).set_wrong(&mut card, 7, &mut random(3)).unwrap();
    let (mut number, mut before) = (0_u32, 0);
    card.cuts(5, |mut card| {
        number += 1;
        // Thousands of states of few kinds: a sample of them is enough.
        if !number.is_multiple_of(23) {
            return;
        }
        let found = read(&mut card);
        assert_eq!(found.papers(), Some(&papers("one")));
        match found.wrong() {
            6 => before += 1,
            7 => {}
            other => panic!("{other}"),
        }
    });
    assert!(before > 50, "{before}");
    assert_eq!(read(&mut card).wrong(), 7);
}

#[test]
fn a_cut_while_a_reading_is_put_in_costs_no_other_reading() {
    let mut card = LoggedCard::new(CAPACITY);
    read(&mut card).put(&mut card, [1; 16], b"first").unwrap();
    let mut card = card.settled();
    let mut open = read(&mut card);
    open.put(&mut card, [2; 16], &[0xa5; 3000]).unwrap();
    let written = card.clone();
    let (mut number, mut torn) = (0_u32, 0);
    written.cuts(11, |mut card| {
        number += 1;
        if !number.is_multiple_of(11) {
            return;
        }
        let found = items(&mut card);
        assert_eq!(found[0], (0, Item::Whole([1; 16], b"first".to_vec())));
        match found.get(1) {
            None => {}
            Some((1, Item::Damaged(_))) => torn += 1,
            Some((1, Item::Whole(id, bytes))) => {
                assert_eq!((*id, bytes.as_slice()), ([2; 16], &[0xa5; 3000][..]));
            }
            Some(other) => panic!("{other:?}"),
        }
        // A further one goes beside whatever the cut left.
        read(&mut card).put(&mut card, [3; 16], b"third").unwrap();
        assert!(items(&mut card).contains(&(found.len(), Item::Whole([3; 16], b"third".to_vec()))));
    });
    assert!(torn > 20, "{torn}");
    assert_eq!(items(&mut card)[1], (1, Item::Whole([2; 16], vec![0xa5; 3000])));
}

#[test]
fn the_same_reading_twice_is_one_and_a_full_inbox_says_so() {
    let mut card = LoggedCard::new(CAPACITY);
    let mut open = read(&mut card);
    for number in 0..ITEMS_MAX as u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        open.put(&mut card, id, &number.to_be_bytes()).unwrap();
        open.put(&mut card, id, &number.to_be_bytes()).unwrap();
    }
    assert!(open.is_full() && open.waiting() == ITEMS_MAX);
    assert_eq!(
        open.put(&mut card, [9; 16], b"one more"),
        Err(VestibuleFault::Full)
    );
    assert_eq!(open.put(&mut card, [0; 16], b"there already"), Ok(()));
    open.remove(&mut card, 700).unwrap();
    open.put(&mut card, [9; 16], b"one more").unwrap();
    assert_eq!(
        read(&mut card).next(&mut card, 700).unwrap(),
        Some((700, Item::Whole([9; 16], b"one more".to_vec())))
    );
    let long = vec![0; ITEM_BYTES_MAX + 1];
    assert_eq!(
        open.put(&mut card, [8; 16], &long),
        Err(VestibuleFault::TooLong(long.len()))
    );
}

#[test]
fn another_machine_or_another_volume_finds_nothing_and_nothing_stands_there_in_clear() {
    let mut card = LoggedCard::new(CAPACITY);
    let mut first = read(&mut card);
    first
        .set_papers(&mut card, papers("secret-word"), &mut random(1))
        .unwrap();
    first.set_wrong(&mut card, 3, &mut random(2)).unwrap();
    let mut of = |id, key: &DeviceKey| Vestibule::read(&mut card, extent(), id, key).unwrap();
    for found in [of([6; 16], &own()), of(ID, &board(1).strongest().unwrap())] {
        assert_eq!((found.wrong(), found.papers()), (0, None));
    }
    assert_eq!(of(ID, &own()).wrong(), 3);
    let mut all = vec![0; 1 << 20];
    card.read_at(extent().at + vestibule::AT, &mut all).unwrap();
    assert!(all.windows(11).all(|window| window != b"secret-word"));
    vestibule::make(&mut card, extent()).unwrap();
    let found = read(&mut card);
    assert_eq!((found.wrong(), found.papers(), found.waiting()), (0, None, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a model: a list of ids in the order of their places.
    #[test]
    fn what_was_put_in_and_not_removed_is_there_after_each_start(
        steps in proptest::collection::vec((any::<bool>(), 0_u8..12, 0_usize..ITEM_BYTES_MAX), 1..30),
    ) {
        let mut card = LoggedCard::new(CAPACITY);
        let mut model: Vec<Option<(u8, usize)>> = Vec::new();
        for (is_put, number, len) in steps {
            let mut open = read(&mut card);
            if is_put {
                open.put(&mut card, [number; 16], &vec![number; len]).unwrap();
                let is_there = model.iter().flatten().any(|(id, _)| *id == number);
                match model.iter().position(Option::is_none) {
                    _ if is_there => {}
                    Some(free) => model[free] = Some((number, len)),
                    None => model.push(Some((number, len))),
                }
            } else {
                open.remove(&mut card, number.into()).unwrap();
                if let Some(place) = model.get_mut(usize::from(number)) {
                    *place = None;
                }
            }
            let expected: Vec<_> = model
                .iter()
                .enumerate()
                .filter_map(|(at, kept)| kept.map(|(id, len)| (at, Item::Whole([id; 16], vec![id; len]))))
                .collect();
            prop_assert_eq!(items(&mut card), expected);
        }
    }
}

fn hub(url: &str) -> HubPapers {
    HubPapers {
        url: url.to_owned(),
        county: [1; 32],
        hub: [2; 32],
        device: [3; 8],
    }
}

#[test]
fn whom_a_locked_box_asks_and_its_key_stay_through_all_else_that_is_noted() {
    let mut card = LoggedCard::new(CAPACITY);
    let mut first = read(&mut card);
    assert_eq!(first.hub(), None);
    let seed = first.opening_seed(&mut card, &mut random(1)).unwrap();
    first
        .set_hub(&mut card, hub("https://one.example"), &mut random(2))
        .unwrap();
    first
        .set_papers(&mut card, papers("one"), &mut random(3))
        .unwrap();
    first.set_wrong(&mut card, 4, &mut random(4)).unwrap();
    let long = first.set_hub(&mut card, hub(&"x".repeat(301)), &mut random(5));
    assert_eq!(long, Err(VestibuleFault::TooLong(301)));
    let mut card = card.settled();
    let mut again = read(&mut card);
    assert_eq!(again.hub(), Some(&hub("https://one.example")));
    assert_eq!((again.papers(), again.wrong()), (Some(&papers("one")), 4));
    // The same again is not written: a card lives by its writes.
    again
        .set_hub(&mut card, hub("https://one.example"), &mut random(6))
        .unwrap();
    assert_eq!(again.opening_seed(&mut card, &mut random(7)).unwrap(), seed);
    assert_eq!(card.events(), 0);
}
