//! What a field technician's laptop does with card images and cards: looks into an image ([`inspect`]), finds the
//! cards among the machine's disks ([`media`]), writes them ([`flash`]) and compares them later ([`verify`]).

pub mod file_systems;
pub mod flash;
pub mod flashing;
pub mod inspect;
pub mod ledger;
pub mod media;
pub mod probe;
pub mod provision;
pub mod size;
pub mod verify;
