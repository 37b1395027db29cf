//! Facts that the hub states, above all the staff of a clinic.

use records::ids::ClinicCode;
use records::staff::{Role, StaffMember, StaffState};
use sync_core::identity::SIGNATURE_LEN;
use sync_core::wire::{Fact, FactKind, Lane, MAX_STAFF, RosterEntry, VERSION, decode_roster, encode_roster};

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{directory, feeds, panels, purge, queue, releases, state, successions};
use crate::{derive, staff};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_statements(
    f INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, epoch INTEGER NOT NULL, n INTEGER NOT NULL,
    clinic TEXT NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS link_statements_by_kind ON link_statements(kind, clinic, epoch, n);
CREATE TABLE IF NOT EXISTS link_fact_places(f INTEGER PRIMARY KEY, lane INTEGER NOT NULL, position INTEGER NOT NULL);
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
pub(crate) fn state_roster(tx: &mut Tx<'_>, clinic: &ClinicCode) -> Result<(), StoreError> {
    let mut members = staff::members(tx.sql, crate::Side::Hub)?;
    members.retain(|member| member.clinic.as_ref() == Some(clinic));
    members.truncate(MAX_STAFF);
    let body = encode_roster(&members.iter().map(entry).collect::<Vec<_>>());
    let last = last_fact(tx.sql, clinic, FactKind::Roster)?;
    if last.is_some_and(|fact| fact.body == body) {
        return Ok(());
    }
    state_fact(tx, FactKind::Roster, clinic, body)?;
    Ok(())
}

/// States a fact: numbered, signed and put into the feeds of those whom it concerns. Nothing where this hub has not
/// drawn its keys yet.
pub(crate) fn state_fact(
    tx: &mut Tx<'_>,
    kind: FactKind,
    clinic: &ClinicCode,
    body: Vec<u8>,
) -> Result<Option<Fact>, StoreError> {
    let Some(county) = directory::county(tx.sql)? else {
        return Ok(None);
    };
    let epoch = state::epoch(tx.sql)?.unwrap_or(1);
    let n: Option<i64> = tx.sql.query_row(
        "SELECT max(n) FROM link_statements WHERE epoch = ?1",
        [epoch],
        |row| row.get(0),
    )?;
    let fact = Fact {
        epoch,
        n: n.unwrap_or(0).cast_unsigned() + 1,
        kind,
        clinic: clinic.clone(),
        actor: tx.state.actor,
        body,
        signature: [0; SIGNATURE_LEN],
    }
    .signed(&tx.state.key, VERSION, &county);
    let (f, _) = keep(tx.sql, &fact)?;
    feed_out(tx, f, &fact)?;
    Ok(Some(fact))
}

/// Puts a fact into the feeds of those whom it concerns.
fn feed_out(tx: &mut Tx<'_>, f: i64, fact: &Fact) -> Result<(), StoreError> {
    // Who may sign in is urgent: it goes before the day's work. What must stop at once goes before everything.
    let lane = match fact.kind {
        FactKind::Revocation | FactKind::Purge | FactKind::Panel => Lane::P0,
        FactKind::Roster
        | FactKind::Enrolment
        | FactKind::NumberBlock
        | FactKind::Succession
        | FactKind::Unknown(_) => Lane::P1,
        FactKind::Release => Lane::P4,
    };
    let clinics = if fact.kind.is_for_all() {
        directory::clinic_rows(tx.sql)?
    } else {
        directory::clinic_row(tx.sql, &fact.clinic)?.into_iter().collect()
    };
    for c in clinics {
        feeds::append_fact(tx, c, lane, f, fact)?;
    }
    Ok(())
}

/// Everything that concerns every clinic goes into the feed of one that was added.
pub(crate) fn catch_up(tx: &mut Tx<'_>, c: i64) -> Result<(), StoreError> {
    let mut find = tx
        .sql
        .prepare_cached("SELECT f FROM link_statements WHERE kind IN (?1, ?2, ?3) ORDER BY f")?;
    let kinds = [
        FactKind::Revocation.number(),
        FactKind::Purge.number(),
        FactKind::Succession.number(),
    ];
    let rows = find.query_map(kinds, |row| row.get(0))?;
    for f in rows.collect::<crate::sql::Result<Vec<i64>>>()? {
        if let Some(fact) = read(tx.sql, f)? {
            feeds::append_fact(tx, c, Lane::P0, f, &fact)?;
        }
    }
    Ok(())
}

/// Keeps a fact; gives its row and whether it is new.
pub(crate) fn keep(sql: &Connection, fact: &Fact) -> Result<(i64, bool), StoreError> {
    let name = fact.name();
    let mut put = sql.prepare_cached(
        "INSERT INTO link_statements(name, epoch, n, clinic, kind, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let new = put.execute(params![
        name,
        fact.epoch,
        fact.n.cast_signed(),
        fact.clinic.as_str(),
        fact.kind.number(),
        fact.encode()
    ])?;
    let mut find = sql.prepare_cached("SELECT f FROM link_statements WHERE name = ?1")?;
    Ok((find.query_row([name], |row| row.get(0))?, new > 0))
}

