//! Entries of the audit chain.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("audit_entry", bytes));
