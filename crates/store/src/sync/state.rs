//! How the link of this machine stands: enrolment, last contact, cause of the last failure, next try, what was
//! spent of the data plan. Stored facts, so that a restart knows them.

use records::ids::{ClinicCode, DocKind};
use records::time::{ClockSource, Stamp, WallTime};
use serde::{Deserialize, Serialize};
use sync_core::identity::{DevicePublicKey, PUBLIC_KEY_LEN, Position};
use sync_core::wire::{FeedEnd, Hello, Lane, ParkReason, QueueReport, VERSIONS, Wanted, Welcome};

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, StoreEvent, Tx, clear_alarm, raise_alarm};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::recovery::UNKNOWN_PRINT;
use crate::sync::{blobs, hand_back, kept, queue, ranges, releases};
use crate::{AuditAct, By, audit, settings};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_feed_ends(
    lane INTEGER PRIMARY KEY, position INTEGER NOT NULL, chain BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS link_parked(
    device BLOB NOT NULL, session BLOB NOT NULL, seq INTEGER NOT NULL, reason INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY(device, session, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_spent(
    day TEXT PRIMARY KEY, up INTEGER NOT NULL, down INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID;
";

const ENROLMENT: &str = "enrolment";
const EPOCH: &str = "epoch";
const LAST_CONTACT: &str = "last_contact";
const NEXT_TRY: &str = "next_try";
const CAUSE: &str = "cause";
const CONNECTED: &str = "connected";
/// Kinds of documents that the hub's release knows.
const HUB_KINDS: &str = "hub_kinds";

/// Why the hub was not reached, or did not serve this box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The name could not be resolved, or nothing answered under the address.
    Unreachable,
    /// Somebody answered and then said nothing for too long.
    Silent,
    /// Something else than a hub answered: a login page, a proxy.
    LoginPage,
    /// A hub answered that is not ours.
    NotThisHub,
    /// The hub does not know this box.
    Unknown,
    /// The hub revoked this box.
    Revoked,
    /// Box and hub have no version in common.
    Version,
    /// The connection broke.
    Cut,
    /// The hub could not read or write its store, or is stopping.
    HubFault,
    /// This box could not read or write its own store.
    OwnStore,
    /// What came was not well-formed.
    Malformed,
    /// The box has not joined a hub.
    NotJoined,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::Silent,
        Self::LoginPage,
        Self::NotThisHub,
        Self::Unknown,
        Self::Revoked,
        Self::Version,
        Self::Cut,
        Self::HubFault,
        Self::OwnStore,
        Self::Malformed,
        Self::NotJoined,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::LoginPage => "login-page",
            Self::NotThisHub => "not-this-hub",
            Self::Unknown => "unknown-box",
            Self::Revoked => "revoked",
            Self::Version => "version",
            Self::Cut => "cut",
            Self::HubFault => "hub-fault",
            Self::OwnStore => "own-store",
            Self::Malformed => "malformed",
            Self::NotJoined => "not-joined",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// What a box that has joined knows of its hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Address of the hub: `https://HOST:PORT`.
    pub hub_url: String,
    /// Code of the clinic.
    #[serde(with = "code")]
    pub clinic: ClinicCode,
    /// Name of the clinic as the hub has it.
    pub clinic_name: String,
    /// The county: SHA-256 of the public key of the hub's CA.
    pub county: [u8; 32],
    /// The hub's device key.
    pub hub_key: [u8; PUBLIC_KEY_LEN],
    /// The county's CA certificate (DER).
    pub ca: Vec<u8>,
    /// The box's certificate (DER).
    pub certificate: Vec<u8>,
}

impl Enrolment {
    /// The hub's device key.
    pub fn hub(&self) -> Result<DevicePublicKey, StoreError> {
        DevicePublicKey::from_slice(&self.hub_key).map_err(|_| StoreError::Unreadable("hub key"))
    }
}

mod code {
    use records::ids::ClinicCode;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(code: &ClinicCode, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(code.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ClinicCode, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Bytes that went over the modem in one day, handshakes and failed tries included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Sent.
    pub up: u64,
    /// Received.
    pub down: u64,
    /// Tries to connect, failed ones included.
    pub tries: u64,
}

/// How the link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// What waits, lane by lane.
    pub queue: [QueueReport; Lane::COUNT],
    /// Changes and blobs that the hub has not acknowledged.
    pub pending: u64,
    /// When the hub was last heard, by the hub's own clock.
    pub last_contact: Option<WallTime>,
    /// Why the last try failed; `None` when it did not.
    pub cause: Option<Cause>,
    /// When the next try is due; `None` while connected or not joined.
    pub next_try: Option<WallTime>,
    /// Whether a connection to the hub is open and was answered.
    pub connected: bool,
    /// Changes of this box that the hub set aside.
    pub parked: u64,
    /// What was spent today.
    pub spent_today: Spent,
}

pub(crate) fn get(sql: &Connection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut find = sql.prepare_cached("SELECT value FROM link_state WHERE key = ?1")?;
    Ok(find.query_row([key], |row| row.get(0)).optional()?)
}

pub(crate) fn put(sql: &Connection, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
    match value {
        None => {
            sql.prepare_cached("DELETE FROM link_state WHERE key = ?1")?
                .execute([key])?;
        }
        Some(value) => {
            let mut put = sql.prepare_cached(
                "INSERT INTO link_state(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
            )?;
            put.execute(params![key, value])?;
        }
    }
    Ok(())
}

fn get_number(sql: &Connection, key: &str) -> Result<Option<i64>, StoreError> {
    let bytes = get(sql, key)?;
    Ok(bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map(i64::from_be_bytes))
}

fn put_number(sql: &Connection, key: &str, value: Option<i64>) -> Result<(), StoreError> {
    put(
        sql,
        key,
        value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice),
    )
}

/// The hub's epoch: at a box as last told (0 before), at a hub its own (1 at first).
pub(crate) fn epoch(sql: &Connection) -> Result<Option<u32>, StoreError> {
    Ok(get_number(sql, EPOCH)?.and_then(|epoch| u32::try_from(epoch).ok()))
}

pub(crate) fn set_epoch(sql: &Connection, epoch: u32) -> Result<(), StoreError> {
    put_number(sql, EPOCH, Some(epoch.into()))
}

pub(crate) fn enrolment(sql: &Connection) -> Result<Option<Enrolment>, StoreError> {
    let Some(bytes) = get(sql, ENROLMENT)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| StoreError::Unreadable("enrolment"))
}

pub(crate) fn put_enrolment(tx: &mut Tx<'_>, enrolment: &Enrolment, epoch: u32) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(enrolment).map_err(|_| StoreError::Unreadable("enrolment"))?;
    put(tx.sql, ENROLMENT, Some(&bytes))?;
    set_epoch(tx.sql, epoch)?;
    settings::set_clinic(tx, &enrolment.clinic)?;
    audit::append(tx, By::System, AuditAct::Enroll, None, None)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// How far the feed is held, lane by lane.
pub(crate) fn feed_ends(sql: &Connection) -> Result<[FeedEnd; Lane::COUNT], StoreError> {
    let mut rows = sql.prepare_cached("SELECT lane, position, chain FROM link_feed_ends")?;
    let mut rows = rows.query([])?;
    let mut ends = [FeedEnd::default(); Lane::COUNT];
    while let Some(row) = rows.next()? {
        if let Some(lane) = Lane::from_number(row.get(0)?) {
            let position = row.get::<_, i64>(1)?.cast_unsigned();
            ends[lane.index()] = FeedEnd {
                position,
                chain: row.get(2)?,
            };
        }
    }
    Ok(ends)
}

pub(crate) fn set_feed_end(sql: &Connection, lane: Lane, end: FeedEnd) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO link_feed_ends(lane, position, chain) VALUES(?1, ?2, ?3)
         ON CONFLICT(lane) DO UPDATE SET position = ?2, chain = ?3",
    )?;
    put.execute(params![lane.number(), end.position.cast_signed(), end.chain])?;
    Ok(())
}

/// The hub set these changes of ours aside.
pub(crate) fn note_parked(tx: &mut Tx<'_>, parked: &[(Position, ParkReason)]) -> Result<(), StoreError> {
    for (position, reason) in parked {
        let mut put = tx.sql.prepare_cached(
            "INSERT INTO link_parked(device, session, seq, reason, at) VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(device, session, seq) DO UPDATE SET reason = ?4",
        )?;
        put.execute(params![
            position.actor.device.as_bytes(),
            position.actor.session.as_bytes(),
            position.seq.cast_signed(),
            reason.number(),
            tx.now.at.0
        ])?;
    }
    Ok(())
}

fn parked(sql: &Connection) -> Result<u64, StoreError> {
    Ok(sql
        .query_row("SELECT count(*) FROM link_parked", [], |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

/// The hub answered: its epoch, its time, and where the feeds go on.
pub(crate) fn welcomed(tx: &mut Tx<'_>, welcome: &Welcome) -> Result<(), StoreError> {
    if welcome.wanted == Wanted::All {
        hand_back::part_ways(tx, welcome)?;
    }
    hand_back::forget(tx.sql, &welcome.safe_through)?;
    if welcome.wanted != Wanted::All {
        kept::forget_safe(tx.sql, &welcome.safe_through)?;
    }
    let agreed = welcome.wanted != Wanted::All;
    for (lane, from) in Lane::ALL.into_iter().zip(welcome.feeds_from).filter(|_| agreed) {
        if feed_ends(tx.sql)?[lane.index()].position != from {
            // The hub's feed is another than we knew: from its start.
            set_feed_end(tx.sql, lane, FeedEnd::default())?;
        }
    }
    set_epoch(tx.sql, welcome.epoch)?;
    put(tx.sql, HUB_KINDS, Some(&welcome.kinds))?;
    put_number(tx.sql, LAST_CONTACT, Some(welcome.at.0))?;
    put_number(tx.sql, NEXT_TRY, None)?;
    put(tx.sql, CAUSE, None)?;
    put(tx.sql, CONNECTED, Some(&[1]))?;
    blobs::count_contact(tx.sql)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// Everything is exchanged: compares what both ends hold. `false` where they differ and nothing explains it.
pub(crate) fn settled(tx: &mut Tx<'_>, hub: [u8; 8]) -> Result<bool, StoreError> {
    let mut own = match tx.fingerprint {
        Some(sum) => sum,
        None => crate::log::stored_fingerprint(tx.sql)?,
    };
    // What an older hub keeps without being able to read it does not count among what it holds.
    if let Some(kinds) = get(tx.sql, HUB_KINDS)? {
        for kind in DocKind::ALL.iter().filter(|kind| !kinds.contains(&kind.byte())) {
            let mut find = tx
                .sql
                .prepare_cached("SELECT print FROM documents WHERE kind = ?1")?;
            let mut rows = find.query([kind.byte()])?;
            while let Some(row) = rows.next()? {
                own.subtract(&row.get(0)?);
            }
        }
    }
    let equal = own.to_bytes()[..8] == hub || hub == UNKNOWN_PRINT;
    let explained = queue::pending(tx.sql)? > 0 || parked(tx.sql)? > 0;
    if equal || explained {
        clear_alarm(tx, &AlarmKind::Differs, WallTime::MAX)?;
    } else {
        tracing::error!("box and hub hold different things although nothing waits");
        raise_alarm(tx, &AlarmKind::Differs, "")?;
    }
    Ok(equal || explained)
}

impl Store {
    /// What the box knows of its hub; `None` before it joined.
    pub async fn enrolment(&self) -> Result<Option<Enrolment>, StoreError> {
        self.read(enrolment).await
    }

    /// Keeps what the hub said when it took the box in.
    pub async fn keep_enrolment(&self, enrolment: Enrolment, epoch: u32) -> Result<(), StoreError> {
        self.write(move |tx| put_enrolment(tx, &enrolment, epoch)).await
    }

    /// How the link stands.
    pub async fn link_status(&self) -> Result<LinkStatus, StoreError> {
        let today = self.clock().now().at;
        self.read(move |sql| status(sql, today)).await
    }

    /// A try failed; the next one is due after `wait`.
    pub async fn note_failure(
        &self,
        cause: Cause,
        wait: Option<std::time::Duration>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            put(tx.sql, CAUSE, Some(cause.word().as_bytes()))?;
            put(tx.sql, CONNECTED, None)?;
            let wait = wait.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            put_number(
                tx.sql,
                NEXT_TRY,
                wait.map(|wait| tx.now.at.0.saturating_add(wait)),
            )?;
            tx.emit(StoreEvent::SyncState);
            Ok(())
        })
        .await
    }

    /// The link is closed on purpose, or was not open when the program started.
    pub async fn note_stopped(&self) -> Result<(), StoreError> {
        self.write(move |tx| {
            put(tx.sql, CONNECTED, None)?;
            put_number(tx.sql, NEXT_TRY, None)?;
            tx.emit(StoreEvent::SyncState);
            Ok(())
        })
        .await
    }

    /// Counts what a try cost.
    pub async fn note_spent(&self, up: u64, down: u64) -> Result<(), StoreError> {
        self.write(move |tx| {
            let mut add = tx.sql.prepare_cached(
                "INSERT INTO link_spent(day, up, down, tries) VALUES(?1, ?2, ?3, 1)
                 ON CONFLICT(day) DO UPDATE SET up = link_spent.up + ?2,
                     down = link_spent.down + ?3, tries = link_spent.tries + 1",
            )?;
            add.execute(params![day(tx.now.at), up.cast_signed(), down.cast_signed()])?;
            Ok(())
        })
        .await
    }

    /// What the box says first at a contact; `None` before it joined.
    pub async fn hello(&self, software: &str) -> Result<Option<Hello>, StoreError> {
        let (actor, clock) = (self.actor(), self.clock().now());
        let software: String = software
            .chars()
            .filter(char::is_ascii)
            .take(sync_core::wire::MAX_SOFTWARE)
            .collect();
        self.read(move |sql| {
            // A box with a card of systems says more than its program knows of itself.
            let told = releases::told(sql)?.filter(|told| told.starts_with(&software));
            hello(sql, actor, clock, told.unwrap_or(software))
        })
        .await
    }

    /// The time that the hub told, as a note of this run.
    pub(crate) async fn note_hub_time(&self, at: WallTime) -> Result<(), StoreError> {
        self.note_clock(Stamp {
            at,
            source: ClockSource::Hub,
        })
        .await
    }
}

fn day(at: WallTime) -> String {
    at.china_date().to_string()
}

pub(crate) fn status(sql: &Connection, now: WallTime) -> Result<LinkStatus, StoreError> {
    let cause = get(sql, CAUSE)?.and_then(|word| Cause::from_word(std::str::from_utf8(&word).ok()?));
    let spent = sql
        .query_row(
            "SELECT up, down, tries FROM link_spent WHERE day = ?1",
            [day(now)],
            |row| {
                Ok(Spent {
                    up: row.get::<_, i64>(0)?.cast_unsigned(),
                    down: row.get::<_, i64>(1)?.cast_unsigned(),
                    tries: row.get::<_, i64>(2)?.cast_unsigned(),
                })
            },
        )
        .optional()?;
    Ok(LinkStatus {
        queue: queue::report(sql)?,
        pending: queue::pending(sql)?,
        last_contact: get_number(sql, LAST_CONTACT)?.map(WallTime),
        cause,
        next_try: get_number(sql, NEXT_TRY)?.map(WallTime),
        connected: get(sql, CONNECTED)?.is_some(),
        parked: parked(sql)?,
        spent_today: spent.unwrap_or_default(),
    })
}

fn hello(
    sql: &Connection,
    actor: sync_core::identity::Actor,
    clock: Stamp,
    software: String,
) -> Result<Option<Hello>, StoreError> {
    let Some(enrolment) = enrolment(sql)? else {
        return Ok(None);
    };
    let acked = ranges::acked(sql, actor.device)?;
    let held = ranges::held(sql, Some(actor.device))?;
    let whole = acked
        .0
        .iter()
        .all(|(actor, set)| held.0.get(actor).is_some_and(|own| own.covers(set)));
    Ok(Some(Hello {
        versions: VERSIONS,
        actor,
        clinic: enrolment.clinic,
        software,
        epoch: epoch(sql)?.unwrap_or(0),
        own: acked.digest(&ranges::acked_audit(sql, actor.device)?),
        own_whole: whole,
        feeds: sync_core::wire::FeedMarks::new(&feed_ends(sql)?),
        queue: queue::report(sql)?,
        clock,
    }))
}
