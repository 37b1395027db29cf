//! Facts that the hub states, above all the staff of a clinic.

use records::ids::ClinicCode;
use records::staff::{Role, StaffMember, StaffState};
use rusqlite::{Connection, OptionalExtension, params};
use sync_core::identity::SIGNATURE_LEN;
use sync_core::wire::{Fact, FactKind, Lane, MAX_STAFF, RosterEntry, VERSION, decode_roster, encode_roster};

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sync::{directory, feeds, state};
use crate::{derive, staff};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_facts(
    f INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, n INTEGER NOT NULL, clinic TEXT NOT NULL, kind INTEGER NOT NULL,
    body BLOB NOT NULL, UNIQUE(epoch, n));
CREATE TABLE IF NOT EXISTS link_adopted(staff BLOB PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
";

/// Roles that a clinic may give its own staff; all others are the county's to give.
const CLINIC_ROLES: [Role; 8] = [
    Role::VillageDoctor,
    Role::TownshipDoctor,
    Role::Nurse,
    Role::PublicHealthWorker,
    Role::Pharmacist,
    Role::Cashier,
    Role::ClinicAdministrator,
    Role::FieldTechnician,
];

fn entry(member: &StaffMember) -> RosterEntry {
    RosterEntry {
        id: member.id,
        name: member.name.clone(),
        login: member.login.clone(),
        roles: member.roles.iter().map(|role| role.word().to_owned()).collect(),
        state: member.state.word().to_owned(),
        must_change: member.must_change,
        password_hash: member.password_hash.clone(),
        pin_hash: member.pin_hash.clone(),
    }
}

fn member(entry: RosterEntry, clinic: &ClinicCode) -> StaffMember {
    StaffMember {
        id: entry.id,
        name: entry.name,
        login: entry.login,
        roles: entry
            .roles
            .iter()
            .filter_map(|word| Role::from_word(word))
            .collect(),
        state: StaffState::from_word(&entry.state).unwrap_or(StaffState::Suspended),
        password_hash: entry.password_hash,
        pin_hash: entry.pin_hash,
        clinic: Some(clinic.clone()),
        must_change: entry.must_change,
    }
}

/// States the staff of a clinic anew, if it differs from what was stated last.
pub(crate) fn state_roster(
    tx: &mut Tx<'_>,
    key: &sync_core::identity::DeviceKey,
    county: &[u8; 32],
    clinic: &ClinicCode,
) -> Result<(), StoreError> {
    let Some(c) = directory::clinic_row(tx.sql, clinic)? else {
        return Ok(());
    };
    let mut members = staff::members(tx.sql, crate::Side::Hub)?;
    members.retain(|member| member.clinic.as_ref() == Some(clinic));
    members.truncate(MAX_STAFF);
    let body = encode_roster(&members.iter().map(entry).collect::<Vec<_>>());
    let last = last_fact(tx.sql, clinic, FactKind::Roster)?;
    if last.is_some_and(|fact| fact.body == body) {
        return Ok(());
    }
    let epoch = state::epoch(tx.sql)?.unwrap_or(1);
    let n: Option<i64> =
        tx.sql
            .query_row("SELECT max(n) FROM link_facts WHERE epoch = ?1", [epoch], |row| {
                row.get(0)
            })?;
    let fact = Fact {
        epoch,
        n: n.unwrap_or(0).cast_unsigned() + 1,
        kind: FactKind::Roster,
        clinic: clinic.clone(),
        actor: tx.state.actor,
        body,
        signature: [0; SIGNATURE_LEN],
    }
    .signed(key, VERSION, county);
    let f = keep(tx.sql, &fact)?;
    // Who may sign in is urgent: it goes before the day's work.
    feeds::append_fact(tx, c, Lane::P1, f, &fact)
}

/// Keeps a fact; gives its row.
pub(crate) fn keep(sql: &Connection, fact: &Fact) -> Result<i64, StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT OR IGNORE INTO link_facts(epoch, n, clinic, kind, body) VALUES(?1, ?2, ?3, ?4, ?5)",
    )?;
    put.execute(params![
        fact.epoch,
        fact.n.cast_signed(),
        fact.clinic.as_str(),
        fact.kind.number(),
        fact.encode()
    ])?;
    let mut find = sql.prepare_cached("SELECT f FROM link_facts WHERE epoch = ?1 AND n = ?2")?;
    Ok(find.query_row(params![fact.epoch, fact.n.cast_signed()], |row| row.get(0))?)
}

