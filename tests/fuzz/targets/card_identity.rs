//! Identity rows of cards.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::run("card_identity", bytes));
