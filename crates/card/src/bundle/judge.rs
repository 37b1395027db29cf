//! Whether a box takes a bundle.

use serde::{Deserialize, Serialize};

use super::{BundleFault, Manifest};
use crate::state::{Outcome, System};

/// The forms of stored data that a program knows. A form is the number that its store writes into the data; a program
/// refuses data of a form that it does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataForms {
    /// The oldest that it reads.
    pub oldest: u32,
    /// The newest that it reads; a release may read a form before any release writes it.
    pub newest: u32,
    /// What it writes.
    pub writes: u32,
}

impl DataForms {
    /// A program reads what it writes.
    pub fn is_sound(self) -> bool {
        self.reads(self.writes)
    }

    /// Whether data of this form can be read.
    pub fn reads(self, form: u32) -> bool {
        (self.oldest..=self.newest).contains(&form)
    }
}

/// What a box knows of itself when it is offered a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Taker<'a> {
    /// Its county.
    pub county: &'a str,
    /// Its board.
    pub hardware: &'a str,
    /// What runs on it.
    pub running: &'a System,
    /// The forms of data that the running program knows.
    pub data: DataForms,
    /// How its last trial ended.
    pub last: &'a Outcome,
}

impl Manifest {
    /// Whether this box takes the bundle.
    ///
    /// A bundle after which there would be no way back is refused: either program must read what the other one writes.
    /// So the two systems of a card always understand each other's data, whichever of them the box leaves later.
    ///
    /// # Errors
    /// [`BundleFault`], the reason.
    pub fn judge(&self, taker: &Taker<'_>) -> Result<(), BundleFault> {
        if self.county != taker.county {
            return Err(BundleFault::OtherCounty);
        }
        if !self.hardware.iter().any(|board| board == taker.hardware) {
            return Err(BundleFault::OtherHardware {
                for_these: self.hardware.join(", "),
                this: taker.hardware.to_owned(),
            });
        }
        let (offered, running) = (self.system.version, taker.running.version);
        if offered <= running {
            return Err(BundleFault::NotNewer { offered, running });
        }
        if let Outcome::RolledBack { version, .. } = taker.last
            && *version == offered
        {
            return Err(BundleFault::WentBack(offered));
        }
        if !self.data.reads(taker.data.writes) {
            let writes = taker.data.writes;
            return Err(BundleFault::DataTooOld { offered, writes });
        }
        if !taker.data.reads(self.data.writes) {
            let writes = self.data.writes;
            return Err(BundleFault::NoWayBack { offered, writes });
        }
        if self.base.as_ref().is_some_and(|base| base != taker.running) {
            return Err(BundleFault::OtherBase);
        }
        Ok(())
    }
}
