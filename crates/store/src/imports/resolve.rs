//! Which document an imported id became: from the derived table, and from what is still on its way there.

use std::collections::HashMap;

use records::ids::{ClinicCode, DocId, ObservationId};

use crate::engine::{Store, StoreError};
use crate::settings;
use crate::sql::{Connection, OptionalExtension};

/// Finds documents by the id of the line that they came from.
pub(super) struct Resolver {
    sql: Connection,
    /// Made for the batch that is being filled.
    fresh: HashMap<String, DocId>,
    /// Made for the batch that is being written.
    flying: HashMap<String, DocId>,
    /// The last patient that was asked for: visits of one patient follow each other.
    last: Option<(String, DocId)>,
}

impl Resolver {
    pub(super) fn open(store: &Store) -> Result<Self, StoreError> {
        let sql = store.inner.reader()?;
        Ok(Self {
            sql,
            fresh: HashMap::new(),
            flying: HashMap::new(),
            last: None,
        })
    }

    pub(super) fn clinic(&self) -> Result<Option<ClinicCode>, StoreError> {
        settings::clinic(&self.sql)
    }

    pub(super) fn find(&mut self, source: &str) -> Result<Option<DocId>, StoreError> {
        if let Some((known, doc)) = &self.last
            && known == source
        {
            return Ok(Some(*doc));
        }
        let mut found = self
            .fresh
            .get(source)
            .or_else(|| self.flying.get(source))
            .copied();
        if found.is_none() {
            let mut find = self.sql.prepare_cached(
                "SELECT x.id FROM sources s JOIN documents x ON x.d = s.d WHERE s.source = ?1 LIMIT 1",
            )?;
            let id: Option<[u8; 16]> = find.query_row([source], |row| row.get(0)).optional()?;
            found = id.map(DocId);
        }
        if let Some(doc) = found
            && doc.patient().is_some()
        {
            self.last = Some((source.to_owned(), doc));
        }
        Ok(found)
    }

    /// Whether a document that is in the tables has this reading.
    pub(super) fn has_observation(&self, doc: DocId, observation: ObservationId) -> Result<bool, StoreError> {
        let mut find = self.sql.prepare_cached(
            "SELECT 1 FROM documents x JOIN observations o ON o.d = x.d WHERE x.id = ?1 AND o.id = ?2",
        )?;
        Ok(find.exists([doc.as_bytes().as_slice(), observation.as_bytes().as_slice()])?)
    }

    pub(super) fn note(&mut self, source: &str, doc: DocId) {
        self.fresh.insert(source.to_owned(), doc);
    }

    /// The batch that was being filled is now being written.
    pub(super) fn turn(&mut self) {
        self.flying = std::mem::take(&mut self.fresh);
    }

    /// The batch that was being written is in the table.
    pub(super) fn landed(&mut self) {
        self.flying.clear();
    }
}
