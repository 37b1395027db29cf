//! A county in one thread under virtual time: boxes and a hub with their real stores and the real exchange, links
//! that break, machines that lose power in the middle of a write, go back to old disks and are copied, sticks that
//! come late and twice, clocks that jump. A reference model of what people wrote and who may see it decides whether
//! anything was lost, hidden, leaked, invented, or stood still. A seed replays a run.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a simulation fails by panicking"
)]

mod broken;
mod carried;
mod check;
mod clock;
mod dice;
mod disk;
mod happenings;
mod lies;
mod line;
mod links;
mod machine;
mod model;
mod people;
mod reading;
mod report;
mod settings;
mod sweep;
mod thefts;
mod world;

pub use broken::Broken;
pub use check::run;
pub use report::{Counts, Failure, Report};
pub use settings::{Settings, Troubles};
pub use sweep::sweep;
