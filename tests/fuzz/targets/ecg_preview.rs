//! The small picture of a recording that travels first.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("ecg_preview", bytes));
