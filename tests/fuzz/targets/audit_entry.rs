//! Entries of the audit chain.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::run("audit_entry", bytes));
