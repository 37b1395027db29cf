//! Tables derived from documents: what lists on screens show. Built again from the log they come out equal.

use records::ids::{ClinicCode, DocId, PatientId};
use records::tree::Edit;
use rusqlite::Connection;
use sync_core::document::Document;

use crate::engine::{StoreError, Tx};

/// Version of the derived tables; another one is built again from the log at the next start.
pub(crate) const VERSION: i64 = 1;

pub(crate) fn create_tables(_sql: &Connection, _schema: &str) -> rusqlite::Result<()> {
    Ok(())
}

pub(crate) fn drop_tables(_sql: &Connection, _schema: &str) -> rusqlite::Result<()> {
    Ok(())
}

pub(crate) fn rebuild_in_place(_tx: &mut Tx<'_>) -> Result<(), StoreError> {
    Ok(())
}

pub(crate) fn project(
    _sql: &Connection,
    _schema: &str,
    _d: i64,
    _document: &Document,
    _known: bool,
) -> Result<Option<PatientId>, StoreError> {
    Ok(None)
}

pub(crate) fn patient_of(
    _sql: &Connection,
    _d: i64,
    document: &Document,
) -> Result<Option<PatientId>, StoreError> {
    Ok(document.id().patient())
}

pub(crate) fn series_of(
    _sql: &Connection,
    _patient: PatientId,
    _month: &str,
    _owner: &ClinicCode,
) -> Result<Option<DocId>, StoreError> {
    Ok(None)
}

pub(crate) fn series_head(_patient: PatientId, _month: &str) -> Vec<Edit> {
    Vec::new()
}

pub(crate) fn members_of(
    _sql: &Connection,
    _clinic: &ClinicCode,
) -> Result<Vec<records::staff::StaffMember>, StoreError> {
    Ok(Vec::new())
}
