//! What a run came to.

use std::fmt;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Calls of stores.
    pub calls: u64,
    /// Connections.
    pub connections: u64,
    /// Cuts of links.
    pub cuts: u64,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Machines that went back to an old disk.
    pub restores: u64,
    /// Disks that were copied into another machine.
    pub clones: u64,
    /// Files of the stick that were taken.
    pub sticks: u64,
    /// Patients who joined or left a clinic.
    pub panels: u64,
    /// Patients whose records were purged.
    pub purges: u64,
    /// Boxes that were stolen and revoked.
    pub thefts: u64,
    /// Releases that boxes got, or went back from.
    pub releases: u64,
    /// Connections in which an older wire version was spoken.
    pub older_versions: u64,
    /// What people wrote.
    pub facts: u64,
    /// What was found to be there of it, over all machines.
    pub found: u64,
    /// Simulated hours, summed over the boxes.
    pub box_hours: u64,
}

/// A run in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was counted.
    pub counts: Counts,
    /// Digest of everything that happened: the same seed gives the same one.
    pub digest: [u8; 32],
}

/// Something did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The hours of work until then.
    pub hours: u64,
    /// What was wrong.
    pub wrong: Vec<String>,
    /// What was counted until then.
    pub counts: Counts,
}

/// Most findings that are printed.
const PRINTED: usize = 12;

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.wrong.iter().take(PRINTED) {
            writeln!(out, "  {line}")?;
        }
        if self.wrong.len() > PRINTED {
            writeln!(out, "  and {} more", self.wrong.len() - PRINTED)?;
        }
        write!(out, "  {:?}", self.counts)
    }
}
