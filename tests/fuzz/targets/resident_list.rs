//! Lists of residents that a spreadsheet wrote.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("resident_list", bytes));
