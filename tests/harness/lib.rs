//! Starts the real programs, a real browser and simulated devices for the stories and measurements.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod browser;
pub mod logs;
pub mod programs;
