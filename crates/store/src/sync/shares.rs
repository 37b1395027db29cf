//! The hub's shares of its boxes' openings ([`sync_core::wire::ShareGive`]): kept, given out to devices that it serves,
//! and counted.
//!
//! A share lies here under a pad of the hub's own key, which stands in a file beside the database and not in it: who has
//! the database or a copy of it reads none. Who has both still opens nothing without the machine of the box.

use std::collections::BTreeMap;

use records::ids::{ClinicCode, DeviceId};
use records::time::WallTime;
use sync_core::identity::DeviceKey;
use sync_core::wire::{Meeting, SHARE_LEN, Share, ShareAsk, ShareGive, ShareWhy};

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{directory, recovery, successions};
use crate::{AuditAct, By, audit};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_shares(
    device BLOB PRIMARY KEY, key BLOB NOT NULL, salt BLOB NOT NULL, share BLOB NOT NULL, kept INTEGER NOT NULL,
    given INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_openings(
    device BLOB NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(device, n)) WITHOUT ROWID;
";

/// How often a device gets its share in an hour: a box that starts over and over is looked after by a person.
pub const OPENINGS_AN_HOUR_MAX: i64 = 20;
const HOUR_MS: i64 = 3600 * 1000;
/// Openings of a device that are remembered one by one.
const OPENINGS_KEPT: i64 = 100;
/// Bytes that make each pad another one.
const SALT_LEN: usize = 16;

/// How a device was opened by this hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Openings {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Option<WallTime>,
}

struct Row {
    key: [u8; 32],
    salt: [u8; SALT_LEN],
    share: [u8; SHARE_LEN],
    given: i64,
}

