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
mod encrypted;
mod inspect;
mod provision;
mod qemu;
mod running;
mod updates;
mod updating;
