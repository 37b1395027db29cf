//! A reading as columns: what the document says of it is taken apart once, when its row is written, and a page reads
//! columns only. A row gives back exactly the reading that it was made of.

use records::ids::{DocId, ObservationId, StaffId};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::{Node, Scalar};
use records::vitals::{GlucoseTiming, Measured, MissingReason, Observation, Origin, VitalKind, Withdrawal};

use super::ObservationLine;
use crate::engine::StoreError;
use crate::node;
use crate::sql::{Connection, Row, params};

/// Readings. Numbers stand in the scale of their quantity (`records::vitals::VitalKind::scales`). What most readings
/// lack is `NULL`: a `clock` that nobody set, the `origin` of an imported one, an empty `device`, no `marks`.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS observations(
    d INTEGER NOT NULL,
    n INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    taken INTEGER NOT NULL,
    clock TEXT,
    value1 INTEGER,
    value2 INTEGER,
    value3 INTEGER,
    missing TEXT,
    timing TEXT,
    origin TEXT,
    device TEXT,
    serial TEXT,
    author BLOB,
    marks TEXT,
    withdrawn BLOB,
    PRIMARY KEY(d, n)) WITHOUT ROWID;
";

/// Columns of a reading, behind the id of its document.
pub(super) const COLUMNS: &str =
    "o.id, o.kind, o.taken, o.clock, o.value1, o.value2, o.value3, o.missing, o.timing,
    o.origin, o.device, o.serial, o.author, o.marks, o.withdrawn";

/// Most numbers of one reading.
const VALUES: usize = 3;

