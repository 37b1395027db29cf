//! The whole system as people meet it: real programs, a real browser, simulated devices.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
