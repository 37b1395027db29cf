//! Numbers of identity cards.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("identity", bytes));
