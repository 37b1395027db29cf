//! Permits of technicians.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("card_permit", bytes));
