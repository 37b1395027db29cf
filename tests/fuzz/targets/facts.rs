//! Packed facts of records.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| records::packed::fuzz_one(bytes));
