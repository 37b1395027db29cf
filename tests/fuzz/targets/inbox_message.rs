//! Readings that were unsealed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("inbox_message", bytes));
