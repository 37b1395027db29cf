//! Changes of documents from another machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("sync_changes", bytes));
