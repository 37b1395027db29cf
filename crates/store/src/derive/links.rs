//! Links between charts: one row a chart of a link document. Charts that stand for one person in safety checks are
//! found here: those that the county linked, and until it decides those with one checked identity number.

use std::collections::BTreeSet;

use records::ids::{DocId, PatientId};
use records::links::{Link, LinkState};
use records::patients::{AllergyBadge, Chart, PatientLine};
use records::tree::Node;
use sync_core::document::Heads;

use crate::engine::{Store, StoreError};
use crate::sql::{Connection, OptionalExtension, params};
use crate::{Read, node};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS links(
    d INTEGER NOT NULL, chart BLOB NOT NULL, id BLOB NOT NULL, state TEXT NOT NULL, PRIMARY KEY(d, chart)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS patient_numbers(
    d INTEGER NOT NULL, number TEXT NOT NULL, chart BLOB NOT NULL, PRIMARY KEY(d, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS patient_numbers_by_number ON patient_numbers(number, chart);
CREATE INDEX IF NOT EXISTS patient_numbers_by_chart ON patient_numbers(chart);
CREATE INDEX IF NOT EXISTS links_by_chart ON links(chart);
CREATE INDEX IF NOT EXISTS links_by_state ON links(state);
";

/// Most charts that stand for one person; a number that more people carry stands for nobody.
const CHARTS_MAX: usize = 16;

pub(super) fn project(
    sql: &Connection,
    d: i64,
    id: DocId,
    tree: &Node,
    known: bool,
) -> Result<(), StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM links WHERE d = ?1")?
            .execute([d])?;
    }
    let Some(link) = Link::read(tree) else {
        return Ok(());
    };
    let mut put = sql.prepare_cached("INSERT INTO links(d, chart, id, state) VALUES(?1, ?2, ?3, ?4)")?;
    for chart in link.charts.iter().take(CHARTS_MAX) {
        put.execute(params![d, chart.as_bytes(), id.as_bytes(), link.state.word()])?;
    }
    Ok(())
}

/// The charts that a link document is about.
pub(crate) fn charts_of(sql: &Connection, d: i64) -> Result<Vec<PatientId>, StoreError> {
    let mut find = sql.prepare_cached("SELECT chart FROM links WHERE d = ?1 ORDER BY chart")?;
    let charts = find.query_map([d], |row| Ok(PatientId(row.get(0)?)))?;
    Ok(charts.collect::<crate::sql::Result<_>>()?)
}

/// Why another chart is thought to be of the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SameBy {
    /// The county decided it.
    Decision,
    /// Both hold one checked identity number, and nobody has decided.
    IdNumber,
    /// Somebody proposed it, and nobody has decided. It does not count in safety checks.
    Proposal,
}

/// Another chart that is, or may be, of the same person.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherChart {
    /// The chart.
    pub id: PatientId,
    /// Its content.
    pub chart: Chart,
    /// Why.
    pub by: SameBy,
}

/// Two charts about which nobody has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLink {
    /// The charts.
    pub charts: [PatientId; 2],
    /// Why they are listed.
    pub by: SameBy,
}

impl Store {
    /// Other charts held here that are, or may be, of the person of this chart; those that count first.
    pub async fn other_charts(&self, patient: PatientId) -> Result<Vec<OtherChart>, StoreError> {
        self.read(move |sql| other_charts(sql, patient)).await
    }

    /// The link document of two charts; the one that says most where there are several.
    pub async fn link_of(&self, charts: [PatientId; 2]) -> Result<Option<(DocId, Read<Link>)>, StoreError> {
        self.read(move |sql| link_of(sql, charts)).await
    }

    /// How many links somebody proposed and nobody decided.
    pub async fn proposed_links(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let mut count =
                sql.prepare_cached("SELECT count(DISTINCT d) FROM links WHERE state = 'proposed'")?;
            Ok(count.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
        })
        .await
    }

    /// Pairs of charts held here about which nobody has decided: proposals, and charts with one checked number.
    pub async fn open_links(&self, limit: usize) -> Result<Vec<OpenLink>, StoreError> {
        self.read(move |sql| open_links(sql, limit)).await
    }
}

