//! A hub, a box and simulated devices in one process with a seeded village: what a newcomer sees first.

pub mod control;
pub mod devices;
pub mod dice;
pub mod notes;
pub mod stage;
pub mod village;
