//! Hubs above hubs.
//!
//! A county's hub is one box to the hub above it: a store of its own, with a device key of its own, beside the county's.
//! What the county holds is copied into it as it came, every change at the position that its author gave it, and the
//! exchange carries it on. The hub above takes changes of other authors from that box because the box vouches, under its
//! signature, for each device of the county: whose clinic it is, and that the county carries it.
//!
//! To the hub above a county is a clinic that holds what all of its clinics hold. The rules by which it judges a change
//! are those of the clinic whose device wrote it.

use records::ids::{BlobId, ClinicCode, DeviceId, DocId};
use serde_json::json;
use sync_core::identity::{DevicePublicKey, PUBLIC_KEY_LEN, SIGNATURE_LEN};
use sync_core::wire::{ChangeItem, Fact, FactKind, Lane, VERSION};

use crate::engine::{Store, StoreError, Tx};
use crate::ingest::{Foreign, Ingested, Stored, ingest};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::hub_end::{self, Writer};
use crate::sync::{blobs, directory, facts, feeds, panels, purge, queue, ranges, releases, state};
use crate::{log, settings};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_counties(c INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS link_county_clinics(c INTEGER PRIMARY KEY, county INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS link_vouched(name BLOB PRIMARY KEY, f INTEGER NOT NULL) WITHOUT ROWID;
";

/// Log rows that are copied in one transaction.
const ROWS_AT_ONCE: i64 = 128;
/// Setting of the county's box: how far the county's log was copied into it.
const UP: &str = "upstream.up";
/// Setting of the county's hub: how far that box's log was copied into it.
const DOWN: &str = "upstream.down";
/// Setting of the county's box: the epoch of the hub above that heard whom the county vouches for.
const TOLD: &str = "upstream.told";

/// What one round copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bridged {
    /// Changes that wait for the hub above now.
    pub up: u64,
    /// Changes that came from the hub above.
    pub down: u64,
    /// Blobs, either way.
    pub blobs: u64,
}

/// What rounds of copying have seen, so that the next one does not look at everything again.
#[derive(Debug, Default)]
pub struct Bridge {
    /// Digest of what the county vouches for, and the epoch of the hub above that heard it.
    vouched: Option<([u8; 32], Option<u32>)>,
    /// Last row and number of the blobs here and there.
    blobs: Option<[(i64, i64); 2]>,
    /// How many documents the hub above had purged.
    purged: Option<i64>,
}

impl Bridged {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

// ---- the hub above

/// The county that carries a clinic; `None` for a clinic with boxes of its own.
pub(crate) fn county_of(sql: &Connection, c: i64) -> Result<Option<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT county FROM link_county_clinics WHERE c = ?1")?;
    Ok(find.query_row([c], |row| row.get(0)).optional()?)
}

fn is_county(sql: &Connection, c: i64) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_counties WHERE c = ?1")?;
    Ok(find.exists([c])?)
}

/// Who wrote a change that a county's box brought: the clinic of the device whose change it is. `None` where the box
/// brings its own.
pub(crate) fn author(
    sql: &Connection,
    carrier: &Writer,
    device: DeviceId,
) -> Result<Option<Writer>, StoreError> {
    if !is_county(sql, carrier.c)? {
        return Ok(None);
    }
    let Some(known) = directory::known(sql, device)? else {
        return Ok(None);
    };
    let of_county = known.c == carrier.c || county_of(sql, known.c)? == Some(carrier.c);
    if !of_county {
        return Ok(None);
    }
    Ok(Some(
        carrier.for_clinic(known.c, directory::clinic_code(sql, known.c)?),
    ))
}

/// Whether a clinic is of the county that writes: its hub may write what is the county's to write.
pub(crate) fn is_of(sql: &Connection, owner: &ClinicCode, county: i64) -> Result<bool, StoreError> {
    if !is_county(sql, county)? {
        return Ok(false);
    }
    let Some(c) = directory::clinic_row(sql, owner)? else {
        return Ok(false);
    };
    Ok(c == county || county_of(sql, c)? == Some(county))
}

