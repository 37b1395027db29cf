//! Copying a table of which some pages cannot be read.

use crate::engine::StoreError;
use crate::sql::{Connection, Kind, Row, Value};

/// Rows behind a torn place that are tried one by one before it is passed in growing steps.
const TRIED_EACH: i64 = 1_024;
/// Torn stretches of one table after which the rest is given up: a file of which every other page is torn.
const STRETCHES_MAX: u64 = 100_000;

/// The columns of a table, quoted for a statement.
pub(super) fn columns(sql: &Connection, table: &str) -> Result<String, StoreError> {
    Ok(described(sql, table)?
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect::<Vec<_>>()
        .join(", "))
}

struct Column {
    name: String,
    declared: String,
    in_key: i64,
}

fn described(sql: &Connection, table: &str) -> Result<Vec<Column>, StoreError> {
    let mut find = sql.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let columns = find.query_map([table], |row| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get(1)?,
            in_key: row.get(2)?,
        })
    })?;
    Ok(columns.collect::<crate::sql::Result<_>>()?)
}

/// Copies every row of a table that can be read; how many stretches could not.
pub(super) fn copy(from: &Connection, to: &Connection, table: &str) -> Result<u64, StoreError> {
    let described = described(to, table)?;
    let names = columns(to, table)?;
    let places = (1..=described.len())
        .map(|n| format!("?{n}"))
        .collect::<Vec<_>>()
        .join(", ");
    to.execute(&format!("DELETE FROM main.{table}"), [])?;
    let mut put = to.prepare(&format!(
        "INSERT OR IGNORE INTO main.{table}({names}) VALUES({places})"
    ))?;
    let mut take = |row: &Row<'_>| -> Result<bool, StoreError> {
        let Some(values) = values(row, &described) else {
            return Ok(false);
        };
        put.execute(values.as_slice())?;
        Ok(true)
    };
    let without_rowid: bool = to.query_row(
        "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        [table],
        |row| row.get(0),
    )?;
    if without_rowid {
        by_key(from, table, &names, &described, &mut take)
    } else {
        by_rowid(from, table, &names, &mut take)
    }
}

/// The values of a row; `None` where one is not of its column's kind. The row's own number, where it is read, comes
/// behind them.
fn values(row: &Row<'_>, described: &[Column]) -> Option<Vec<Value>> {
    let fits = |value: &Value, declared: &str| match (declared, value) {
        (_, Value::Null) => true,
        ("INTEGER", value) => matches!(value, Value::Integer(_)),
        ("TEXT", value) => matches!(value, Value::Text(_)),
        _ => true,
    };
    described
        .iter()
        .enumerate()
        .map(|(n, column)| {
            let value = row.get::<_, Value>(n).ok()?;
            fits(&value, &column.declared).then_some(value)
        })
        .collect()
}

type Take<'t> = &'t mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>;

/// Whether the damaged file, and not the copy, is the reason.
fn is_torn(error: &crate::sql::Error) -> bool {
    error.kind() == Kind::Damaged
}

/// In the order of the rows' numbers; behind a torn place it goes on with the next number that can be found.
fn by_rowid(from: &Connection, table: &str, names: &str, take: Take<'_>) -> Result<u64, StoreError> {
    let scan = format!("SELECT {names}, rowid FROM {table} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid");
    let probe = format!("SELECT rowid FROM {table} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid LIMIT 1");
    let (mut next, mut torn) = (0, 0);
    while torn < STRETCHES_MAX {
        let (last, ended) = scan_from(from, &scan, next, take, &mut torn)?;
        if ended {
            return Ok(torn);
        }
        torn += 1;
        let behind = last.map_or(next, |last| last.saturating_add(1)).max(next);
        let Some(found) = resume(from, &probe, behind)? else {
            return Ok(torn);
        };
        next = found;
    }
    Ok(torn)
}

/// Takes rows until the end or a torn place; the number of the last one.
fn scan_from(
    from: &Connection,
    scan: &str,
    next: i64,
    take: Take<'_>,
    torn: &mut u64,
) -> Result<(Option<i64>, bool), StoreError> {
    let mut last = None;
    let mut read = match from.prepare_cached(scan) {
        Ok(read) => read,
        Err(error) if is_torn(&error) => return Ok((None, true)),
        Err(error) => return Err(error.into()),
    };
    let number = read.column_count()? - 1;
    let mut rows = read.query([next])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                if !take(&row)? {
                    *torn += 1;
                }
                last = row.get(number).ok().or(last);
            }
            Ok(None) => return Ok((last, true)),
            Err(error) if is_torn(&error) => return Ok((last, false)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The first number behind a torn place whose row can be read.
fn resume(from: &Connection, probe: &str, behind: i64) -> Result<Option<i64>, StoreError> {
    let look = |at: i64| -> Result<Option<Option<i64>>, StoreError> {
        let mut find = from.prepare_cached(probe)?;
        let mut rows = find.query([at])?;
        match rows.next() {
            Ok(Some(row)) => Ok(Some(row.get(0).ok())),
            Ok(None) => Ok(Some(None)),
            Err(error) if is_torn(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let mut step = 1;
    for n in 1i64.. {
        let Some(at) = behind.checked_add(if n <= TRIED_EACH { n } else { step }) else {
            return Ok(None);
        };
        if let Some(found) = look(at)? {
            return Ok(found.filter(|found| *found >= at));
        }
        if n >= TRIED_EACH {
            let Some(further) = step.max(TRIED_EACH).checked_mul(2) else {
                return Ok(None);
            };
            step = further;
        }
    }
    Ok(None)
}

/// A table without numbers: from its begin and from its end, up to what is torn.
fn by_key(
    from: &Connection,
    table: &str,
    names: &str,
    described: &[Column],
    take: Take<'_>,
) -> Result<u64, StoreError> {
    let mut key: Vec<&Column> = described.iter().filter(|column| column.in_key > 0).collect();
    key.sort_by_key(|column| column.in_key);
    let order = |way: &str| {
        key.iter()
            .map(|column| format!("\"{}\" {way}", column.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut torn = 0;
    for way in ["ASC", "DESC"] {
        let scan = format!("SELECT {names} FROM {table} WHERE ?1 = 0 ORDER BY {}", order(way));
        let (_, ended) = scan_from(from, &scan, 0, take, &mut torn)?;
        if ended {
            return Ok(torn);
        }
        torn += 1;
    }
    Ok(torn)
}
