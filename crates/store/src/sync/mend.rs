//! After a damaged database was saved row by row: nothing names a row that is gone, nothing is claimed to be held
//! that is not, and blobs that were lost are wished for again.

use crate::sql::{Connection, params};

use crate::engine::StoreError;
use crate::sync::{directory, feeds, queue, ranges};

/// Brings the link's tables to what the log holds.
pub(crate) fn after_salvage(sql: &Connection) -> Result<(), StoreError> {
    queue::forget_gone(sql)?;
    feeds::void_gone(sql)?;
    for table in ["link_came", "link_arrivals"] {
        sql.execute(
            &format!("DELETE FROM {table} WHERE k NOT IN (SELECT k FROM log)"),
            [],
        )?;
    }
    sql.execute_batch(
        "DELETE FROM link_holds WHERE d NOT IN (SELECT d FROM documents);
         DELETE FROM link_patient_documents WHERE d NOT IN (SELECT d FROM documents);
         DELETE FROM link_held; DELETE FROM link_prints;
         INSERT INTO link_wanted(blob, doc, lane, length)
             SELECT blob, doc, lane, length FROM link_blobs WHERE blob NOT IN (SELECT id FROM blobs)
             ON CONFLICT DO NOTHING;",
    )?;
    let mut rows = sql.prepare(
        "SELECT s, seq, hash FROM log
         UNION ALL SELECT s, seq, hash FROM parked
         UNION ALL SELECT s, seq, hash FROM link_refused JOIN sessions USING(device, session)
         UNION ALL SELECT s, seq, hash FROM link_void
         ORDER BY 1, 2",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (s, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        ranges::hold(sql, s, seq.cast_unsigned(), &row.get(2)?)?;
    }
    for c in directory::clinic_rows(sql)? {
        let sum = feeds::sum(sql, c)?;
        sql.execute(
            "UPDATE link_clinics SET print = ?2 WHERE c = ?1",
            params![c, sum.to_bytes()],
        )?;
    }
    Ok(())
}