/// Takes what a county's box vouches for. `false` where it is not signed by it, or not the county's to say.
pub(crate) fn vouched(tx: &mut Tx<'_>, device: DeviceId, fact: &Fact) -> Result<bool, StoreError> {
    let (Some(county), Some(known)) = (directory::county(tx.sql)?, directory::known(tx.sql, device)?) else {
        return Ok(false);
    };
    let Some(key) = directory::key_of(tx.sql, device)? else {
        return Ok(false);
    };
    if !is_county(tx.sql, known.c)? || fact.verify(key, VERSION, &county).is_err() {
        return Ok(false);
    }
    match fact.kind {
        FactKind::Enrolment => carries(tx, device, known.c, fact),
        FactKind::Panel => carries_panel(tx, known.c, fact),
        FactKind::Purge => carries_purge(tx, known.c, fact),
        FactKind::Roster
        | FactKind::Revocation
        | FactKind::NumberBlock
        | FactKind::Succession
        | FactKind::Release
        | FactKind::Unknown(_) => Ok(false),
    }
}

/// A device of the county, and its clinic.
fn carries(tx: &mut Tx<'_>, carrier: DeviceId, county: i64, fact: &Fact) -> Result<bool, StoreError> {
    let Some((key, name)) = fact.body.split_at_checked(PUBLIC_KEY_LEN) else {
        return Ok(false);
    };
    let Ok(key) = DevicePublicKey::from_slice(key) else {
        return Ok(false);
    };
    let c = match directory::clinic_row(tx.sql, &fact.clinic)? {
        Some(c) if c == county || county_of(tx.sql, c)? == Some(county) => c,
        Some(_) => {
            tracing::error!(clinic = %fact.clinic, "a county carries a clinic whose code is another's here");
            return Ok(false);
        }
        None => {
            directory::put_clinic(tx, &fact.clinic, &String::from_utf8_lossy(name))?;
            let Some(c) = directory::clinic_row(tx.sql, &fact.clinic)? else {
                return Ok(false);
            };
            tx.sql.execute(
                "INSERT INTO link_county_clinics(c, county) VALUES(?1, ?2)",
                [c, county],
            )?;
            c
        }
    };
    // Nobody vouches for a device that is here by itself, or in another county.
    if directory::known(tx.sql, key.device())?.is_some_and(|known| known.c != c) {
        return Ok(false);
    }
    directory::put_device(tx, key, c, "")?;
    // The exchange asks of both the same: whose sessions does the box of this connection carry on?
    tx.sql.execute(
        "INSERT INTO link_successions(device, predecessor) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
        params![carrier.as_bytes(), key.device().as_bytes()],
    )?;
    Ok(true)
}

/// A clinic of the county holds a patient of the county, or does not any more.
fn carries_panel(tx: &mut Tx<'_>, county: i64, fact: &Fact) -> Result<bool, StoreError> {
    let (Some(c), Some((patient, joined))) = (
        directory::clinic_row(tx.sql, &fact.clinic)?,
        panels::parse(&fact.body),
    ) else {
        return Ok(false);
    };
    if county_of(tx.sql, c)? != Some(county) || !feeds::cares_for(tx.sql, county, patient)? {
        return Ok(false);
    }
    panels::carried(tx, c, patient, joined)?;
    Ok(true)
}

/// Records of the county are purged.
fn carries_purge(tx: &mut Tx<'_>, county: i64, fact: &Fact) -> Result<bool, StoreError> {
    let mut purged = Vec::new();
    for id in fact.body.as_chunks::<16>().0 {
        let row = log::doc_row(tx.sql, DocId(*id))?;
        if let Some(row) = row
            && is_of(tx.sql, &row.owner, county)?
        {
            purged.extend_from_slice(id);
        }
    }
    if !purged.is_empty() {
        let clinic = directory::clinic_code(tx.sql, county)?;
        facts::state_fact(tx, FactKind::Purge, &clinic, purged.clone())?;
        purge::carry_out(tx, &purged)?;
    }
    Ok(true)
}

