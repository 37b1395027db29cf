//! What a simulated county is made of and what befalls it.

use std::time::Duration;

use crate::broken::Broken;

/// A county, its people's work, and its troubles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Simulated hours of work, before everything is let come to rest.
    pub hours: u64,
    /// Boxes, one clinic after the other.
    pub boxes: usize,
    /// Clinics.
    pub clinics: usize,
    /// Visits an hour at each box.
    pub visits: u64,
    /// Readings outside visits an hour at each box.
    pub readings: u64,
    /// Cuts of each box's link an hour.
    pub cuts: u64,
    /// Boxes beside them whose program was tampered with, at the first clinic.
    pub liars: usize,
    /// What befalls machines.
    pub troubles: Troubles,
    /// A rule of the exchange that is broken on purpose.
    pub broken: Option<Broken>,
}

/// What befalls machines: the mean time between two of a kind in the whole county; `None`: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Troubles {
    /// The power goes, at a box or at the hub, in the middle of a write.
    pub power_cuts: Option<Duration>,
    /// The clock of a box jumps.
    pub clock_jumps: Option<Duration>,
    /// A box goes back to an old copy of its disk.
    pub box_restores: Option<Duration>,
    /// The hub goes back to an old copy of its disk.
    pub hub_restores: Option<Duration>,
    /// A box's disk is copied into a second machine, which works on.
    pub clones: Option<Duration>,
    /// A stick is carried to the hub and back, sometimes twice, sometimes late.
    pub sticks: Option<Duration>,
    /// A patient joins another clinic, or leaves it.
    pub panels: Option<Duration>,
    /// A patient's records are purged.
    pub purges: Option<Duration>,
    /// A box is stolen and revoked; a new one takes its place, and the thief works on.
    pub thefts: Option<Duration>,
    /// A box gets another release, or goes back to the one before: it speaks another wire version from then on. Where
    /// this never befalls, all speak the newest.
    pub releases: Option<Duration>,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Troubles {
    /// A flapping village link, a bad power line, and boxes of several releases.
    pub fn village() -> Self {
        Self {
            power_cuts: Some(HOUR * 3),
            clock_jumps: Some(HOUR * 8),
            releases: Some(HOUR * 6),
            ..Self::default()
        }
    }

    /// Everything that may befall a county.
    pub fn all() -> Self {
        Self {
            box_restores: Some(HOUR * 5),
            hub_restores: Some(HOUR * 8),
            clones: Some(HOUR * 10),
            sticks: Some(HOUR * 2),
            panels: Some(HOUR / 2),
            purges: Some(HOUR * 2),
            thefts: Some(HOUR * 10),
            ..Self::village()
        }
    }
}

impl Settings {
    /// A hub and three boxes of two clinics behind flapping village links.
    pub fn village(seed: u64, hours: u64) -> Self {
        Self {
            seed,
            hours,
            boxes: 3,
            clinics: 2,
            visits: 8,
            readings: 15,
            cuts: 3,
            liars: 0,
            troubles: Troubles::village(),
            broken: None,
        }
    }

    /// The same with everything that may befall a county.
    pub fn county(seed: u64, hours: u64) -> Self {
        Self {
            liars: 1,
            troubles: Troubles::all(),
            ..Self::village(seed, hours)
        }
    }
}
