//! Frames of the exchange.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sync_core::wire::fuzz_one(bytes));