/// A fact by its row.
pub(crate) fn read(sql: &Connection, f: i64) -> Result<Option<Fact>, StoreError> {
    let mut find = sql.prepare_cached("SELECT body FROM link_facts WHERE f = ?1")?;
    let body: Option<Vec<u8>> = find.query_row([f], |row| row.get(0)).optional()?;
    body.map(|body| Fact::decode(&body).map_err(|_| StoreError::Unreadable("fact")))
        .transpose()
}

fn last_fact(sql: &Connection, clinic: &ClinicCode, kind: FactKind) -> Result<Option<Fact>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT f FROM link_facts WHERE clinic = ?1 AND kind = ?2 ORDER BY epoch DESC, n DESC LIMIT 1",
    )?;
    let f: Option<i64> = find
        .query_row(params![clinic.as_str(), kind.number()], |row| row.get(0))
        .optional()?;
    f.map_or(Ok(None), |f| read(sql, f))
}

/// Applies a fact at a box: the whole of it or nothing. `false` where its signature does not fit.
pub(crate) fn apply(tx: &mut Tx<'_>, fact: &Fact) -> Result<bool, StoreError> {
    let Some(enrolment) = state::enrolment(tx.sql)? else {
        return Ok(false);
    };
    let fits = fact.verify(enrolment.hub()?, VERSION, &enrolment.county).is_ok();
    if !fits || fact.clinic != enrolment.clinic {
        return Ok(false);
    }
    let last = last_fact(tx.sql, &fact.clinic, fact.kind)?;
    keep(tx.sql, fact)?;
    if last.is_some_and(|last| (last.epoch, last.n) >= (fact.epoch, fact.n)) {
        return Ok(true);
    }
    match fact.kind {
        FactKind::Roster => {
            let Ok(entries) = decode_roster(&fact.body) else {
                return Ok(false);
            };
            let members: Vec<StaffMember> = entries
                .into_iter()
                .map(|entry| member(entry, &fact.clinic))
                .collect();
            staff::put_roster(tx, &members, true)?;
            tx.emit(StoreEvent::Staff);
        }
        FactKind::Enrolment
        | FactKind::Revocation
        | FactKind::Purge
        | FactKind::Panel
        | FactKind::NumberBlock
        | FactKind::Succession
        | FactKind::Unknown(_) => {}
    }
    Ok(true)
}

/// A hub takes over what a clinic's own document says of its staff: people whose entry there is new or changed.
/// A clinic gives only its own roles, and never touches people of other places.
pub(crate) fn adopt_staff(tx: &mut Tx<'_>, clinic: &ClinicCode) -> Result<bool, StoreError> {
    let known = staff::members(tx.sql, crate::Side::Hub)?;
    let mut adopted = Vec::new();
    for mut named in derive::members_of(tx.sql, clinic)? {
        named.clinic = Some(clinic.clone());
        named.roles.retain(|role| CLINIC_ROLES.contains(role));
        let foreign = known
            .iter()
            .any(|other| other.id == named.id && other.clinic != named.clinic);
        let digest = *blake3::hash(&encode_roster(&[entry(&named)])).as_bytes();
        let mut find = tx
            .sql
            .prepare_cached("SELECT digest FROM link_adopted WHERE staff = ?1")?;
        let before: Option<[u8; 32]> = find
            .query_row([named.id.as_bytes()], |row| row.get(0))
            .optional()?;
        if foreign || before == Some(digest) {
            continue;
        }
        tx.sql
            .prepare_cached("INSERT OR REPLACE INTO link_adopted(staff, digest) VALUES(?1, ?2)")?
            .execute(params![named.id.as_bytes(), digest])?;
        adopted.push(named);
    }
    staff::put_roster(tx, &adopted, false)?;
    Ok(!adopted.is_empty())
}

impl Store {
    /// Hub: writes a member of staff into the hub's list; a clinic's member reaches the clinic's boxes.
    /// Stated at once where this hub has its keys, else at the box's next contact.
    pub async fn put_member(&self, member: StaffMember) -> Result<(), StoreError> {
        let key = self.device_key().clone();
        self.write(move |tx| {
            let clinic = member.clinic.clone();
            staff::put_roster(tx, std::slice::from_ref(&member), false)?;
            tx.emit(StoreEvent::Staff);
            match (clinic, directory::county(tx.sql)?) {
                (Some(clinic), Some(county)) => state_roster(tx, &key, &county, &clinic),
                (Some(_), None) | (None, _) => Ok(()),
            }
        })
        .await
    }
}
