//! What stands on a card and how it changes. Everything goes through [`BlockDevice`], so that a test can put a
//! card in its place that lies about its size, gives wrong bytes back, or is pulled out.
//!
//! [`layout`] says what stands where, [`select`] which of the two systems starts, [`state`] what the card remembers.
//! [`slots`] brings a new system in: install, read back, try, commit or roll back; [`starting`] decides what a start
//! does with them. `difference` makes the new system of the old one. [`first_start`] makes the data partition;
//! [`protection`] says how the data are protected, [`luks`] and [`recovery`] how their key is kept, [`pin`] what a
//! person types to open them, [`share`] what the county's hub adds so that they open by themselves, [`vestibule`] what
//! a box keeps before they are open, [`sealed`] what only an open box reads; [`radio`] tells what tablets join,
//! [`technician`] whom a county lets in for a while. [`firmware`] tells what a Raspberry Pi would start; [`power_cut`]
//! cuts the power at every write.

pub mod block_map;
pub mod board;
#[cfg(feature = "bundle")]
pub mod bundle;
pub mod device;
#[cfg(feature = "bundle")]
pub mod difference;
pub mod fat;
pub mod file_device;
pub mod firmware;
pub mod first_start;
pub mod identity;
pub mod layout;
pub mod luks;
pub mod mbr;
pub mod part;
pub mod pin;
pub mod power_cut;
pub mod protection;
pub mod radio;
pub mod random;
pub mod recovery;
pub mod sealed;
pub mod select;
pub mod share;
pub mod signed;
pub mod simulated;
pub mod slots;
pub mod starting;
pub mod state;
pub mod technician;
pub mod verity;
pub mod vestibule;

#[cfg(test)]
mod card_tests;

pub use block_map::{BlockMap, BlockMapError, Stretch};
pub use device::{BLOCK, BlockDevice, DeviceFault, SECTOR};
pub use file_device::FileDevice;
