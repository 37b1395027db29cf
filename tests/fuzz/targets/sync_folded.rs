//! Changes as a log keeps them: operations by themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sync_core::compact::fuzz_one(bytes));
