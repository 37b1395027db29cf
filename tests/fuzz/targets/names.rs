//! Names and their pinyin.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| records::pinyin::fuzz_one(text));
