//! What a visit takes on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::figures::{Figure, Unit};

/// Most bytes a visit: log, derived tables, index of names.
const BYTES_MAX: f64 = 1_400.0;
/// The same of a panel with a year of history, in which a chart comes on six visits and not on sixty.
const BYTES_SHORT_MAX: f64 = 2_000.0;

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Changes, and the documents made of them.
    Log,
    /// What lists show, built from the log.
    Derived,
    /// Keys by which people are found.
    Names,
    /// What waits for the hub, and what is known of it.
    Link,
    /// Everything else: audit, settings, free pages.
    Rest,
}

impl Part {
    const ALL: [Self; 5] = [Self::Log, Self::Derived, Self::Names, Self::Link, Self::Rest];

    fn of(table: &str) -> Self {
        match table {
            "log" | "documents" | "sessions" => Self::Log,
            "patients" | "charts" | "encounters" | "series" | "observations" | "ecgs" | "clinics"
            | "sources" => Self::Derived,
            "patient_keys" => Self::Names,
            _ if table.starts_with("link_") => Self::Link,
            _ => Self::Rest,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Log => "changes and documents",
            Self::Derived => "derived tables",
            Self::Names => "index of names",
            Self::Link => "what waits for the hub",
            Self::Rest => "audit, settings, free pages",
        }
    }
}

/// The figures of the panel that lies in `data`.
pub(crate) fn figures(data: &Path, short: bool) -> Vec<Figure> {
    let path = data.join("clinic.db");
    let sql = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let visits: i64 = sql
        .query_row("SELECT count(*) FROM encounters", [], |row| row.get(0))
        .unwrap();
    // Bytes of each table with its indexes.
    let mut sizes = sql
        .prepare(
            "SELECT coalesce(s.tbl_name, t.name), sum(t.pgsize) FROM dbstat t LEFT JOIN sqlite_schema s USING(name)
             WHERE t.aggregate = 1 GROUP BY 1",
        )
        .unwrap();
    let sizes = sizes
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .unwrap();
    let mut parts: BTreeMap<Part, f64> = BTreeMap::new();
    for size in sizes {
        let (table, bytes) = size.unwrap();
        *parts.entry(Part::of(&table)).or_default() += bytes as f64;
    }
    let whole = std::fs::metadata(&path).unwrap().len() as f64;
    let named: f64 = parts.values().sum();
    *parts.entry(Part::Rest).or_default() += whole - named;
    let each = |bytes: f64| bytes / visits as f64;
    let counted =
        [Part::Log, Part::Derived, Part::Names].map(|part| parts.get(&part).copied().unwrap_or(0.0));
    let mut figures = vec![
        Figure::told(
            format!("bytes on the disk a visit, {visits} visits with their readings"),
            each(counted.iter().sum()),
            Unit::Count,
        )
        .against("the whole file:", each(whole))
        .at_most(if short { BYTES_SHORT_MAX } else { BYTES_MAX }),
    ];
    figures.extend(Part::ALL.into_iter().map(|part| {
        let bytes = parts.get(&part).copied().unwrap_or(0.0);
        Figure::told(
            format!("of them a visit: {}", part.says()),
            each(bytes),
            Unit::Count,
        )
    }));
    figures
}
