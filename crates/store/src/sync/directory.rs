//! The hub's directory: clinics, their boxes, and the one-time tokens by which boxes are taken in.

use records::ids::{ClinicCode, DeviceId, DocId, DocKind, PatientId, SessionId};
use records::time::WallTime;
use sync_core::fingerprint::Fingerprint;
use sync_core::identity::{Actor, DevicePublicKey};
use sync_core::wire::{FactKind, Hello, Lane, QueueReport};

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, StoreEvent, Tx, raise_alarm};
use crate::sql::{Connection, OptionalExtension, Row, params};
use crate::sync::{facts, feeds, panels, parked, shares, state, successions};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_clinics(
    c INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, added INTEGER NOT NULL,
    last_contact INTEGER, queue TEXT NOT NULL DEFAULT '', software TEXT NOT NULL DEFAULT '',
    print BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS link_devices(
    device BLOB PRIMARY KEY, key BLOB NOT NULL, c INTEGER NOT NULL, name TEXT NOT NULL, enrolled INTEGER NOT NULL,
    last_contact INTEGER, revoked INTEGER, software TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_devices_by_clinic ON link_devices(c);
CREATE TABLE IF NOT EXISTS link_greeted(
    device BLOB NOT NULL, session BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(device, session)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_revoked(device BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_spoiled(s INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS link_arrivals(k INTEGER PRIMARY KEY, at INTEGER NOT NULL);
";

/// Longest name of a clinic, in characters.
const NAME_CHARS_MAX: usize = 40;
/// The county's id at a hub.
const COUNTY: &str = "county";

/// A clinic as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClinicRow {
    /// Its code.
    pub code: ClinicCode,
    /// Its name.
    pub name: String,
    /// When it was added.
    pub added: WallTime,
    /// When a box of it was last heard.
    pub last_contact: Option<WallTime>,
    /// What waited at the box at the last contact.
    pub queue: [QueueReport; Lane::COUNT],
    /// Version of the box's program.
    pub software: String,
    /// Boxes that were taken in and not revoked.
    pub devices: u64,
    /// Patients that the clinic holds.
    pub patients: u64,
    /// Documents that the clinic holds.
    pub documents: u64,
}

/// A box as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its clinic.
    pub clinic: ClinicCode,
    /// The name that the box gave.
    pub name: String,
    /// When it was taken in.
    pub enrolled: WallTime,
    /// When it was last heard.
    pub last_contact: Option<WallTime>,
    /// When it was revoked.
    pub revoked: Option<WallTime>,
    /// Version of its program.
    pub software: String,
}

/// What one clinic holds, as the hub has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClinicSummary {
    /// Sum over the documents.
    pub fingerprint: [u8; 32],
    /// Charts.
    pub patients: u64,
    /// Visits.
    pub encounters: u64,
    /// Documents of all kinds.
    pub documents: u64,
    /// Rows of the log.
    pub changes: u64,
}

/// When a change arrived at the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The device that wrote it.
    pub device: DeviceId,
    /// When it arrived, by the hub's clock.
    pub at: WallTime,
}

/// A device in the directory, as a connection needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) c: i64,
    pub(crate) revoked: bool,
}

/// The key of a device in the directory.
pub(crate) fn key_of(sql: &Connection, device: DeviceId) -> Result<Option<DevicePublicKey>, StoreError> {
    let mut find = sql.prepare_cached("SELECT key FROM link_devices WHERE device = ?1")?;
    let key: Option<Vec<u8>> = find.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
    Ok(key.and_then(|key| DevicePublicKey::from_slice(&key).ok()))
}

pub(crate) fn clinic_row(sql: &Connection, code: &ClinicCode) -> Result<Option<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT c FROM link_clinics WHERE code = ?1")?;
    Ok(find.query_row([code.as_str()], |row| row.get(0)).optional()?)
}

/// Rows of all clinics.
pub(crate) fn clinic_rows(sql: &Connection) -> Result<Vec<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT c FROM link_clinics ORDER BY c")?;
    let rows = find.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

