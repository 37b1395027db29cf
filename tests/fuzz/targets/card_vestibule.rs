//! Items of a locked box's inbox.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("card_vestibule", bytes));
