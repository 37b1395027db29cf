//! Identity rows of cards.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| card::identity::fuzz_one(bytes));