/// A fact by its row.
pub(crate) fn read(sql: &Connection, f: i64) -> Result<Option<Fact>, StoreError> {
    let mut find = sql.prepare_cached("SELECT body FROM link_statements WHERE f = ?1")?;
    let body: Option<Vec<u8>> = find.query_row([f], |row| row.get(0)).optional()?;
    body.map(|body| Fact::decode(&body).map_err(|_| StoreError::Unreadable("fact")))
        .transpose()
}

pub(crate) fn last_fact(
    sql: &Connection,
    clinic: &ClinicCode,
    kind: FactKind,
) -> Result<Option<Fact>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT f FROM link_statements WHERE clinic = ?1 AND kind = ?2 ORDER BY epoch DESC, n DESC LIMIT 1",
    )?;
    let f: Option<i64> = find
        .query_row(params![clinic.as_str(), kind.number()], |row| row.get(0))
        .optional()?;
    f.map_or(Ok(None), |f| read(sql, f))
}

/// Applies a fact at a box: the whole of it or nothing. `false` where its signature does not fit.
pub(crate) fn apply(tx: &mut Tx<'_>, fact: &Fact, place: Option<(Lane, u64)>) -> Result<bool, StoreError> {
    let Some(enrolment) = state::enrolment(tx.sql)? else {
        return Ok(false);
    };
    let fits = fact.verify(enrolment.hub()?, VERSION, &enrolment.county).is_ok();
    if !fits || (fact.clinic != enrolment.clinic && !fact.kind.is_for_all()) {
        return Ok(false);
    }
    let last = last_fact(tx.sql, &fact.clinic, fact.kind)?;
    let (f, new) = keep(tx.sql, fact)?;
    if let Some((lane, position)) = place {
        tx.sql
            .prepare_cached(
                "INSERT INTO link_fact_places(f, lane, position) VALUES(?1, ?2, ?3)
                 ON CONFLICT(f) DO UPDATE SET lane = ?2, position = ?3",
            )?
            .execute(params![f, lane.number(), position.cast_signed()])?;
    } else if new && state::epoch(tx.sql)?.is_some_and(|epoch| fact.epoch < epoch) {
        // The hub went back after it wrote this onto a stick: it may stand here only.
        queue::add_fact(tx, f)?;
    }
    let overtaken = last
        .as_ref()
        .is_some_and(|last| (last.epoch, last.n) >= (fact.epoch, fact.n));
    match fact.kind {
        FactKind::Roster if overtaken => {}
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
        FactKind::Purge => purge::carry_out(tx, &fact.body)?,
        FactKind::Panel => panels::carry_out(tx, fact)?,
        FactKind::Succession => successions::stated(tx.sql, &fact.body)?,
        FactKind::Release if overtaken => {}
        FactKind::Release => releases::offered(tx, last.as_ref(), fact)?,
        FactKind::Enrolment | FactKind::Revocation | FactKind::NumberBlock | FactKind::Unknown(_) => {}
    }
    Ok(true)
}

