//! Clinics: one row a clinic document, with everything that it says.

use records::clinics::Clinic;
use records::ids::{ClinicCode, DocId};
use records::staff::StaffMember;
use records::tree::Node;
use sync_core::document::{Document, Heads};

use super::put_source;
use crate::engine::{Store, StoreError};
use crate::sql::{Connection, OptionalExtension, params};
use crate::{Read, node, settings};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS clinics(
    d INTEGER PRIMARY KEY, id BLOB NOT NULL, owner TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS clinics_by_owner ON clinics(owner);
";

pub(super) fn project(
    sql: &Connection,
    d: i64,
    document: &Document,
    tree: &Node,
    known: bool,
) -> Result<(), StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM clinics WHERE d = ?1")?
            .execute([d])?;
    }
    let owner = document.owner().ok_or(StoreError::Unreadable("owner"))?;
    let mut put = sql.prepare_cached("INSERT INTO clinics(d, id, owner, body) VALUES(?1, ?2, ?3, ?4)")?;
    put.execute(params![
        d,
        document.id().as_bytes(),
        owner.as_str(),
        node::encode(tree)
    ])?;
    for key in records::imports::edit_hashes(tree) {
        put_source(sql, &key, d)?;
    }
    Ok(())
}

/// The members that the documents of a clinic name.
pub(crate) fn members_of(sql: &Connection, clinic: &ClinicCode) -> Result<Vec<StaffMember>, StoreError> {
    let mut find = sql.prepare_cached("SELECT body FROM clinics WHERE owner = ?1 ORDER BY d")?;
    let bodies = find.query_map([clinic.as_str()], |row| row.get::<_, Vec<u8>>(0))?;
    let mut members: Vec<StaffMember> = Vec::new();
    for body in bodies {
        let tree = node::decode(&body?).ok_or(StoreError::Unreadable("clinic row"))?;
        for member in StaffMember::read_all(&tree) {
            if members.iter().all(|known| known.id != member.id) {
                members.push(member);
            }
        }
    }
    Ok(members)
}

/// The oldest document of a clinic; another one of the same clinic adds its staff only.
pub(crate) fn document_of(sql: &Connection, clinic: &ClinicCode) -> Result<Option<DocId>, StoreError> {
    let mut find = sql.prepare_cached("SELECT id FROM clinics WHERE owner = ?1 ORDER BY d LIMIT 1")?;
    let id: Option<[u8; 16]> = find.query_row([clinic.as_str()], |row| row.get(0)).optional()?;
    Ok(id.map(DocId))
}

impl Store {
    /// The clinic document of this box's own clinic.
    pub async fn clinic_document(&self) -> Result<Option<DocId>, StoreError> {
        self.read(|sql| match settings::clinic(sql)? {
            Some(clinic) => document_of(sql, &clinic),
            None => Ok(None),
        })
        .await
    }

    /// What this box's own clinic says of itself.
    pub async fn clinic_record(&self) -> Result<Option<Read<Clinic>>, StoreError> {
        self.read(|sql| match settings::clinic(sql)? {
            Some(clinic) => record(sql, &clinic),
            None => Ok(None),
        })
        .await
    }

    /// What a clinic says of itself.
    pub async fn clinic_record_of(&self, clinic: &ClinicCode) -> Result<Option<Read<Clinic>>, StoreError> {
        let clinic = clinic.clone();
        self.read(move |sql| record(sql, &clinic)).await
    }
}

fn record(sql: &Connection, clinic: &ClinicCode) -> Result<Option<Read<Clinic>>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT c.body, x.heads FROM clinics c JOIN documents x ON x.d = c.d WHERE c.owner = ?1
         ORDER BY c.d LIMIT 1",
    )?;
    let row: Option<(Vec<u8>, Vec<u8>)> = find
        .query_row([clinic.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((body, heads)) = row else { return Ok(None) };
    let tree = node::decode(&body).ok_or(StoreError::Unreadable("clinic row"))?;
    let heads = Heads::from_bytes(&heads).ok_or(StoreError::Unreadable("document"))?;
    Ok(Some(Read {
        value: Clinic::read(&tree),
        heads,
    }))
}