impl Store {
    /// Hub: this clinic is a county, whose hub carries its clinics' records here; `false` where there is none.
    pub async fn make_county(&self, clinic: &ClinicCode) -> Result<bool, StoreError> {
        let clinic = clinic.clone();
        self.write(move |tx| {
            let Some(c) = directory::clinic_row(tx.sql, &clinic)? else {
                return Ok(false);
            };
            tx.sql.execute(
                "INSERT INTO link_counties(c) VALUES(?1) ON CONFLICT DO NOTHING",
                [c],
            )?;
            Ok(true)
        })
        .await
    }
}

// ---- the county's hub

/// A row of a log on its way into another.
struct Row {
    k: i64,
    lane: Lane,
    hash: [u8; 32],
    change: ChangeItem,
}

/// How far a log was copied: a row and its hash, since rows that a purge took away may be given anew.
type Mark = Option<(i64, [u8; 32])>;

fn read_mark(sql: &Connection, key: &str) -> Result<Mark, StoreError> {
    let kept = settings::get(sql, key)?;
    let mark = kept.and_then(|kept| {
        let hash = hex::decode(kept.get(1)?.as_str()?).ok()?;
        Some((kept.get(0)?.as_i64()?, hash.try_into().ok()?))
    });
    Ok(mark)
}

fn put_mark(tx: &Tx<'_>, key: &str, row: &Row) -> Result<(), StoreError> {
    settings::put(tx, key, &json!([row.k, hex::encode(row.hash)]))
}

/// The next rows behind a mark. From the start where the mark is not there any more: what is known already is passed over.
fn rows_behind(sql: &Connection, mark: Mark) -> Result<Vec<Row>, StoreError> {
    let after = match mark {
        Some((k, hash)) => {
            let mut find = sql.prepare_cached("SELECT 1 FROM log WHERE k = ?1 AND hash = ?2")?;
            if find.exists(params![k, hash])? { k } else { 0 }
        }
        None => 0,
    };
    let mut find = sql.prepare_cached("SELECT k, lane, hash FROM log WHERE k > ?1 ORDER BY k LIMIT ?2")?;
    let found = find.query_map([after, ROWS_AT_ONCE], |row| {
        Ok((row.get(0)?, row.get::<_, u8>(1)?, row.get(2)?))
    })?;
    let mut rows = Vec::new();
    for (k, lane, hash) in found.collect::<crate::sql::Result<Vec<(i64, u8, [u8; 32])>>>()? {
        rows.push(Row {
            k,
            lane: Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?,
            hash,
            change: queue::change(sql, k)?,
        });
    }
    Ok(rows)
}

/// What the county vouches for, as it stands.
struct Vouching {
    kind: FactKind,
    clinic: ClinicCode,
    body: Vec<u8>,
    /// Tells two of the same content apart.
    told: Vec<u8>,
}

impl Vouching {
    fn name(&self) -> [u8; 32] {
        let mut name = blake3::Hasher::new();
        name.update(&[self.kind.number()]);
        name.update(self.clinic.as_str().as_bytes());
        name.update(&self.body);
        name.update(&self.told);
        *name.finalize().as_bytes()
    }
}

