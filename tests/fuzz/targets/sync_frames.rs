//! Frames of the exchange.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("sync_frames", bytes));
