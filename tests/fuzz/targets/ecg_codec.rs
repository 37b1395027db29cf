//! The form in which recordings are stored.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("ecg_codec", bytes));
