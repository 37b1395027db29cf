//! Frames of the exchange.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::run("sync_frames", bytes));
