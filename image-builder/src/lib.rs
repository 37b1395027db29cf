//! Makes card images and brings them onto cards. An image begins as a [`manifest`], whose [`packages`] are locked,
//! shown as a [`plan`] and made into an [`image`]. A field technician's laptop looks into an image ([`inspect`]), finds the cards among the
//! machine's disks ([`media`]), writes them ([`flash`]) and compares them later ([`verify`]).

pub mod file_systems;
pub mod flash;
pub mod flashing;
pub mod image;
pub mod inspect;
pub mod ledger;
pub mod manifest;
pub mod media;
pub mod packages;
pub mod plan;
pub mod probe;
pub mod provision;
pub mod recover;
pub mod room;
pub mod size;
pub mod verify;
