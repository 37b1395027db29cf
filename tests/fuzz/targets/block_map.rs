//! Block maps of card images.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| card::block_map::fuzz_one(text));
