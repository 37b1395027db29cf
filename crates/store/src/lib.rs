//! What a box and a hub keep on disk: one SQLite file with the change log, the documents' heads, tables derived
//! from the documents, the audit log, blobs, and the local tables of this machine.
//!
//! [`Store::open`] gives a cheap handle; all its methods are async. One thread writes, a few connections read.
//! [`Store::commit`] returns only after what it wrote is on the disk: documents, derived rows, audit entry and
//! local effects in one transaction. Whatever a list on a screen shows comes from derived tables, which can be
//! built again from the log at any time and come out equal.

mod alarms;
mod audit;
mod backup;
mod bays;
mod blobs;
mod clocks;
mod commit;
#[cfg(test)]
mod damage_tests;
mod derive;
#[cfg(test)]
mod disk_tests;
mod drafts;
mod engine;
mod exports;
mod folder;
mod imports;
mod ingest;
mod json;
mod log;
mod node;
mod objects;
mod open;
mod schema;
mod sealing;
mod search;
mod sessions;
mod settings;
#[cfg(test)]
mod sign_in_tests;
mod sql;
mod staff;
mod stick;
mod storage;
mod sync;
#[cfg(test)]
mod tests;
mod tray;
mod upkeep;
mod verify;
#[cfg(test)]
mod workbench;

pub use alarms::{Alarm, AlarmKind};
pub use audit::{AuditAct, AuditFilter, AuditLine, By};
pub use backup::{Backup, BackupError, LastBackup, Restored, reseal, restore};
pub use bays::BayLine;
pub use clocks::ClockNote;
pub use commit::{Commit, CommitError, Committed, LocalEffect, Target, Write};
pub use derive::encounters::TodayLine;
pub use derive::links::{OpenLink, OtherChart, SameBy};
pub use derive::readings::{EcgLine, ObservationLine};
pub use derive::rebuild::{Difference, Progress};
pub use derive::record::PatientRecord;
pub use drafts::Draft;
pub use engine::{Store, StoreError, StoreEvent};
pub use exports::{ExportOf, TakeLine};
pub use imports::{ImportError, ImportReport, LINE_BYTES_MAX, LinesDone, lines_of};
pub use log::each_stream;
pub use objects::{BlobStore, Moved, ObjectsFault, WAITING_BYTES_MAX};
pub use open::{Clock, CrashPoint, Mode, OpenError, OpenOptions, Random, Side};
pub use schema::{FORMS, Forms};
pub use sealing::{OpeningKey, SEAL_KEYS_MAX, SealFault, SealKey};
pub use sessions::{BrowserSession, IDLE_MAX};
pub use sql::{Address, AddressFault, Error as DatabaseError, Kind as DatabaseErrorKind};
pub use staff::{LOCKED_FOR, SECRET_BYTES_MAX, Secret, SignIn, WRONG_MAX};
pub use stick::{StickError, StickFile, StickTaken};
pub use storage::StorageFacts;
pub use sync::{
    Arrival, Bridge, Bridged, Cause, ClinicRow, ClinicSummary, DeviceRow, Enrolment, FeedExtent, LinkStatus,
    NumberBlock, OPENINGS_AN_HOUR_MAX, Openings, ParcelCounts, ParcelError, ParcelTaken, ParkedChange,
    RefusedChange, ReleaseRow, Spent, Standing, TOKEN_LIFE, Taken, WholeRelease,
};
pub use sync_core::wire::Lane;
pub use tray::{TrayItem, TrayState};
pub use upkeep::Looked;
pub use verify::Verify;

/// What fuzzers call: readers of bytes that this crate keeps to itself.
pub mod fuzzing {
    pub use crate::audit::fuzz_one as audit_entry;
    pub use crate::imports::fuzz_one as import_lines;
    pub use crate::log::fuzz_one as log_body;
    pub use crate::stick::fuzz_one as stick;
}

/// A value and the heads at which it was read: a form sends the heads back, so that what others wrote in
/// between is not lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Heads of its document at that moment.
    pub heads: sync_core::document::Heads,
}
