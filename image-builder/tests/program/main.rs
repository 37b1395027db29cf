//! The real program, on files that stand for cards, and the image that it made, in QEMU.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod boot;
mod cards;
mod clinic;
#[path = "../clinic_card/mod.rs"]
mod clinic_card;
#[path = "../../../tests/harness/county_hub.rs"]
#[expect(dead_code, unreachable_pub, reason = "the stories' own use more of it")]
mod county_hub;
mod encrypted;
mod inspect;
mod joining;
mod kiosk;
mod pi3;
#[path = "../../../tests/harness/programs.rs"]
#[expect(dead_code, unreachable_pub, reason = "the stories' own use more of it")]
mod programs;
mod provision;
mod qemu;
mod radio;
mod running;
mod screen;
mod technician;
mod updates;
mod updating;
