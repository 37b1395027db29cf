//! Changes as a log keeps them: operations by themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("sync_folded", bytes));
