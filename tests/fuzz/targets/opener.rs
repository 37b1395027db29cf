//! Questions and answers of the opener.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("opener", bytes));
