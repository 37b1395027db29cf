//! Numbers of identity cards.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| records::identity::fuzz_one(text));