fn row(sql: &Connection, device: DeviceId) -> Result<Option<Row>, StoreError> {
    let mut find = sql.prepare_cached("SELECT key, salt, share, given FROM link_shares WHERE device = ?1")?;
    let found = find.query_row([device.as_bytes()], |row| {
        Ok(Row {
            key: row.get(0)?,
            salt: row.get(1)?,
            share: row.get(2)?,
            given: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

/// A share as it lies in the table, or back from there.
fn padded(
    hub: &DeviceKey,
    device: DeviceId,
    salt: &[u8; SALT_LEN],
    share: &[u8; SHARE_LEN],
) -> [u8; SHARE_LEN] {
    let key = blake3::derive_key("clinic-box hub shares v1", &hub.seed());
    let mut pad = blake3::Hasher::new_keyed(&key);
    pad.update(device.as_bytes());
    pad.update(salt);
    let pad = pad.finalize();
    let mut padded = *share;
    for (byte, mask) in padded.iter_mut().zip(pad.as_bytes()) {
        *byte ^= mask;
    }
    padded
}

/// Why the hub does not serve this device; `None` where it does.
fn unserved(sql: &Connection, device: DeviceId) -> Result<Option<ShareWhy>, StoreError> {
    let known = directory::known(sql, device)?;
    if directory::is_revoked(sql, device)? || known.is_some_and(|known| known.revoked) {
        return Ok(Some(ShareWhy::Revoked));
    }
    if successions::is_succeeded(sql, device)? {
        return Ok(Some(ShareWhy::Succeeded));
    }
    if known.is_none() {
        return Ok(Some(ShareWhy::Unknown));
    }
    // A hub that went back may have forgotten that the device was revoked.
    Ok((!recovery::may_feed(sql, device)?).then_some(ShareWhy::NotYet))
}

/// A device is served no more: what it asked for is not kept on.
pub(crate) fn forget(sql: &Connection, device: &[u8]) -> Result<(), StoreError> {
    sql.execute("DELETE FROM link_shares WHERE device = ?1", [device])?;
    Ok(())
}

impl Store {
    /// Hub: keeps the share that a device gives, in the place of one before.
    ///
    /// # Errors
    /// What the store reports; the reason inside where the hub does not keep it.
    pub async fn keep_share(
        &self,
        meeting: Meeting,
        give: ShareGive,
    ) -> Result<Result<(), ShareWhy>, StoreError> {
        if give.verify(&meeting).is_err() {
            return Ok(Err(ShareWhy::BadProof));
        }
        let mut salt = [0; SALT_LEN];
        self.fill_random(&mut salt);
        let hub = self.device_key().clone();
        self.write(move |tx| keep(tx, &hub, meeting.device, &give, salt))
            .await
    }

    /// Hub: the share of a device that proves its key, counted and noted in the audit log.
    ///
    /// # Errors
    /// What the store reports; the reason inside where the hub does not give it.
    pub async fn give_share(
        &self,
        meeting: Meeting,
        ask: ShareAsk,
    ) -> Result<Result<Share, ShareWhy>, StoreError> {
        let device = meeting.device;
        let proved = ask.verify(&meeting).is_ok().then_some(ask.key);
        // Whoever asks in vain has no writer waited for.
        let now = self.clock().now().at;
        if let Err(why) = self.read(move |sql| judged(sql, device, proved, now)).await? {
            return Ok(Err(why));
        }
        let hub = self.device_key().clone();
        self.write(move |tx| give(tx, &hub, device, proved)).await
    }

    /// Hub: how often it opened each box of a clinic for which it keeps a share.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn openings(&self, clinic: &ClinicCode) -> Result<BTreeMap<DeviceId, Openings>, StoreError> {
        let code = clinic.as_str().to_owned();
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT link_shares.device, given,
                     (SELECT max(at) FROM link_openings WHERE link_openings.device = link_shares.device)
                 FROM link_shares JOIN link_devices ON link_devices.device = link_shares.device
                     JOIN link_clinics ON link_clinics.c = link_devices.c
                 WHERE code = ?1",
            )?;
            let rows = find.query_map([code], |row| {
                let openings = Openings {
                    count: row.get::<_, i64>(1)?.cast_unsigned(),
                    last: row.get::<_, Option<i64>>(2)?.map(WallTime),
                };
                Ok((DeviceId(row.get(0)?), openings))
            })?;
            Ok(rows.collect::<crate::sql::Result<_>>()?)
        })
        .await
    }
}

fn keep(
    tx: &mut Tx<'_>,
    hub: &DeviceKey,
    device: DeviceId,
    give: &ShareGive,
    salt: [u8; SALT_LEN],
) -> Result<Result<(), ShareWhy>, StoreError> {
    if let Some(why) = unserved(tx.sql, device)?.filter(|why| *why != ShareWhy::NotYet) {
        return Ok(Err(why));
    }
    let is_same = row(tx.sql, device)?
        .is_some_and(|row| row.key == give.key && padded(hub, device, &row.salt, &row.share) == give.share.0);
    if is_same {
        return Ok(Ok(()));
    }
    tx.sql.execute(
        "INSERT INTO link_shares(device, key, salt, share, kept) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(device) DO UPDATE SET key = ?2, salt = ?3, share = ?4, kept = ?5",
        params![
            device.as_bytes(),
            give.key,
            salt,
            padded(hub, device, &salt, &give.share.0),
            tx.now.at.0
        ],
    )?;
    tx.emit(StoreEvent::SyncState);
    Ok(Ok(()))
}

/// What the hub keeps for a device that it serves, that proves its key and did not ask too often.
fn judged(
    sql: &Connection,
    device: DeviceId,
    proved: Option<[u8; 32]>,
    now: WallTime,
) -> Result<Result<Row, ShareWhy>, StoreError> {
    if let Some(why) = unserved(sql, device)? {
        return Ok(Err(why));
    }
    let Some(row) = row(sql, device)? else {
        return Ok(Err(ShareWhy::NotKept));
    };
    if proved != Some(row.key) {
        return Ok(Err(ShareWhy::BadProof));
    }
    let lately: i64 = sql.query_row(
        "SELECT count(*) FROM link_openings WHERE device = ?1 AND at > ?2 AND at <= ?3",
        params![device.as_bytes(), now.0.saturating_sub(HOUR_MS), now.0],
        |row| row.get(0),
    )?;
    Ok(if lately < OPENINGS_AN_HOUR_MAX {
        Ok(row)
    } else {
        Err(ShareWhy::TooOften)
    })
}

fn give(
    tx: &mut Tx<'_>,
    hub: &DeviceKey,
    device: DeviceId,
    proved: Option<[u8; 32]>,
) -> Result<Result<Share, ShareWhy>, StoreError> {
    let row = match judged(tx.sql, device, proved, tx.now.at)? {
        Ok(row) => row,
        Err(why) => return Ok(Err(why)),
    };
    note(tx, device, row.given + 1)?;
    Ok(Ok(Share(padded(hub, device, &row.salt, &row.share))))
}

/// Notes an opening before the share goes out.
fn note(tx: &mut Tx<'_>, device: DeviceId, n: i64) -> Result<(), StoreError> {
    tx.sql.execute(
        "UPDATE link_shares SET given = ?2 WHERE device = ?1",
        params![device.as_bytes(), n],
    )?;
    tx.sql.execute(
        "INSERT INTO link_openings(device, n, at) VALUES(?1, ?2, ?3) ON CONFLICT(device, n) DO UPDATE SET at = ?3",
        params![device.as_bytes(), n, tx.now.at.0],
    )?;
    tx.sql.execute(
        "DELETE FROM link_openings WHERE device = ?1 AND n <= ?2",
        params![device.as_bytes(), n - OPENINGS_KEPT],
    )?;
    audit::append(tx, By::Hub, AuditAct::BoxOpened, None, None)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}
