//! Devices that took the place of others: a box with a new key carries on what it wrote under the old one.
//!
//! The old key vouches for the new one, the hub states it as a fact that every box hears, and the certificate of the new
//! device names those before it, so that a hub that was restored knows it at once.

use records::ids::DeviceId;
use sync_core::identity::DeviceKey;

use crate::engine::{Store, StoreError, Tx};
use crate::folder;
use crate::sql::{Connection, params};
use crate::sync::state::{self, Enrolment};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_successions(
    device BLOB NOT NULL, predecessor BLOB NOT NULL, PRIMARY KEY(device, predecessor)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_successions_by_predecessor ON link_successions(predecessor);
";

/// Most devices of which one may have taken the place, one after the other.
pub(crate) const PREDECESSORS_MAX: usize = 16;

/// Whether this database says that a device took the place of another; `false` in one that has no such table yet.
pub(crate) fn is_kept(sql: &Connection, device: DeviceId) -> bool {
    predecessors(sql, device).is_ok_and(|before| !before.is_empty())
}

/// Devices of which this one took the place.
pub(crate) fn predecessors(sql: &Connection, device: DeviceId) -> Result<Vec<DeviceId>, StoreError> {
    let mut find = sql
        .prepare_cached("SELECT predecessor FROM link_successions WHERE device = ?1 ORDER BY predecessor")?;
    let rows = find.query_map([device.as_bytes()], |row| Ok(DeviceId(row.get(0)?)))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// Whether another device took this one's place.
pub(crate) fn is_succeeded(sql: &Connection, device: DeviceId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_successions WHERE predecessor = ?1")?;
    Ok(find.exists([device.as_bytes()])?)
}

/// Whether a device is this machine, now or before.
pub(crate) fn is_own(tx: &Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    let own = tx.state.actor.device;
    Ok(device == own || follows(tx.sql, own, device)?)
}

/// Whether one device took the place of another.
pub(crate) fn follows(sql: &Connection, device: DeviceId, predecessor: DeviceId) -> Result<bool, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT 1 FROM link_successions WHERE device = ?1 AND predecessor = ?2")?;
    Ok(find.exists([device.as_bytes(), predecessor.as_bytes()])?)
}

/// A device took the place of another, and so of all before that.
pub(crate) fn note(sql: &Connection, device: DeviceId, predecessor: DeviceId) -> Result<(), StoreError> {
    let mut before = predecessors(sql, predecessor)?;
    before.push(predecessor);
    let mut put = sql.prepare_cached(
        "INSERT INTO link_successions(device, predecessor) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    for one in before
        .into_iter()
        .filter(|one| *one != device)
        .take(PREDECESSORS_MAX)
    {
        put.execute(params![device.as_bytes(), one.as_bytes()])?;
    }
    Ok(())
}

/// What a succession fact says: the device, then the one before.
pub(crate) fn body(device: DeviceId, predecessor: DeviceId) -> Vec<u8> {
    [device.0, predecessor.0].concat()
}

/// Takes what such a fact says.
pub(crate) fn stated(sql: &Connection, body: &[u8]) -> Result<(), StoreError> {
    match body.as_chunks::<8>() {
        ([device, predecessor], []) => note(sql, DeviceId(*device), DeviceId(*predecessor)),
        _ => Ok(()),
    }
}

impl Store {
    /// Box: the key that this device will have, made now where there is none yet. It is the device's once the hub took
    /// it ([`Store::keep_succession`]) and the program starts anew.
    pub async fn next_key(&self) -> Result<DeviceKey, StoreError> {
        let mut seed = [0; 32];
        self.fill_random(&mut seed);
        folder::next_key(self.folder(), || seed).map_err(|error| {
            tracing::error!(%error, "the next key could not be kept");
            StoreError::Unreadable("next key")
        })
    }

    /// Box: the hub took the next key: the device goes on under it from the next start on.
    pub async fn keep_succession(
        &self,
        next: &DeviceKey,
        enrolment: Enrolment,
        epoch: u32,
    ) -> Result<(), StoreError> {
        let next = next.device();
        self.write(move |tx| {
            note(tx.sql, next, tx.state.actor.device)?;
            state::put_enrolment(tx, &enrolment, epoch)
        })
        .await
    }
}
