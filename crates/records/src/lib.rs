//! What a clinic writes down and the rules that move it.
//!
//! Pure: no disk, no clock, no network, no CRDT. Time, randomness and identity come in as arguments.
//! Documents are seen as a [`tree::Node`]; each domain module knows the fields of its part, reads them into
//! typed values and builds [`tree::Edit`]s from typed commands.

pub mod clinics;
pub mod conflicts;
pub mod ecgs;
pub mod encounters;
pub(crate) mod entries;
pub mod faults;
pub mod identity;
pub mod ids;
pub mod imports;
pub mod layout;
pub mod links;
pub mod packed;
pub mod patients;
pub mod pinyin;
pub mod staff;
pub mod tables;
pub mod text;
pub mod time;
pub mod tree;
pub mod units;
pub mod vitals;

pub use entries::Fresh;
