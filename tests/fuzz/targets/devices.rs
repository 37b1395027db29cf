//! Bytes of devices; the first byte says of which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("devices", bytes));
