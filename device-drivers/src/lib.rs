//! Devices of the clinic: codecs, state machines, ports, catalogue, simulators.
//!
//! Three layers. A *codec* (`frame` in each device's module) turns bytes into checked frames and is pure. A
//! *machine* ([`machine::Machine`]) turns frames, requests and the passing of time into
//! [`events::DeviceEvent`]s and commands; it knows neither port nor clock. A *session* ([`session`]) is the dull
//! loop that feeds a machine from a [`port::Port`], opens it again after an unplug and tells the state of the
//! link. The [`catalogue`] says which model needs which line; [`simulators`] play the devices with an encoder of
//! their own.
//!
//! A [`events::DeviceEvent::Reading`] exists only from a complete, checked frame that says finished and lies
//! inside the device's published range. No database, no network, no text for people.

pub mod and_tm2655;
#[cfg(test)]
mod bench;
pub mod catalogue;
pub mod clock;
pub mod contec_8000g;
pub mod decode;
pub mod events;
pub mod framing;
pub mod gb11643;
#[cfg(test)]
mod hostile;
pub mod i2c;
pub mod idcard_sam;
pub mod loopback;
pub mod machine;
pub mod mlx90614;
pub mod omron_hbp9030;
pub mod port;
pub mod scripted;
pub mod serial;
pub mod session;
#[cfg(test)]
mod session_tests;
pub mod simulators;
mod stored_results;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod vectors;

pub use decode::fuzz_one;
