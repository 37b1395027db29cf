//! Tables of clinics that a spreadsheet wrote.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("clinic_table", bytes));
