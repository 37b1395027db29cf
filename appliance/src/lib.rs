//! The clinic box: its pages for tablet and kiosk, device bays, the link to the county hub, and the verbs of its
//! command line.
//!
//! [`run`] starts a box inside any process: the program's `serve`, the demo, a test. Pages are extract, authorise,
//! act, answer; rules stand in `records`, and what decides about readings in [`bays::attachment`].

pub mod bays;
pub mod card_identity;
mod checkup;
pub mod cli;
#[cfg(test)]
#[path = "../../image-builder/tests/clinic_card/mod.rs"]
mod clinic_card;
pub mod clock;
pub mod config;
pub mod errors;
pub mod founding;
pub mod hub_link;
mod hub_opening;
pub mod inbox;
pub mod kiosk;
pub mod lamp;
pub mod limits;
pub mod live;
pub mod locked;
pub mod opener;
pub mod pages;
#[cfg(test)]
#[path = "../../image-builder/tests/clinic_card/person.rs"]
mod person_card;
pub mod protection;
pub mod residents_csv;
pub mod router;
mod running;
pub mod screen;
pub mod setup;
pub mod state;
pub mod status;
pub mod systems;
pub mod technician;
mod tls;
pub mod update;
#[cfg(test)]
mod workbench;

pub use running::{Options, Running, StartError, run};