/// Everything that this hub vouches for: its devices with their clinics, itself, panels and purges.
fn vouchings(
    sql: &Connection,
    own: DevicePublicKey,
    as_county: &ClinicCode,
) -> Result<Vec<Vouching>, StoreError> {
    let mut all = vec![Vouching {
        kind: FactKind::Enrolment,
        clinic: as_county.clone(),
        body: own.to_bytes().to_vec(),
        told: Vec::new(),
    }];
    let code = |text: String| text.parse().map_err(|_| StoreError::Unreadable("clinic code"));
    let mut find = sql.prepare_cached(
        "SELECT key, code, link_clinics.name FROM link_devices JOIN link_clinics USING(c) ORDER BY device",
    )?;
    let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (key, clinic, name) in rows.collect::<crate::sql::Result<Vec<(Vec<u8>, String, String)>>>()? {
        all.push(Vouching {
            kind: FactKind::Enrolment,
            clinic: code(clinic)?,
            body: [&key[..], name.as_bytes()].concat(),
            told: Vec::new(),
        });
    }
    for (clinic, body, told) in panels::stated(sql)? {
        all.push(Vouching {
            kind: FactKind::Panel,
            clinic,
            body,
            told,
        });
    }
    let mut find = sql.prepare_cached("SELECT doc FROM link_tombstones ORDER BY doc")?;
    let rows = find.query_map([], |row| row.get(0))?;
    for doc in rows.collect::<crate::sql::Result<Vec<[u8; 16]>>>()? {
        all.push(Vouching {
            kind: FactKind::Purge,
            clinic: as_county.clone(),
            body: doc.to_vec(),
            told: Vec::new(),
        });
    }
    Ok(all)
}

/// The county's box: tells what it has not told yet; after the hub above went back, everything.
fn vouch(tx: &mut Tx<'_>, all: &[Vouching]) -> Result<(), StoreError> {
    let Some(enrolment) = state::enrolment(tx.sql)? else {
        return Ok(());
    };
    let epoch = json!(state::epoch(tx.sql)?);
    let again = settings::get(tx.sql, TOLD)?.as_ref() != Some(&epoch);
    let count = "SELECT count(*) FROM link_vouched";
    let mut n: i64 = tx.sql.query_row(count, [], |row| row.get(0))?;
    for one in all {
        let name = one.name();
        let mut find = tx
            .sql
            .prepare_cached("SELECT f FROM link_vouched WHERE name = ?1")?;
        let told: Option<i64> = find.query_row([name], |row| row.get(0)).optional()?;
        if let Some(f) = told {
            if again {
                queue::add_fact(tx, f)?;
            }
            continue;
        }
        match one.kind {
            FactKind::Enrolment => carry(tx, &one.body)?,
            FactKind::Purge => purge::carry_out(tx, &one.body)?,
            _ => {}
        }
        n += 1;
        let fact = Fact {
            epoch: 0,
            n: n.cast_unsigned(),
            kind: one.kind,
            clinic: one.clinic.clone(),
            actor: tx.state.actor,
            body: one.body.clone(),
            signature: [0; SIGNATURE_LEN],
        }
        .signed(&tx.state.key, VERSION, &enrolment.county);
        let (f, _) = facts::keep(tx.sql, &fact)?;
        queue::add_fact(tx, f)?;
        tx.sql.execute(
            "INSERT INTO link_vouched(name, f) VALUES(?1, ?2)",
            params![name, f],
        )?;
        tx.emit(crate::StoreEvent::SyncState);
    }
    if again {
        settings::put(tx, TOLD, &epoch)?;
    }
    Ok(())
}

/// The county's box carries the sessions of this device.
fn carry(tx: &Tx<'_>, body: &[u8]) -> Result<(), StoreError> {
    let key = body.get(..PUBLIC_KEY_LEN).unwrap_or_default();
    let key = DevicePublicKey::from_slice(key).map_err(|_| StoreError::Unreadable("device key"))?;
    tx.sql.execute(
        "INSERT INTO link_successions(device, predecessor) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
        params![tx.state.actor.device.as_bytes(), key.device().as_bytes()],
    )?;
    Ok(())
}

