//! Files of sticks, and what stands behind their encryption.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("stick", bytes));
