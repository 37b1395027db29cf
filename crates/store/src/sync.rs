//! What the link needs of the store: what is held and what waits to be sent, feeds of clinics, the directory of
//! clinics and devices, and the answers to what the exchange asks.
//!
//! Tables of this module begin with `link_`. They are not derived from documents and a rebuild does not touch
//! them.

mod again;
mod blobs;
mod box_end;
mod compact;
mod directory;
mod facts;
mod feeds;
mod hand_back;
mod hub_end;
mod kept;
mod mend;
mod panels;
mod parcel;
mod parked;
mod purge;
pub(crate) mod queue;
mod ranges;
mod recovery;
mod releases;
mod repair;
mod shares;
mod state;
pub(crate) mod successions;
#[cfg(test)]
mod tests;
mod tokens;
mod upstream;

use records::ids::{BlobId, ClinicCode, DocId, PatientId};
use sync_core::identity::Position;
use sync_core::wire::Lane;

use crate::engine::{StoreError, StoreEvent, Tx};
use crate::open::Side;
use crate::sql::Connection;

pub use again::RefusedChange;
pub(crate) use again::heads_today;
pub(crate) use compact::Packing;
pub use directory::{Arrival, ClinicRow, ClinicSummary, DeviceRow, Standing};
pub use facts::NumberBlock;
pub(crate) use feeds::forget_unread;
pub(crate) use mend::after_salvage;
pub(crate) use parcel::sender as sender_and_county;
pub use parcel::{ParcelCounts, ParcelError, ParcelTaken};
pub use parked::ParkedChange;
pub(crate) use parked::after_start;
pub(crate) use purge::void;
pub(crate) use ranges::sessions_with_gaps;
pub use recovery::FeedExtent;
pub(crate) use recovery::extent_of;
pub use releases::{ReleaseRow, WholeRelease};
pub use shares::{OPENINGS_AN_HOUR_MAX, Openings};
pub use state::{Cause, Enrolment, LinkStatus, Spent};
pub use tokens::{TOKEN_LIFE, Taken};
pub use upstream::{Bridge, Bridged};

/// Blobs of up to this many bytes, previews of ECGs among them, travel with what they came with.
const SMALL_BLOB_MAX: usize = 16 * 1024;
/// What came with something urgent goes before all ordinary work up to this many bytes: the samples of an ECG have some
/// 60 kB, and this is half a minute of a line of 64 kbit/s.
const STAT_BLOB_MAX: usize = 256 * 1024;

/// Makes the link's tables.
pub(crate) fn create_tables(sql: &Connection) -> crate::sql::Result<()> {
    for tables in [
        again::TABLES,
        hand_back::TABLES,
        successions::TABLES,
        panels::TABLES,
        kept::TABLES,
        purge::TABLES,
        recovery::TABLES,
        ranges::TABLES,
        queue::TABLES,
        blobs::TABLES,
        state::TABLES,
        directory::TABLES,
        tokens::TABLES,
        shares::TABLES,
        releases::TABLES,
        feeds::TABLES,
        facts::TABLES,
        upstream::TABLES,
    ] {
        sql.create_tables(tables)?;
    }
    if sql.is_file() {
        sql.create_tables(queue::TRIGGERS)?;
    } else {
        sql.create_tables(crate::sessions::SHARED_TABLES)?;
    }
    ranges::make_prints(sql)
}

/// A change that this machine wrote itself.
#[derive(Debug)]
pub(crate) struct OwnChange<'a> {
    /// The lane in which it travels.
    pub(crate) lane: Lane,
    /// Row of its session.
    pub(crate) s: i64,
    /// Its log row.
    pub(crate) k: i64,
    /// Its position.
    pub(crate) position: &'a Position,
    /// Row of the document.
    pub(crate) d: i64,
    /// The clinic that owns the document.
    pub(crate) owner: Option<&'a ClinicCode>,
    /// The patient that the document is about.
    pub(crate) patient: Option<PatientId>,
    /// Hash of the change.
    pub(crate) hash: &'a [u8; 32],
    /// Its bytes.
    pub(crate) length: usize,
}

/// A change was written into the log by this machine.
pub(crate) fn note_change(tx: &mut Tx<'_>, change: &OwnChange<'_>) -> Result<(), StoreError> {
    ranges::hold(tx.sql, change.s, change.position.seq, change.hash)?;
    match tx.state.side {
        Side::Box => {
            queue::add_change(tx, change.lane, change.k, change.length)?;
            tx.emit(StoreEvent::SyncState);
            Ok(())
        }
        Side::Hub => feeds::spread(
            tx,
            &feeds::Spread {
                d: change.d,
                owner: change.owner,
                writer: None,
                patient: change.patient,
                k: change.k,
                lane: change.lane,
                hash: change.hash,
                returned: false,
            },
            true,
        ),
    }
}

/// The heads of a held document changed, and with them its print in the fingerprint.
pub(crate) fn note_print(tx: &Tx<'_>, d: i64, old: &[u8; 32], new: &[u8; 32]) -> Result<(), StoreError> {
    match tx.state.side {
        Side::Box => Ok(()),
        Side::Hub => feeds::replace_print(tx, d, old, new),
    }
}

/// Whether a clinic holds the document of this row.
pub(crate) fn is_held_by(sql: &Connection, d: i64, clinic: &ClinicCode) -> Result<bool, StoreError> {
    let Some(c) = directory::clinic_row(sql, clinic)? else {
        return Ok(false);
    };
    feeds::holds_row(sql, c, d)
}

/// The lane of a blob that came with a commit of this lane.
fn lane_of_blob(commit: Lane, length: usize) -> Lane {
    if length <= SMALL_BLOB_MAX {
        commit
    } else if commit.is_urgent() && length <= STAT_BLOB_MAX {
        Lane::P1
    } else {
        Lane::P4
    }
}

/// A blob came with a commit.
pub(crate) fn note_blob(
    tx: &mut Tx<'_>,
    lane: Lane,
    blob: BlobId,
    doc: Option<DocId>,
    length: usize,
) -> Result<(), StoreError> {
    let Some(doc) = doc else { return Ok(()) };
    let lane = lane_of_blob(lane, length);
    blobs::name(tx, blob, doc, lane, length as u64)?;
    match tx.state.side {
        Side::Box => queue::add_blob(tx, lane, blob, length),
        Side::Hub => feeds::spread_blob(tx, blob, doc, lane),
    }
}

/// Entries of this run's audit chain that the hub has not acknowledged; they do not wait under it any more.
pub(crate) fn unacknowledged_audit(
    tx: &Tx<'_>,
    actor: sync_core::identity::Actor,
) -> Result<Vec<Vec<u8>>, StoreError> {
    queue::take_audit(tx, actor)
}

/// An entry was written into the audit log.
pub(crate) fn note_audit(tx: &Tx<'_>, row: i64, length: usize) -> Result<(), StoreError> {
    match tx.state.side {
        Side::Box => queue::add_audit(tx, row, length),
        Side::Hub => Ok(()),
    }
}
