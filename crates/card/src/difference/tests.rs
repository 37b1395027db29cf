//! What was made is got back, small, and nothing else is taken.

use proptest::prelude::*;

use super::fuzzing::{apply, header};
use super::*;
use crate::verity::Verity;

const LEVEL: i32 = 9;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What zstd alone makes of it, with the old image as its dictionary.
fn by_zstd(new: &[u8], old: &[u8]) -> usize {
    use std::io::Write;
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), LEVEL, old).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(23).unwrap();
    encoder.write_all(new).unwrap();
    encoder.finish().unwrap().len()
}

/// A program whose functions call each other and take addresses of its data; `grown` are instructions more in one of
/// the first functions.
fn program(grown: usize) -> Vec<u8> {
    const FUNCTIONS: usize = 400;
    const LEN: usize = 60;
    const DATA: usize = 40_000;
    let random = noise(7, FUNCTIONS * LEN * 4);
    let start = |function: usize| 64 + function * LEN + if function > 5 { grown } else { 0 };
    let code = 256 + (FUNCTIONS * LEN + grown) * 4;
    let data_at = code + 0x1_0000;
    let mut words: Vec<u32> = Vec::new();
    for function in 0..FUNCTIONS {
        for number in 0..LEN {
            let own = 64 + words.len();
            let value = |by: isize| {
                let at = (function * LEN + number).wrapping_add_signed(by) * 4;
                u32::from_le_bytes(random[at..at + 4].try_into().unwrap())
            };
            let target = |by: isize| data_at + value(by) as usize % DATA / 8 * 8;
            let page = (target(0) >> 12).wrapping_sub((own * 4) >> 12) as u32;
            let value = value(0);
            words.push(match number % 6 {
                0 => 0x9400_0000 | (start(value as usize % FUNCTIONS).wrapping_sub(own) as u32 & 0x03ff_ffff),
                1 => 0x9000_0001 | (page & 3) << 29 | (page >> 2 & 0x7_ffff) << 5,
                2 => 0x9100_0021 | (target(-1) as u32 & 0xfff) << 10,
                _ => value >> 1 | 0x0000_001f,
            });
            if function == 5 && number == 17 {
                words.extend((0..grown as u32).map(|more| 0xaa00_03e0 | more << 16));
            }
        }
    }
    let mut bytes = header(code, DATA);
    bytes.extend(words.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend(noise(8, DATA));
    bytes
}

#[test]
fn a_function_that_grew_costs_its_own_bytes_although_all_calls_and_addresses_changed() {
    // A file system's blocks lie before the program.
    let image = |grown| [noise(3, 2 * BLOCK as usize), program(grown)].concat();
    let (old, new) = (image(0), image(3));
    let changed = old
        .iter()
        .zip(&new)
        .skip(12_000)
        .filter(|(old, new)| old != new)
        .count();
    assert!(changed > 10_000, "{changed}");
    let difference = make(&new, &old, LEVEL).unwrap();
    let alone = by_zstd(&new, &old);
    assert!(
        difference.len() < 400 && alone > 15 * difference.len(),
        "{} {alone}",
        difference.len()
    );
    assert!(apply(&difference, &old, new.len(), 1 << 20).unwrap() == new);
    // The way back, and in small pieces.
    let back = make(&old, &new, LEVEL).unwrap();
    assert!(back.len() < 400, "{}", back.len());
    assert!(apply(&back, &new, old.len(), 777).unwrap() == old);
}

/// Pages and their other halves in turn, behind so many instructions, so that one pair lies across any place.
fn pairs(before: usize, moved: u32) -> Vec<u8> {
    const DATA_AT: u32 = 200_000;
    let mut words = vec![0xd503_201f_u32; before];
    for number in 0..20_000_u32 {
        let target = DATA_AT + moved + number % 3000 * 8;
        let page = (target >> 12).wrapping_sub(((words.len() * 4) as u32) >> 12);
        words.push(0x9000_0001 | (page & 3) << 29 | (page >> 2 & 0x7_ffff) << 5);
        words.push(0x9100_0021 | (target & 0xfff) << 10);
    }
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize((DATA_AT + moved) as usize, 0);
    bytes.extend(noise(9, 30_000));
    bytes
}

#[test]
fn both_ends_foretell_alike_where_the_pieces_of_a_stretch_meet() {
    for before in 0..4 {
        let (old, new) = (pairs(before, 0), pairs(before, 5000));
        let difference = make(&new, &old, LEVEL).unwrap();
        assert!(difference.len() < 500, "{}", difference.len());
        assert!(
            apply(&difference, &old, new.len(), 1 << 20).unwrap() == new,
            "{before}"
        );
    }
}

#[test]
fn tree_and_parity_do_not_travel() {
    let seed = Seed {
        uuid: [3; 16],
        salt: [4; SALT],
    };
    let sealed = |mut data: Vec<u8>| {
        let verity = Verity::of(&data, &seed).unwrap();
        data.extend_from_slice(&verity.trailer);
        data
    };
    let data = noise(1, 300 * BLOCK as usize);
    let mut changed = data.clone();
    for block in changed.chunks_mut(BLOCK as usize) {
        block[99] ^= 1;
    }
    let (old, new) = (sealed(data), sealed(changed.clone()));
    let difference = make(&new, &old, LEVEL).unwrap();
    // 300 hashes of 32 bytes and 3 blocks of parity changed.
    assert!(difference.len() < 300, "{}", difference.len());
    assert!(apply(&difference, &old, new.len(), 10_000).unwrap() == new);
    let whole = make(&new, &[], LEVEL).unwrap();
    assert!(whole.len() < changed.len() + 1000, "{}", whole.len());
    assert!(apply(&whole, &[], new.len(), 10_000).unwrap() == new);
    // Another trailer is data like any other.
    let mut other = new.clone();
    *other.last_mut().unwrap() ^= 1;
    let difference = make(&other, &old, LEVEL).unwrap();
    assert!(difference.len() > 9600, "{}", difference.len());
    assert!(apply(&difference, &old, other.len(), 10_000).unwrap() == other);
}

#[test]
fn what_is_no_difference_is_refused_with_a_sentence() {
    let (old, new) = (program(0), program(3));
    let difference = make(&new, &old, LEVEL).unwrap();
    let refused =
        |bytes: &[u8], old: &[u8], len: usize| apply(bytes, old, len, 1 << 20).unwrap_err().to_string();
    let cut = refused(&difference[..difference.len() - 1], &old, new.len());
    assert!(cut.contains("sections are longer"), "{cut}");
    let more = refused(&difference, &old, new.len() + 1);
    assert!(more.contains("ends too soon"), "{more}");
    let segment = refused(&difference, &old[..old.len() - 1], new.len());
    assert!(segment.contains("a segment is not there"), "{segment}");
    let (old, new) = (noise(1, 9000), [noise(1, 9000), noise(2, 50)].concat());
    let difference = make(&new, &old, LEVEL).unwrap();
    let less = refused(&difference, &old, new.len() - 1);
    assert!(less.contains("makes more than it should"), "{less}");
    let short = refused(&difference, &old[..old.len() - 1], new.len());
    assert!(short.contains("not there"), "{short}");
    assert!(apply(&[], &old, new.len(), 1).is_err());
}

/// An old image and a new one made of pieces of it, changed and moved.
fn pair() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let piece = (
        any::<prop::sample::Index>(),
        0_usize..3000,
        0_usize..40,
        any::<u64>(),
    );
    let pieces = prop::collection::vec(piece, 0..12);
    (0_usize..9000, 1_u64..9, pieces, any::<bool>()).prop_map(|(len, seed, pieces, is_code)| {
        let old = if is_code {
            program(seed as usize)[..len].to_vec()
        } else {
            noise(seed, len)
        };
        let mut new = Vec::new();
        for (from, len, added, seed) in pieces {
            let from = if old.is_empty() { 0 } else { from.index(old.len()) };
            let start = new.len();
            new.extend_from_slice(&old[from..(from + len).min(old.len())]);
            for place in noise(seed, added) {
                if let Some(byte) = new[start..].get_mut(usize::from(place) * 7) {
                    *byte ^= place;
                }
            }
            new.extend(noise(seed, added));
        }
        (old, new)
    })
}

proptest! {
    #[test]
    fn every_pair_comes_back_byte_for_byte((old, new) in pair(), at_once in 1_usize..5000) {
        let difference = make(&new, &old, 1).unwrap();
        prop_assert!(apply(&difference, &old, new.len(), at_once).unwrap() == new);
    }

    #[test]
    fn numbers_come_back(values in prop::collection::vec(0_u64..1 << 63, 0..20), small in any::<i32>()) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| put(&mut bytes, *value));
        put_signed(&mut bytes, small.into());
        let mut from = bytes.as_slice();
        for value in values {
            prop_assert_eq!(number(&mut from).unwrap(), Some(value));
        }
        prop_assert_eq!(signed(needed(&mut from).unwrap()), i64::from(small));
        prop_assert_eq!(number(&mut from).unwrap(), None);
    }
}