/// Takes rows of the other log; those that were new, with the mark moved behind all.
fn take(
    tx: &mut Tx<'_>,
    rows: &[Row],
    mark: &str,
    new: impl Fn(&mut Tx<'_>, &Row, &Stored) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut count = 0;
    for row in rows {
        let change = &row.change;
        if purge::is_purged(tx.sql, change.doc)? {
            purge::void(tx, change.position, change.doc, &row.hash)?;
            put_mark(tx, mark, row)?;
            continue;
        }
        let foreign = Foreign {
            position: change.position,
            doc: change.doc,
            lane: row.lane,
            bytes: &change.bytes,
        };
        match ingest(tx, &foreign, &|_, _, _| Ok(()))? {
            Ingested::Stored(stored) => {
                count += 1;
                new(tx, row, &stored)?;
            }
            Ingested::Known | Ingested::Waiting | Ingested::Parked(_) => {}
            Ingested::Spoiled => {
                tracing::error!("another change stands at its position in the county's other log");
                put_mark(tx, mark, row)?;
                continue;
            }
            // The rest comes with the next round.
            Ingested::NotNow => return Ok(count),
        }
        let s = log::session_row(tx, change.position.actor)?;
        ranges::hold(tx.sql, s, change.position.seq, &row.hash)?;
        put_mark(tx, mark, row)?;
    }
    Ok(count)
}

/// Copies every row of one log that the other has not: `mark` is its setting of how far that went, and `new` what follows
/// from a change that was new there. Gives how many were.
async fn copy_rows(
    from: &Store,
    to: &Store,
    mark: &'static str,
    new: impl Fn(&mut Tx<'_>, &Row, &Stored) -> Result<(), StoreError> + Copy + Send + 'static,
) -> Result<u64, StoreError> {
    let mut count = 0;
    loop {
        let behind = to.read(move |sql| read_mark(sql, mark)).await?;
        let rows = from.read(move |sql| rows_behind(sql, behind)).await?;
        if rows.is_empty() {
            return Ok(count);
        }
        count += to.write(move |tx| take(tx, &rows, mark, new)).await?;
    }
}

/// A whole blob with a document that names it.
type Named = (BlobId, DocId, u8, i64);

fn named(sql: &Connection) -> Result<Vec<Named>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT blob, doc, lane, link_blobs.length FROM link_blobs JOIN blobs ON blobs.id = blob
             JOIN documents ON documents.id = doc ORDER BY blob, doc",
    )?;
    let rows = find.query_map([], |row| {
        Ok((BlobId(row.get(0)?), DocId(row.get(1)?), row.get(2)?, row.get(3)?))
    })?;
    let all = rows.collect::<crate::sql::Result<Vec<Named>>>()?;
    Ok(all
        .into_iter()
        .filter(|(_, doc, _, _)| !releases::is_release(*doc))
        .collect())
}

/// Takes a blob that the other store has for a document that is here.
fn take_blob(tx: &mut Tx<'_>, (blob, doc, lane, length): Named, content: &[u8]) -> Result<bool, StoreError> {
    if log::doc_row(tx.sql, doc)?.is_none() {
        return Ok(false);
    }
    let lane = Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?;
    crate::blobs::put(tx, content).map_err(|_| StoreError::Unreadable("blob"))?;
    blobs::name(tx, blob, doc, lane, length.unsigned_abs())?;
    match tx.state.side {
        crate::Side::Box => queue::add_blob(tx, lane, blob, content.len())?,
        crate::Side::Hub => feeds::spread_blob(tx, blob, doc, lane)?,
    }
    Ok(true)
}

