//! Recordings as tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecg::formats::csv::fuzz_one(bytes));
