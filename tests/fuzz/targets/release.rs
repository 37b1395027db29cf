//! Offers of releases, and what boxes say of their systems.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("release", bytes));
