//! Typed text.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| records::text::fuzz_one(text));