fn chart_tree(sql: &Connection, patient: PatientId) -> Result<Option<Node>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT body FROM charts JOIN patients USING(d) WHERE patients.id = ?1 ORDER BY d LIMIT 1",
    )?;
    let body: Option<Vec<u8>> = find
        .query_row([patient.as_bytes()], |row| row.get(0))
        .optional()?;
    body.map(|body| node::decode(&body).ok_or(StoreError::Unreadable("chart row")))
        .transpose()
}

/// What is decided about two charts: of several link documents a decision outweighs a proposal, and "different
/// people" outweighs "one person", since a record must not be read as somebody else's.
fn state_of(sql: &Connection, charts: [PatientId; 2]) -> Result<Option<LinkState>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT a.state FROM links a JOIN links b ON b.d = a.d WHERE a.chart = ?1 AND b.chart = ?2",
    )?;
    let states = find.query_map(params![charts[0].as_bytes(), charts[1].as_bytes()], |row| {
        row.get::<_, String>(0)
    })?;
    let states = states.collect::<crate::sql::Result<Vec<_>>>()?;
    Ok(states.iter().filter_map(|word| LinkState::from_word(word)).max())
}

/// Other charts that hold one of this chart's checked numbers.
fn with_one_number(sql: &Connection, patient: PatientId) -> Result<BTreeSet<PatientId>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT DISTINCT b.chart FROM patient_numbers a JOIN patient_numbers b ON b.number = a.number
         WHERE a.chart = ?1 AND b.chart <> ?1 LIMIT ?2",
    )?;
    let limit = i64::try_from(CHARTS_MAX).unwrap_or(i64::MAX);
    let others = find.query_map(params![patient.as_bytes(), limit], |row| {
        Ok(PatientId(row.get(0)?))
    })?;
    Ok(others.collect::<crate::sql::Result<_>>()?)
}

/// Writes the checked numbers of a chart, all that its document holds.
pub(super) fn put_numbers(
    sql: &Connection,
    d: i64,
    patient: PatientId,
    tree: &Node,
) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO patient_numbers(d, number, chart) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    for number in Chart::all_id_numbers(tree) {
        if let Some(checked) = number.checked() {
            put.execute(params![d, checked.as_str(), patient.as_bytes()])?;
        }
    }
    Ok(())
}

/// Charts that a link names together with this one.
fn linked_with(sql: &Connection, patient: PatientId) -> Result<BTreeSet<PatientId>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT DISTINCT b.chart FROM links a JOIN links b ON b.d = a.d AND b.chart <> a.chart WHERE a.chart = ?1
         LIMIT ?2",
    )?;
    let limit = i64::try_from(CHARTS_MAX).unwrap_or(i64::MAX);
    let others = find.query_map(params![patient.as_bytes(), limit], |row| {
        Ok(PatientId(row.get(0)?))
    })?;
    Ok(others.collect::<crate::sql::Result<_>>()?)
}

pub(super) fn other_charts(sql: &Connection, patient: PatientId) -> Result<Vec<OtherChart>, StoreError> {
    let mut found: Vec<OtherChart> = Vec::new();
    // One person's charts reach each other step by step: A is B, B is C.
    let mut open = vec![patient];
    let mut seen = BTreeSet::from([patient]);
    while let Some(from) = open.pop() {
        let same_number = with_one_number(sql, from)?;
        let linked = linked_with(sql, from)?;
        for other in same_number.union(&linked).copied() {
            if seen.contains(&other) || seen.len() > CHARTS_MAX {
                continue;
            }
            let by = match state_of(sql, [from, other])? {
                Some(LinkState::Apart) => continue,
                Some(LinkState::Same) => SameBy::Decision,
                _ if same_number.contains(&other) => SameBy::IdNumber,
                Some(LinkState::Proposed) | None => SameBy::Proposal,
            };
            // What is apart from the person whose page it is stays apart, whoever is between them.
            if from != patient && state_of(sql, [patient, other])? == Some(LinkState::Apart) {
                continue;
            }
            let Some(tree) = chart_tree(sql, other)? else {
                continue;
            };
            seen.insert(other);
            if by != SameBy::Proposal {
                open.push(other);
            } else if from != patient {
                continue;
            }
            found.push(OtherChart {
                id: other,
                chart: Chart::read(&tree),
                by,
            });
        }
    }
    found.sort_by_key(|other| (other.by, other.id));
    Ok(found)
}