pub(crate) fn clinic_code(sql: &Connection, c: i64) -> Result<ClinicCode, StoreError> {
    let mut find = sql.prepare_cached("SELECT code FROM link_clinics WHERE c = ?1")?;
    let code: String = find.query_row([c], |row| row.get(0))?;
    code.parse().map_err(|_| StoreError::Unreadable("clinic code"))
}

pub(crate) fn known(sql: &Connection, device: DeviceId) -> Result<Option<Known>, StoreError> {
    let mut find = sql.prepare_cached("SELECT c, revoked FROM link_devices WHERE device = ?1")?;
    let known = find.query_row([device.as_bytes()], |row| {
        Ok(Known {
            c: row.get(0)?,
            revoked: row.get::<_, Option<i64>>(1)?.is_some(),
        })
    });
    Ok(known.optional()?)
}

/// The sum over what a clinic holds, as kept.
pub(crate) fn print(sql: &Connection, c: i64) -> Result<Fingerprint, StoreError> {
    let mut find = sql.prepare_cached("SELECT print FROM link_clinics WHERE c = ?1")?;
    Ok(Fingerprint::from_bytes(find.query_row([c], |row| row.get(0))?))
}

pub(crate) fn change_print(
    sql: &Connection,
    c: i64,
    change: impl FnOnce(&mut Fingerprint),
) -> Result<(), StoreError> {
    let mut sum = print(sql, c)?;
    change(&mut sum);
    let mut put = sql.prepare_cached("UPDATE link_clinics SET print = ?2 WHERE c = ?1")?;
    put.execute(params![c, sum.to_bytes()])?;
    Ok(())
}

/// A box was heard.
pub(crate) fn note_contact(tx: &mut Tx<'_>, c: i64, hello: &Hello) -> Result<(), StoreError> {
    let at = tx.now.at.0;
    tx.sql.execute(
        "UPDATE link_clinics SET last_contact = ?2, queue = ?3, software = ?4 WHERE c = ?1",
        params![c, at, queue_text(&hello.queue), hello.software],
    )?;
    tx.sql.execute(
        "UPDATE link_devices SET last_contact = ?2, software = ?3 WHERE device = ?1",
        params![hello.actor.device.as_bytes(), at, hello.software],
    )?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// A session greeted. One that comes again after another session of its device came is a twin: a box that starts
/// anew never goes back to an old session, and sticks do not greet. Both are served.
pub(crate) fn note_session(tx: &mut Tx<'_>, actor: Actor) -> Result<(), StoreError> {
    let (device, session) = (actor.device.as_bytes(), actor.session.as_bytes());
    let mut find = tx.sql.prepare_cached(
        "SELECT session FROM link_greeted AS other WHERE device = ?1 AND session <> ?2
             AND n > (SELECT n FROM link_greeted WHERE device = ?1 AND session = ?2)",
    )?;
    let twin: Option<[u8; 8]> = find
        .query_row(params![device, session], |row| row.get(0))
        .optional()?;
    if let Some(twin) = twin {
        let twin = SessionId(twin);
        tracing::warn!(device = %actor.device, session = %actor.session, %twin, "two boxes run with one key");
        raise_alarm(
            tx,
            &AlarmKind::Clone,
            &format!("{} {} {twin}", actor.device, actor.session),
        )?;
    }
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_greeted(device, session, n)
         VALUES(?1, ?2, (SELECT coalesce(max(n), 0) + 1 FROM link_greeted WHERE device = ?1))
         ON CONFLICT(device, session) DO UPDATE SET n = excluded.n",
    )?;
    put.execute(params![device, session])?;
    Ok(())
}

fn queue_text(queue: &[QueueReport; Lane::COUNT]) -> String {
    let lane =
        |report: &QueueReport| serde_json::json!([report.items, report.bytes, report.oldest.map(|at| at.0)]);
    serde_json::Value::from(queue.iter().map(lane).collect::<Vec<_>>()).to_string()
}

