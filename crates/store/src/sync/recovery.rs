//! A hub that went back in time: its epoch, and when it serves again.
//!
//! A restored hub may have forgotten that a device was revoked. So after a new epoch begins, a box is fed only once
//! another box handed back what it knows, and its own holdings are taken meanwhile. A county with one box is served
//! at once, and after a day everybody is: a hub never stops for ever.

use records::ids::DeviceId;
use sync_core::wire::Lane;

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{Connection, params};
use crate::sync::{directory, feeds, parked, state};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_heard(device BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_safe(
    c INTEGER NOT NULL, lane INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(c, lane)) WITHOUT ROWID;
";

/// Instead of a fingerprint where the hub does not serve everything yet: nothing is to be compared.
pub(crate) const UNKNOWN_PRINT: [u8; 8] = [0xff; 8];
/// Since when the hub takes back what it forgot (milliseconds of its clock).
const RECOVERING: &str = "recovering_since";
/// After how long it serves everybody, whoever was heard.
const SERVE_AFTER_MS: i64 = 24 * 3600 * 1000;

/// A new epoch begins.
pub(crate) fn begin(tx: &mut Tx<'_>, epoch: u32) -> Result<(), StoreError> {
    state::set_epoch(tx.sql, epoch)?;
    tx.sql.execute("DELETE FROM link_heard", [])?;
    state::put(tx.sql, RECOVERING, Some(&tx.now.at.0.to_be_bytes()))
}

fn is_recovering(sql: &Connection) -> Result<bool, StoreError> {
    Ok(state::get(sql, RECOVERING)?.is_some())
}

/// Whether a box is fed: another one was heard since the epoch began, or there is no other.
pub(crate) fn may_feed(sql: &Connection, device: DeviceId) -> Result<bool, StoreError> {
    if !is_recovering(sql)? {
        return Ok(true);
    }
    let other = |text: &str| -> Result<bool, StoreError> {
        Ok(sql.prepare_cached(text)?.exists([device.as_bytes()])?)
    };
    Ok(other("SELECT 1 FROM link_heard WHERE device <> ?1")?
        || !other(
            "SELECT 1 FROM link_devices WHERE device <> ?1 AND revoked IS NULL
                 AND device NOT IN (SELECT predecessor FROM link_successions)",
        )?)
}

/// A box told and handed back everything; `true` where it is not fed yet.
pub(crate) fn heard(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    let Some(since) = state::get(tx.sql, RECOVERING)? else {
        return Ok(false);
    };
    let new = tx.sql.execute(
        "INSERT INTO link_heard(device) VALUES(?1) ON CONFLICT DO NOTHING",
        [device.as_bytes()],
    )?;
    let since = since.try_into().map_or(0, i64::from_be_bytes);
    let heard: i64 = tx
        .sql
        .query_row("SELECT count(*) FROM link_heard", [], |row| row.get(0))?;
    let known: i64 = tx.sql.query_row(
        "SELECT count(*) FROM link_devices WHERE revoked IS NULL
             AND device NOT IN (SELECT predecessor FROM link_successions)",
        [],
        |row| row.get(0),
    )?;
    if heard >= known || tx.now.at.0.saturating_sub(since) > SERVE_AFTER_MS {
        state::put(tx.sql, RECOVERING, None)?;
    }
    if new > 0 {
        // Others are fed, and what they brought is taken, now that this one was heard.
        parked::try_again(tx, None)?;
        tx.emit(StoreEvent::SyncState);
    }
    Ok(!may_feed(tx.sql, device)?)
}

/// How far a clinic's feed lies inside a backup that was verified by restoring it.
pub(crate) fn safe_through(sql: &Connection, c: i64) -> Result<[u64; Lane::COUNT], StoreError> {
    let mut ends = [0; Lane::COUNT];
    let mut find = sql.prepare_cached("SELECT lane, position FROM link_safe WHERE c = ?1")?;
    let mut rows = find.query([c])?;
    while let Some(row) = rows.next()? {
        if let Some(lane) = Lane::from_number(row.get(0)?) {
            ends[lane.index()] = row.get::<_, i64>(1)?.cast_unsigned();
        }
    }
    Ok(ends)
}

/// How far the feeds of all clinics go: what a backup that is made now will hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedExtent(Vec<(i64, u8, u64)>);

/// How far all feeds go in this database.
pub(crate) fn extent_of(sql: &Connection) -> Result<FeedExtent, StoreError> {
    let mut extent = Vec::new();
    for c in directory::clinic_rows(sql)? {
        for (lane, end) in Lane::ALL.into_iter().zip(feeds::feed_ends(sql, c)?) {
            extent.push((c, lane.number(), end.position));
        }
    }
    Ok(FeedExtent(extent))
}

impl Store {
    /// Hub: the extent of all feeds. Read it in the restored copy of a backup, to say what is safe.
    pub async fn feed_extent(&self) -> Result<FeedExtent, StoreError> {
        self.read(extent_of).await
    }

    /// Hub: a backup with this extent was verified by restoring it. Boxes may forget what they kept for a hub that
    /// loses it.
    pub async fn note_safe(&self, extent: FeedExtent) -> Result<(), StoreError> {
        self.write(move |tx| {
            for (c, lane, position) in &extent.0 {
                tx.sql
                    .prepare_cached(
                        "INSERT INTO link_safe(c, lane, position) VALUES(?1, ?2, ?3)
                         ON CONFLICT(c, lane) DO UPDATE SET position = max(link_safe.position, ?3)",
                    )?
                    .execute(params![c, lane, position.cast_signed()])?;
            }
            Ok(())
        })
        .await
    }

    /// Hub: a copy of this database, restored from its keeper's own backup, was found whole: boxes may forget what they
    /// kept for a hub that loses it. `false` for a copy of another epoch, whose feeds went another way.
    pub async fn note_checked_copy(&self, copy: &Self) -> Result<bool, StoreError> {
        let extent = copy
            .read(|sql| Ok::<_, StoreError>((state::epoch(sql)?, extent_of(sql)?)))
            .await?;
        if self.read(state::epoch).await? != extent.0 {
            return Ok(false);
        }
        self.note_safe(extent.1).await?;
        Ok(true)
    }

    /// Hub: this folder was restored from a backup: a new epoch begins, nothing is allotted from the old one's
    /// numbers, and boxes are asked for what was forgotten.
    pub async fn begin_epoch(&self) -> Result<u32, StoreError> {
        self.write(|tx| {
            let epoch = state::epoch(tx.sql)?.unwrap_or(1).saturating_add(1);
            begin(tx, epoch)?;
            Ok(epoch)
        })
        .await
    }
}