/// A hub takes back what it had stated itself and forgot when it was restored.
pub(crate) fn take_back(tx: &mut Tx<'_>, fact: &Fact) -> Result<bool, StoreError> {
    let Some(county) = directory::county(tx.sql)? else {
        return Ok(false);
    };
    if fact.verify(tx.state.key.public(), VERSION, &county).is_err() {
        return Ok(false);
    }
    let last = last_fact(tx.sql, &fact.clinic, fact.kind)?;
    let (f, new) = keep(tx.sql, fact)?;
    if !new {
        return Ok(true);
    }
    feed_out(tx, f, fact)?;
    let overtaken = last.is_some_and(|last| (last.epoch, last.n) >= (fact.epoch, fact.n));
    match fact.kind {
        FactKind::Roster if !overtaken => {
            if let Ok(entries) = decode_roster(&fact.body) {
                let members: Vec<StaffMember> = entries
                    .into_iter()
                    .map(|entry| member(entry, &fact.clinic))
                    .collect();
                staff::put_roster(tx, &members, false)?;
                tx.emit(StoreEvent::Staff);
            }
        }
        FactKind::Enrolment => directory::enrolled_before(tx, &fact.clinic, &fact.body)?,
        FactKind::Revocation => directory::revoked_before(tx, &fact.body)?,
        FactKind::Purge => purge::carry_out(tx, &fact.body)?,
        FactKind::Panel => panels::stated_before(tx, fact)?,
        FactKind::Succession => successions::stated(tx.sql, &fact.body)?,
        FactKind::Roster | FactKind::NumberBlock | FactKind::Release | FactKind::Unknown(_) => {}
    }
    Ok(true)
}

/// Numbers that a clinic may give: no two blocks of one series hold the same number, whatever hub allotted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberBlock {
    /// The hub's epoch: a part of every number of the block.
    pub epoch: u32,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// Most numbers in one block.
const BLOCK_MAX: u64 = 1_000_000;

fn block_of(fact: &Fact, series: u8) -> Option<NumberBlock> {
    let (head, numbers) = fact.body.split_first()?;
    let (first, last) = numbers.split_at_checked(8)?;
    (*head == series).then_some(NumberBlock {
        epoch: fact.epoch,
        first: u64::from_be_bytes(first.try_into().ok()?),
        last: u64::from_be_bytes(last.try_into().ok()?),
    })
}

fn blocks(sql: &Connection, series: u8) -> Result<Vec<(ClinicCode, NumberBlock)>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT body FROM link_statements WHERE kind = ?1 ORDER BY epoch, n")?;
    let rows = find.query_map([FactKind::NumberBlock.number()], |row| row.get(0))?;
    let mut found = Vec::new();
    for body in rows.collect::<crate::sql::Result<Vec<Vec<u8>>>>()? {
        let fact = Fact::decode(&body).map_err(|_| StoreError::Unreadable("fact"))?;
        if let Some(block) = block_of(&fact, series) {
            found.push((fact.clinic, block));
        }
    }
    Ok(found)
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
            .prepare_cached("INSERT INTO link_adopted(staff, digest) VALUES(?1, ?2) ON CONFLICT(staff) DO UPDATE SET digest = ?2")?
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
        self.write(move |tx| {
            let clinic = member.clinic.clone();
            staff::put_roster(tx, std::slice::from_ref(&member), false)?;
            tx.emit(StoreEvent::Staff);
            clinic.map_or(Ok(()), |clinic| state_roster(tx, &clinic))
        })
        .await
    }

    /// Hub: allots the next numbers of a series to a clinic; `None` where there is no such clinic, the block is too
    /// large, or this hub has not drawn its keys. A restored hub allots under a new epoch, so nothing is given
    /// twice even before its boxes told what was allotted.
    pub async fn allot_numbers(
        &self,
        clinic: &ClinicCode,
        series: u8,
        count: u64,
    ) -> Result<Option<NumberBlock>, StoreError> {
        let clinic = clinic.clone();
        self.write(move |tx| {
            if !(1..=BLOCK_MAX).contains(&count) || directory::clinic_row(tx.sql, &clinic)?.is_none() {
                return Ok(None);
            }
            let epoch = state::epoch(tx.sql)?.unwrap_or(1);
            let given = blocks(tx.sql, series)?;
            let before = given.iter().filter(|(_, block)| block.epoch == epoch);
            let first = before.map(|(_, block)| block.last).max().unwrap_or(0) + 1;
            let last = first + count - 1;
            let body = [&[series][..], &first.to_be_bytes(), &last.to_be_bytes()].concat();
            let fact = state_fact(tx, FactKind::NumberBlock, &clinic, body)?;
            Ok(fact.map(|fact| NumberBlock {
                epoch: fact.epoch,
                first,
                last,
            }))
        })
        .await
    }

    /// The blocks of a series that are known here, with the clinics that may give their numbers.
    pub async fn number_blocks(&self, series: u8) -> Result<Vec<(ClinicCode, NumberBlock)>, StoreError> {
        self.read(move |sql| blocks(sql, series)).await
    }
}