fn queue_of(text: &str) -> [QueueReport; Lane::COUNT] {
    let lanes: Vec<(u64, u64, Option<i64>)> = serde_json::from_str(text).unwrap_or_default();
    let mut queue = [QueueReport::default(); Lane::COUNT];
    for (report, (items, bytes, oldest)) in queue.iter_mut().zip(lanes) {
        *report = QueueReport {
            items,
            bytes,
            oldest: oldest.map(WallTime),
        };
    }
    queue
}

pub(crate) fn note_arrival(tx: &Tx<'_>, k: i64) -> Result<(), StoreError> {
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO link_arrivals(k, at) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?;
    put.execute([k, tx.now.at.0])?;
    Ok(())
}

/// The county's id, where this hub has drawn its keys.
pub(crate) fn county(sql: &Connection) -> Result<Option<[u8; 32]>, StoreError> {
    Ok(state::get(sql, COUNTY)?.and_then(|bytes| bytes.try_into().ok()))
}

impl Store {
    /// Hub: keeps the county's id, the SHA-256 of the public key of its CA.
    pub async fn set_county(&self, county: [u8; 32]) -> Result<(), StoreError> {
        self.write(move |tx| {
            if state::epoch(tx.sql)?.is_none() {
                state::set_epoch(tx.sql, 1)?;
            }
            if !tx.sql.is_file() && self::county(tx.sql)?.is_some_and(|known| known != county) {
                return Err(StoreError::OtherCounty);
            }
            state::put(tx.sql, COUNTY, Some(&county))
        })
        .await
    }

    /// Hub: adds a clinic; `false` where the code was there already and only the name is taken.
    pub async fn add_clinic(&self, code: &ClinicCode, name: &str) -> Result<bool, StoreError> {
        let (code, name) = (
            code.clone(),
            name.chars().take(NAME_CHARS_MAX).collect::<String>(),
        );
        self.write(move |tx| put_clinic(tx, &code, &name)).await
    }

    /// Hub: its clinics, by code.
    pub async fn clinics(&self) -> Result<Vec<ClinicRow>, StoreError> {
        self.read(|sql| {
            let mut rows = sql.prepare_cached(
                "SELECT code, name, added, last_contact, queue, software,
                     (SELECT count(*) FROM link_devices WHERE c = link_clinics.c AND revoked IS NULL
                         AND device NOT IN (SELECT predecessor FROM link_successions)),
                     (SELECT count(*) FROM link_patients WHERE c = link_clinics.c),
                     (SELECT count(*) FROM link_holds WHERE c = link_clinics.c)
                 FROM link_clinics ORDER BY code",
            )?;
            let mut rows = rows.query([])?;
            let mut clinics = Vec::new();
            while let Some(row) = rows.next()? {
                clinics.push(read_clinic(&row)?);
            }
            Ok(clinics)
        })
        .await
    }

    /// Hub: boxes of a clinic, or all.
    pub async fn devices(&self, clinic: Option<&ClinicCode>) -> Result<Vec<DeviceRow>, StoreError> {
        let code = clinic.map(|code| code.as_str().to_owned());
        self.read(move |sql| {
            let mut rows = sql.prepare_cached(
                "SELECT device, code, link_devices.name, enrolled, link_devices.last_contact, revoked,
                     link_devices.software
                 FROM link_devices JOIN link_clinics USING(c) WHERE ?1 IS NULL OR code = ?1
                 ORDER BY code, enrolled",
            )?;
            let mut rows = rows.query([code])?;
            let mut devices = Vec::new();
            while let Some(row) = rows.next()? {
                let clinic: String = row.get(1)?;
                devices.push(DeviceRow {
                    device: DeviceId(row.get(0)?),
                    clinic: clinic
                        .parse()
                        .map_err(|_| StoreError::Unreadable("clinic code"))?,
                    name: row.get(2)?,
                    enrolled: WallTime(row.get(3)?),
                    last_contact: row.get::<_, Option<i64>>(4)?.map(WallTime),
                    revoked: row.get::<_, Option<i64>>(5)?.map(WallTime),
                    software: row.get(6)?,
                });
            }
            Ok(devices)
        })
        .await
    }

