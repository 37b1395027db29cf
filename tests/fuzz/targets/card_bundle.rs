//! Update bundles.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| card::bundle::fuzz_one(bytes));
