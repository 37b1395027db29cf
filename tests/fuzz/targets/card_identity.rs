//! Identity rows of cards.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("card_identity", bytes));
