//! What the first program of a card and the opener of a running box ask of the kernel: devices over a card ([`dm`]), the
//! machine's keys ([`keys`]), the data's device with its file system ([`data`]). What is decided about them stands in
//! `card`.

pub mod data;
pub mod dm;
pub mod keys;
