//! Reader of second-generation resident identity cards, SAM protocol on a serial line (public
//! implementations: A905Reader and SerialReader of the YinanSoft kits; layouts of the text block as in
//! DKCloudID). Frames of this device name people: they are never logged, and rejects carry no bytes.

mod card;
mod frame;
mod machine;

pub use card::{CardKind, IdCard, Photo, Validity};
pub use frame::{Answer, Command, Frame, HostRules, Rules, StatusWord};
pub use machine::CardMachine;
