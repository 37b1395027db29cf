//! Recordings as tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("ecg_csv", bytes));