impl Store {
    /// Hub of a county: one round of copying between this store and the box that it is to the hub above (`up`). What was
    /// copied before is known and copied no more, whichever of the two went back in time.
    ///
    /// # Errors
    /// One of the stores failed; the next round goes on where this one stopped.
    pub async fn bridge(&self, up: &Store, seen: &mut Bridge) -> Result<Bridged, StoreError> {
        let mut all = Bridged::default();
        let Some(enrolment) = up.enrolment().await? else {
            return Ok(all);
        };
        let (own, county) = (self.device_key().public(), enrolment.clinic);
        let vouchings = self.read(move |sql| vouchings(sql, own, &county)).await?;
        let mut digest = blake3::Hasher::new();
        for one in &vouchings {
            digest.update(&one.name());
        }
        let vouched = (*digest.finalize().as_bytes(), up.read(state::epoch).await?);
        if seen.vouched != Some(vouched) {
            up.write(move |tx| vouch(tx, &vouchings)).await?;
            seen.vouched = Some(vouched);
        }
        loop {
            let round = Bridged {
                up: self.copy_up(up).await?,
                down: self.copy_down(up).await?,
                blobs: 0,
            };
            all.up += round.up;
            all.down += round.down;
            if round.is_nothing() {
                break;
            }
        }
        // A blob waits for the document that names it.
        let kept = [self.read(extent_of_blobs).await?, up.read(extent_of_blobs).await?];
        if all != Bridged::default() || seen.blobs != Some(kept) {
            all.blobs = copy_blobs(self, up).await? + copy_blobs(up, self).await?;
            seen.blobs = Some([self.read(extent_of_blobs).await?, up.read(extent_of_blobs).await?]);
        }
        let purged = up
            .read(|sql| {
                let count = "SELECT count(*) FROM link_tombstones";
                Ok::<i64, StoreError>(sql.prepare_cached(count)?.query_row([], |row| row.get(0))?)
            })
            .await?;
        if seen.purged != Some(purged) {
            self.purge_as_above(up).await?;
            seen.purged = Some(purged);
        }
        Ok(all)
    }

    pub(crate) async fn copy_up(&self, up: &Store) -> Result<u64, StoreError> {
        copy_rows(self, up, UP, |tx, row, stored| {
            queue::add_change(tx, row.lane, stored.k, row.change.bytes.len())?;
            for (k, _) in &stored.released {
                queue::add_change(tx, row.lane, *k, 0)?;
            }
            tx.emit(crate::StoreEvent::SyncState);
            Ok(())
        })
        .await
    }

    async fn copy_down(&self, up: &Store) -> Result<u64, StoreError> {
        copy_rows(up, self, DOWN, |tx, row, stored| {
            hub_end::spread(tx, None, row.lane, &row.change, stored, false)
        })
        .await
    }

    /// What the hub above purged goes here, too, and at every box of the county.
    async fn purge_as_above(&self, up: &Store) -> Result<(), StoreError> {
        let above = up
            .read(|sql| {
                let mut find = sql.prepare_cached("SELECT doc FROM link_tombstones ORDER BY doc")?;
                let rows = find.query_map([], |row| Ok(DocId(row.get(0)?)))?;
                Ok::<_, StoreError>(rows.collect::<crate::sql::Result<Vec<DocId>>>()?)
            })
            .await?;
        let Some(clinic) = self.clinics().await?.into_iter().next() else {
            return Ok(());
        };
        for doc in above {
            if !self.is_purged(doc).await? {
                self.purge(&clinic.code, &[doc]).await?;
            }
        }
        Ok(())
    }
}

/// The last row of the blobs, and how many names they have.
fn extent_of_blobs(sql: &Connection) -> Result<(i64, i64), StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT (SELECT coalesce(max(b), 0) FROM blobs), (SELECT count(*) FROM link_blobs)",
    )?;
    Ok(find.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

async fn copy_blobs(from: &Store, to: &Store) -> Result<u64, StoreError> {
    let (there, here) = (from.read(named).await?, to.read(named).await?);
    let mut count = 0;
    for one in there {
        if here
            .binary_search_by_key(&(one.0, one.1), |known| (known.0, known.1))
            .is_ok()
        {
            continue;
        }
        let Some(content) = from.blob(one.0).await? else {
            continue;
        };
        count += u64::from(to.write(move |tx| take_blob(tx, one, &content)).await?);
    }
    Ok(count)
}
