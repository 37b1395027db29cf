//! The county hub: it enrols boxes, exchanges with them, and serves the desks of the county's staff.
//!
//! [`run`] starts a hub inside any process: the program's `serve`, the demo, a test. What the verbs do beside it
//! stands in [`clinics`] and [`staff`]. Pages are extract, authorise, act, answer; rules stand in `records`, and
//! what box and hub pages share in `web`.

pub mod blobs;
pub mod cli;
pub mod clinics;
pub mod clock;
pub mod live;
pub mod pages;
pub mod releases;
pub mod rollout;
pub mod router;
mod running;
pub mod staff;
pub mod state;
#[cfg(test)]
mod tests;
pub mod upstream;

pub use running::{Desk, Options, Running, StartError, run};
