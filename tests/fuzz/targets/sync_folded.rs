//! Changes as a log keeps them: operations by themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::run("sync_folded", bytes));