/// Lines of a list, each with what the other charts that count as the same person say of allergies. With each comes whether
/// it may have any.
pub(crate) fn counted(
    sql: &Connection,
    lines: Vec<(PatientLine, bool)>,
) -> Result<Vec<PatientLine>, StoreError> {
    let count = |(mut line, has_others): (PatientLine, bool)| {
        if has_others && line.allergies != AllergyBadge::Known {
            let others = other_charts(sql, line.id)?;
            let counting = others.iter().filter(|other| other.by != SameBy::Proposal);
            line.allergies = counting.fold(line.allergies, |badge, other| {
                badge.counting(other.chart.allergies.badge())
            });
        }
        Ok(line)
    };
    lines.into_iter().map(count).collect()
}

fn link_of(sql: &Connection, charts: [PatientId; 2]) -> Result<Option<(DocId, Read<Link>)>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT a.id, a.state FROM links a JOIN links b ON b.d = a.d WHERE a.chart = ?1 AND b.chart = ?2",
    )?;
    let rows = find.query_map(params![charts[0].as_bytes(), charts[1].as_bytes()], |row| {
        Ok((DocId(row.get(0)?), row.get::<_, String>(1)?))
    })?;
    let rows = rows.collect::<crate::sql::Result<Vec<_>>>()?;
    let most = rows
        .into_iter()
        .max_by_key(|(id, state)| (LinkState::from_word(state), *id));
    let Some((id, _)) = most else { return Ok(None) };
    let document = crate::log::load(sql, id)?.ok_or(StoreError::Unreadable("document"))?;
    let heads: Heads = document.heads();
    Ok(Link::read(&document.tree()).map(|value| (id, Read { value, heads })))
}

fn open_links(sql: &Connection, limit: usize) -> Result<Vec<OpenLink>, StoreError> {
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found: Vec<OpenLink> = Vec::new();
    let mut add = |a: PatientId, b: PatientId, by| {
        let charts = [a.min(b), a.max(b)];
        if found.len() < limit && !found.iter().any(|one| one.charts == charts) {
            found.push(OpenLink { charts, by });
        }
    };
    let mut proposed = sql.prepare_cached(
        "SELECT a.chart, b.chart FROM links a JOIN links b ON b.d = a.d AND a.chart < b.chart
         JOIN patients x ON x.id = a.chart JOIN patients y ON y.id = b.chart
         WHERE a.state = 'proposed' ORDER BY a.d LIMIT ?1",
    )?;
    let rows = proposed.query_map([limit_rows], |row| {
        Ok((PatientId(row.get(0)?), PatientId(row.get(1)?)))
    })?;
    for pair in rows.collect::<crate::sql::Result<Vec<_>>>()? {
        if state_of(sql, [pair.0, pair.1])? == Some(LinkState::Proposed) {
            add(pair.0, pair.1, SameBy::Proposal);
        }
    }
    let mut numbers = sql.prepare_cached(
        "SELECT number FROM patient_numbers GROUP BY number HAVING count(*) > 1 ORDER BY number LIMIT ?1",
    )?;
    let numbers = numbers.query_map([limit_rows], |row| row.get::<_, String>(0))?;
    let mut find =
        sql.prepare_cached("SELECT chart FROM patient_numbers WHERE number = ?1 ORDER BY chart LIMIT ?2")?;
    let most = i64::try_from(CHARTS_MAX).unwrap_or(i64::MAX);
    for number in numbers.collect::<crate::sql::Result<Vec<_>>>()? {
        let charts = find.query_map(params![number, most], |row| Ok(PatientId(row.get(0)?)))?;
        let charts = charts.collect::<crate::sql::Result<Vec<_>>>()?;
        for (at, a) in charts.iter().enumerate() {
            for b in &charts[at + 1..] {
                let state = state_of(sql, [*a, *b])?;
                if !matches!(state, Some(LinkState::Same | LinkState::Apart)) {
                    add(*a, *b, SameBy::IdNumber);
                }
            }
        }
    }
    Ok(found)
}