    /// Hub: the key of a device that was taken in and not revoked.
    pub async fn device_standing(&self, device: DeviceId) -> Result<Standing, StoreError> {
        self.read(move |sql| {
            Ok(match known(sql, device)? {
                None if is_revoked(sql, device)? => Standing::Revoked,
                None => Standing::Unknown,
                Some(known) if known.revoked || successions::is_succeeded(sql, device)? => Standing::Revoked,
                Some(_) => Standing::Served,
            })
        })
        .await
    }

    /// Hub: a box is served no more; `false` where it is not known.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let Some(known) = known(tx.sql, device)? else {
                return Ok(false);
            };
            if !known.revoked {
                revoked_before(tx, device.as_bytes())?;
                let clinic = clinic_code(tx.sql, known.c)?;
                facts::state_fact(tx, FactKind::Revocation, &clinic, device.0.to_vec())?;
            }
            Ok(true)
        })
        .await
    }

    /// Hub: a clinic holds this patient from now on; `false` where there is no such clinic.
    pub async fn join_patient(&self, clinic: &ClinicCode, patient: PatientId) -> Result<bool, StoreError> {
        let clinic = clinic.clone();
        self.write(move |tx| {
            let Some(c) = clinic_row(tx.sql, &clinic)? else {
                return Ok(false);
            };
            panels::join(tx, c, patient)?;
            Ok(true)
        })
        .await
    }

    /// Hub: what a clinic holds, counted anew; `None` where there is no such clinic.
    pub async fn clinic_summary(&self, clinic: &ClinicCode) -> Result<Option<ClinicSummary>, StoreError> {
        let clinic = clinic.clone();
        self.read(move |sql| {
            let Some(c) = clinic_row(sql, &clinic)? else {
                return Ok(None);
            };
            let documents = |kind: Option<DocKind>| -> Result<u64, StoreError> {
                let mut count = sql.prepare_cached(
                    "SELECT count(*) FROM link_holds JOIN documents USING(d)
                     WHERE c = ?1 AND (?2 IS NULL OR kind = ?2)",
                )?;
                let number: i64 = count.query_row(params![c, kind.map(DocKind::byte)], |row| row.get(0))?;
                Ok(number.cast_unsigned())
            };
            let changes: i64 = sql.query_row(
                "SELECT coalesce(sum(changes), 0) FROM
                     (SELECT (SELECT count(*) FROM log WHERE log.d = link_holds.d) AS changes
                      FROM link_holds WHERE c = ?1) AS found",
                [c],
                |row| row.get(0),
            )?;
            Ok(Some(ClinicSummary {
                fingerprint: feeds::sum(sql, c)?.to_bytes(),
                patients: documents(Some(DocKind::Chart))?,
                encounters: documents(Some(DocKind::Encounter))?,
                documents: documents(None)?,
                changes: changes.cast_unsigned(),
            }))
        })
        .await
    }

    /// Hub: when the changes of a document arrived, oldest first.
    pub async fn arrivals(&self, doc: DocId) -> Result<Vec<Arrival>, StoreError> {
        self.read(move |sql| {
            let mut rows = sql.prepare_cached(
                "SELECT device, at FROM log JOIN documents USING(d) JOIN sessions USING(s)
                     JOIN link_arrivals USING(k)
                 WHERE documents.id = ?1 ORDER BY k",
            )?;
            let rows = rows.query_map([doc.as_bytes()], |row| {
                Ok(Arrival {
                    device: DeviceId(row.get(0)?),
                    at: WallTime(row.get(1)?),
                })
            })?;
            Ok(rows.collect::<crate::sql::Result<_>>()?)
        })
        .await
    }
}

