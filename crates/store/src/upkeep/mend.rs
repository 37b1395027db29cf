//! Making again what is derived, alone and beside everybody who reads and writes.

use std::path::{Path, PathBuf};

use records::ids::DocId;

use super::contents;
use super::structure::{Torn, unhook};
use crate::alarms::AlarmKind;
use crate::derive::{create_tables, project};
use crate::engine::{Store, StoreError, StoreEvent, Tx, raise_alarm};
use crate::sql::{Connection, params};
use crate::{log, schema, settings};

/// Setting: pages of something torn lie unused in the file.
pub(super) const UNHOOKED: &str = "unhooked";
/// Scratch file; it lies in the data folder, since it holds records.
const SCRATCH: &str = "upkeep.scratch";
/// Documents that are projected in one read.
const DOCUMENTS_AT_ONCE: i64 = 256;

/// A scratch file that goes away.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

impl Store {
    /// Builds one derived table again from the log, into a scratch file first, a few documents at a time; then it
    /// takes the place of the torn one in one transaction, with what was written meanwhile.
    pub(super) async fn rebuild_alone(&self, table: String) -> Result<(), StoreError> {
        tracing::warn!(table, "a derived table is damaged: building it again");
        let scratch = Scratch(self.folder().join(SCRATCH));
        let _left_of_before = std::fs::remove_file(&scratch.0);
        let mut built = open_scratch(&scratch.0)?;
        let mut after = 0;
        loop {
            let (back, last) = self.read(move |sql| build_some(sql, built, after)).await?;
            built = back;
            let Some(last) = last else { break };
            after = last;
        }
        drop(built);
        let path = scratch.0.to_string_lossy().into_owned();
        self.on_writer(move |writer| -> Result<(), StoreError> {
            writer.sql.execute("ATTACH ?1 AS scratch", [path])?;
            let swapped = writer.transact(|tx| swap(tx, &table));
            forget_schema(&writer.sql, swapped.is_err());
            writer.sql.execute_batch("DETACH scratch")?;
            swapped
        })
        .await?
    }

    /// Makes indexes again.
    pub(super) async fn index_anew(&self, torn: Vec<Torn>) -> Result<(), StoreError> {
        self.on_writer(move |writer| {
            let made = writer.transact(|tx| {
                let names: Vec<String> = torn.iter().map(|part| part.name.clone()).collect();
                unhook(tx.sql, &names)?;
                for part in &torn {
                    tx.sql.execute_batch(part.sql.as_deref().unwrap_or_default())?;
                }
                made_again(tx, &names.join(", "))
            });
            forget_schema(&writer.sql, made.is_err());
            made
        })
        .await?
    }

    /// Writes the derived rows of documents again.
    pub(super) async fn project_anew(&self, docs: Vec<(i64, DocId)>) -> Result<(), StoreError> {
        self.write(move |tx| {
            let mut named = Vec::new();
            for (d, doc) in &docs {
                let document = log::load_row(tx.sql, *d, *doc)?;
                let tables = contents::stale_tables(tx.sql, &contents::scratch()?, *d, &document)?;
                project(tx.sql, *d, &document, true)?;
                named.extend(tables);
            }
            named.sort_unstable();
            named.dedup();
            if named.is_empty() {
                return Ok(());
            }
            raise_alarm(tx, &AlarmKind::Rebuilt, &named.join(", "))?;
            tx.emit(StoreEvent::Bulk);
            Ok(())
        })
        .await
    }
}

/// After a transaction that was taken back the connection still knows the schema without what was torn.
fn forget_schema(sql: &Connection, taken_back: bool) {
    if taken_back && let Err(error) = sql.execute_batch("PRAGMA writable_schema = RESET") {
        tracing::error!(%error, "the schema could not be read again");
    }
}

fn open_scratch(path: &Path) -> Result<Connection, StoreError> {
    let sql = Connection::open(path)?;
    sql.pragma_update("journal_mode", "OFF")?;
    sql.pragma_update("synchronous", "OFF")?;
    schema::prepare(&sql)?;
    create_tables(&sql)?;
    sql.execute_batch("CREATE TABLE seen(d INTEGER PRIMARY KEY, print BLOB NOT NULL)")?;
    Ok(sql)
}

/// Projects the next documents; the last of them, `None` at the end.
fn build_some(
    sql: &Connection,
    scratch: Connection,
    after: i64,
) -> Result<(Connection, Option<i64>), StoreError> {
    let mut rows =
        sql.prepare_cached("SELECT d, id, print FROM documents WHERE d > ?1 ORDER BY d LIMIT ?2")?;
    let mut rows = rows.query([after, DOCUMENTS_AT_ONCE])?;
    let mut last = None;
    scratch.execute_batch("BEGIN")?;
    while let Some(row) = rows.next()? {
        let (d, doc, print): (i64, DocId, [u8; 32]) = (row.get(0)?, DocId(row.get(1)?), row.get(2)?);
        let document = log::load_row(sql, d, doc)?;
        project(&scratch, d, &document, false)?;
        scratch
            .prepare_cached("INSERT INTO seen(d, print) VALUES(?1, ?2)")?
            .execute(params![d, print])?;
        last = Some(d);
    }
    scratch.execute_batch("COMMIT")?;
    Ok((scratch, last))
}

/// The built table takes the place of the torn one; documents that changed meanwhile are projected now.
fn swap(tx: &mut Tx<'_>, table: &str) -> Result<(), StoreError> {
    unhook(tx.sql, &[table.to_owned()])?;
    create_tables(tx.sql)?;
    tx.sql.execute_batch(&format!(
        "INSERT INTO main.{table} SELECT x.* FROM scratch.{table} x
             JOIN scratch.seen ON seen.d = x.d
             JOIN main.documents ON documents.d = x.d AND documents.print = seen.print"
    ))?;
    let later = {
        let mut rows = tx.sql.prepare(
            "SELECT documents.d, documents.id FROM main.documents LEFT JOIN scratch.seen ON seen.d = documents.d
             WHERE seen.print IS NOT documents.print",
        )?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, DocId(row.get(1)?))))?;
        rows.collect::<crate::sql::Result<Vec<(i64, DocId)>>>()?
    };
    for (d, doc) in later {
        let document = log::load_row(tx.sql, d, doc)?;
        project(tx.sql, d, &document, true)?;
    }
    made_again(tx, table)
}

fn made_again(tx: &mut Tx<'_>, names: &str) -> Result<(), StoreError> {
    settings::put(tx, UNHOOKED, &serde_json::Value::Bool(true))?;
    raise_alarm(tx, &AlarmKind::Rebuilt, names)?;
    tx.emit(StoreEvent::Bulk);
    Ok(())
}
