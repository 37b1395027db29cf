//! Partition tables, FAT and `autoboot.txt` of a card that somebody brings back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoders::fuzz("card_image", bytes));