/// Adds a clinic; `false` where the code was there already and only the name is taken.
pub(crate) fn put_clinic(tx: &mut Tx<'_>, code: &ClinicCode, name: &str) -> Result<bool, StoreError> {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let new = clinic_row(tx.sql, code)?.is_none();
    tx.sql.execute(
        "INSERT INTO link_clinics(code, name, added, print) VALUES(?1, ?2, ?3, ?4)
         ON CONFLICT(code) DO UPDATE SET name = ?2",
        params![
            code.as_str(),
            name,
            tx.now.at.0,
            Fingerprint::default().to_bytes()
        ],
    )?;
    if new && let Some(c) = clinic_row(tx.sql, code)? {
        facts::catch_up(tx, c)?;
        parked::try_again(tx, None)?;
    }
    tx.emit(StoreEvent::SyncState);
    Ok(new)
}

/// How a device stands at the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is served.
    Served,
    /// It was never taken in, or the hub lost that.
    Unknown,
    /// It was revoked.
    Revoked,
}

fn read_clinic(row: &Row<'_>) -> Result<ClinicRow, StoreError> {
    let (code, queue): (String, String) = (row.get(0)?, row.get(4)?);
    let count = |at: usize| -> crate::sql::Result<u64> { Ok(row.get::<_, i64>(at)?.cast_unsigned()) };
    Ok(ClinicRow {
        code: code.parse().map_err(|_| StoreError::Unreadable("clinic code"))?,
        name: row.get(1)?,
        added: WallTime(row.get(2)?),
        last_contact: row.get::<_, Option<i64>>(3)?.map(WallTime),
        queue: queue_of(&queue),
        software: row.get(5)?,
        devices: count(6)?,
        patients: count(7)?,
        documents: count(8)?,
    })
}

/// A device was revoked.
pub(crate) fn revoked_before(tx: &mut Tx<'_>, device: &[u8]) -> Result<(), StoreError> {
    tx.sql.execute(
        "UPDATE link_devices SET revoked = coalesce(revoked, ?2) WHERE device = ?1",
        params![device, tx.now.at.0],
    )?;
    // One that is not in the directory must not be taken in again by its certificate.
    tx.sql.execute(
        "INSERT INTO link_revoked(device, at) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
        params![device, tx.now.at.0],
    )?;
    shares::forget(tx.sql, device)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// Whether a device was revoked, in the directory or not.
pub(crate) fn is_revoked(sql: &Connection, device: DeviceId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_revoked WHERE device = ?1")?;
    Ok(find.exists([device.as_bytes()])?)
}

/// What an enrolment fact says: the device's key, then its name.
pub(crate) fn enrolment_body(key: DevicePublicKey, name: &str) -> Vec<u8> {
    [&key.to_bytes()[..], name.as_bytes()].concat()
}

/// A device was taken in before this hub was restored.
pub(crate) fn enrolled_before(tx: &mut Tx<'_>, clinic: &ClinicCode, body: &[u8]) -> Result<(), StoreError> {
    let (Some(c), Some((key, name))) = (
        clinic_row(tx.sql, clinic)?,
        body.split_at_checked(sync_core::identity::PUBLIC_KEY_LEN),
    ) else {
        return Ok(());
    };
    let Ok(key) = DevicePublicKey::from_slice(key) else {
        return Ok(());
    };
    let unnamed: bool = tx
        .sql
        .prepare_cached("SELECT 1 FROM link_devices WHERE device = ?1 AND name <> ''")?
        .exists([key.device().as_bytes()])?;
    if !unnamed {
        put_device(tx, key, c, &String::from_utf8_lossy(name))?;
    }
    Ok(())
}

pub(crate) fn put_device(
    tx: &mut Tx<'_>,
    key: DevicePublicKey,
    c: i64,
    name: &str,
) -> Result<(), StoreError> {
    let revoked = is_revoked(tx.sql, key.device())?.then_some(tx.now.at.0);
    tx.sql.execute(
        "INSERT INTO link_devices(device, key, c, name, enrolled, revoked) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(device) DO UPDATE SET c = ?3, name = ?4, enrolled = ?5",
        params![
            key.device().as_bytes(),
            key.to_bytes(),
            c,
            name,
            tx.now.at.0,
            revoked
        ],
    )?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}
