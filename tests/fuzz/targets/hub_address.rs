//! Addresses of hubs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("hub_address", bytes));