/// Writes the row of a reading, the n-th of its document.
pub(super) fn put(sql: &Connection, d: i64, n: usize, reading: &Observation) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO observations(d, n, id, kind, taken, clock, value1, value2, value3, missing, timing,
             origin, device, serial, author, marks, withdrawn)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    let measured = &reading.measured;
    let numbers = measured.numbers();
    let clock = reading.taken.source;
    let missing = match measured {
        Measured::Missing { reason, .. } => Some(reason.word()),
        _ => None,
    };
    let timing = match measured {
        Measured::Glucose { timing, .. } => Some(timing.word()),
        _ => None,
    };
    let (device, serial) = match &reading.origin {
        Origin::Device { key, serial } | Origin::Kiosk { key, serial } => (key.as_str(), serial.as_str()),
        Origin::Imported { device } => (device.as_str(), ""),
        Origin::Typed => ("", ""),
    };
    let imported = matches!(reading.origin, Origin::Imported { .. });
    put.execute(params![
        d,
        n as i64,
        reading.id.as_bytes(),
        measured.kind_word(),
        reading.taken.at.0,
        (clock != ClockSource::None).then(|| clock.word()),
        numbers.first(),
        numbers.get(1),
        numbers.get(2),
        missing,
        timing,
        (!imported).then(|| reading.origin.word()),
        some(device),
        some(serial),
        reading.by.map(|by| by.0),
        some(&reading.marks.join(" ")),
        reading.withdrawn.as_ref().map(withdrawal_bytes),
    ])?;
    Ok(())
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Reads the columns of a line: the id of the document, then [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<ObservationLine, StoreError> {
    let taken = Stamp {
        at: WallTime(row.get(3)?),
        source: text(row, 4)?.map_or(ClockSource::None, ClockSource::from_word),
    };
    let withdrawn = row.bytes(15)?;
    let marks = text(row, 14)?.map_or_else(Vec::new, |marks| marks.split(' ').map(str::to_owned).collect());
    Ok(ObservationLine {
        doc: DocId(row.get(0)?),
        observation: Observation {
            id: ObservationId(row.get(1)?),
            measured: measured(row)?,
            taken,
            origin: origin(row)?,
            by: row.get::<_, Option<[u8; 8]>>(13)?.map(StaffId),
            marks,
            withdrawn: withdrawn.map(withdrawal).transpose()?,
        },
    })
}

/// The text of a column, where it stands.
fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r str>, StoreError> {
    Ok(row.text(column)?)
}

fn measured(row: &Row<'_>) -> Result<Measured, StoreError> {
    let word = text(row, 2)?.unwrap_or_default();
    let unread = || Measured::Unread {
        kind: word.to_owned(),
    };
    let Some(kind) = VitalKind::from_word(word) else {
        return Ok(unread());
    };
    if let Some(reason) = text(row, 8)?.and_then(MissingReason::from_word) {
        return Ok(Measured::Missing { kind, reason });
    }
    let mut numbers = [0; VALUES];
    let mut count = 0;
    for (column, place) in (5..).zip(&mut numbers) {
        let Some(number) = row.get(column)? else { break };
        *place = number;
        count += 1;
    }
    let timing = text(row, 9)?.and_then(GlucoseTiming::from_word);
    let timing = timing.unwrap_or(GlucoseTiming::Random);
    Ok(Measured::from_numbers(kind, &numbers[..count], timing).unwrap_or_else(unread))
}

fn origin(row: &Row<'_>) -> Result<Origin, StoreError> {
    let part = |column| Ok::<_, StoreError>(text(row, column)?.unwrap_or_default().to_owned());
    let (key, serial) = (part(11)?, part(12)?);
    Ok(match text(row, 10)? {
        Some("device") => Origin::Device { key, serial },
        Some("kiosk") => Origin::Kiosk { key, serial },
        Some("typed") => Origin::Typed,
        Some(_) | None => Origin::Imported { device: key },
    })
}

fn withdrawal_bytes(withdrawal: &Withdrawal) -> Vec<u8> {
    let mut parts = vec![
        ("at", Scalar::Int(withdrawal.at.at.0)),
        ("clock", withdrawal.at.source.word().into()),
        ("reason", withdrawal.reason.as_str().into()),
    ];
    if let Some(by) = withdrawal.by {
        parts.push(("by", by.0.to_vec().into()));
    }
    node::encode(&Node::map(
        parts.into_iter().map(|(key, value)| (key, value.into())),
    ))
}

fn withdrawal(bytes: &[u8]) -> Result<Withdrawal, StoreError> {
    let unreadable = StoreError::Unreadable("reading's row");
    let tree = node::decode(bytes).ok_or(StoreError::Unreadable("reading's row"))?;
    let at = tree
        .leaf(&["at"])
        .and_then(|leaf| leaf.winner.as_int())
        .ok_or(unreadable)?;
    Ok(Withdrawal {
        by: tree.bytes(&["by"]).and_then(|by| StaffId::from_slice(by).ok()),
        at: Stamp {
            at: WallTime(at),
            source: ClockSource::from_word(tree.text(&["clock"]).unwrap_or_default()),
        },
        reason: tree.text(&["reason"]).unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_measured() -> impl Strategy<Value = Measured> {
        let kind = || prop::sample::select(VitalKind::ALL.to_vec());
        let values = kind().prop_flat_map(|kind| {
            let least = if kind == VitalKind::BloodPressure { 2 } else { 1 };
            (
                prop::collection::vec(0i64..100, least..=kind.scales().len()),
                prop::sample::select(GlucoseTiming::ALL.to_vec()),
            )
                .prop_map(move |(numbers, timing)| Measured::from_numbers(kind, &numbers, timing).unwrap())
        });
        let missing = (kind(), prop::sample::select(MissingReason::ALL.to_vec()));
        prop_oneof![
            4 => values,
            1 => missing.prop_map(|(kind, reason)| Measured::Missing { kind, reason }),
            1 => "[a-z]{0,5}".prop_map(|kind| Measured::Unread { kind }),
        ]
    }

    fn any_stamp() -> impl Strategy<Value = Stamp> {
        let at = prop_oneof![Just(WallTime::MIN.0), 0i64..4_000_000_000_000];
        (at, prop::sample::select(ClockSource::ALL.to_vec())).prop_map(|(at, source)| Stamp {
            at: WallTime(at),
            source,
        })
    }

    fn any_origin() -> impl Strategy<Value = Origin> {
        let (key, serial) = (|| "[a-z0-9]{0,8}", || "[A-Z0-9]{0,6}");
        prop_oneof![
            Just(Origin::Typed),
            (key(), serial()).prop_map(|(key, serial)| Origin::Device { key, serial }),
            (key(), serial()).prop_map(|(key, serial)| Origin::Kiosk { key, serial }),
            key().prop_map(|device| Origin::Imported { device }),
        ]
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        let by = || prop::option::of(any::<[u8; 8]>().prop_map(StaffId));
        let withdrawn =
            (by(), any_stamp(), "\\PC{0,9}").prop_map(|(by, at, reason)| Withdrawal { by, at, reason });
        (
            any::<[u8; 8]>().prop_map(ObservationId),
            any_measured(),
            any_stamp(),
            any_origin(),
            by(),
            prop::collection::vec("[a-z]{1,9}", 0..3),
            prop::option::of(withdrawn),
        )
            .prop_map(
                |(id, measured, taken, origin, by, marks, withdrawn)| Observation {
                    id,
                    measured,
                    taken,
                    origin,
                    by,
                    marks,
                    withdrawn,
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_row_gives_back_the_reading_that_it_was_made_of(reading in any_observation()) {
            let sql = Connection::open_in_memory().unwrap();
            sql.execute_batch(TABLE).unwrap();
            put(&sql, 7, 0, &reading).unwrap();
            let mut find = sql.prepare(&format!("SELECT zeroblob(16), {COLUMNS} FROM observations o")).unwrap();
            let mut rows = find.query([]).unwrap();
            let line = read(&rows.next().unwrap().unwrap()).unwrap();
            prop_assert_eq!(line.observation, reading);
        }
    }
}
