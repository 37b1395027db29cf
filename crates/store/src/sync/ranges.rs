//! What is held of each session, and what the hub is known to hold of this device's.

use std::collections::BTreeMap;

use records::ids::{DeviceId, SessionId};
use sync_core::identity::Actor;
use sync_core::wire::{Holdings, Holds, RangeSet, SessionPrint};

use crate::engine::StoreError;
use crate::sql::{Connection, OptionalExtension, params};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_held(
    s INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(s, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_acked(
    session BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY(session, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_prints(s INTEGER PRIMARY KEY, print BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS link_doubted(s INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS link_sure_audit(session BLOB PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_acked_audit(session BLOB PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
";

/// Whose session it is of which the hub told: this device's, or one's of which it took the place.
const DEVICE_OF_SESSION: &str = "coalesce((SELECT device FROM sessions WHERE sessions.session = told.session
    AND device IN (SELECT predecessor FROM link_successions WHERE device = ?1)), ?1)";

/// A position of a session is held from now on: in the log or set aside.
pub(crate) fn hold(sql: &Connection, s: i64, seq: u64, hash: &[u8; 32]) -> Result<(), StoreError> {
    let place = seq;
    let seq = seq.cast_signed();
    let mut before = sql.prepare_cached(
        "SELECT first, last FROM link_held WHERE s = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1",
    )?;
    let before: Option<(i64, i64)> = before
        .query_row([s, seq], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let joins = match before {
        Some((_, last)) if last >= seq => return Ok(()),
        Some((first, last)) if last == seq - 1 => Some(first),
        Some(_) | None => None,
    };
    let mut after = sql.prepare_cached("SELECT last FROM link_held WHERE s = ?1 AND first = ?2")?;
    let after: Option<i64> = after.query_row([s, seq + 1], |row| row.get(0)).optional()?;
    if after.is_some() {
        sql.prepare_cached("DELETE FROM link_held WHERE s = ?1 AND first = ?2")?
            .execute([s, seq + 1])?;
    }
    let last = after.unwrap_or(seq);
    let mut put = sql.prepare_cached(
        "INSERT INTO link_held(s, first, last) VALUES(?1, ?2, ?3)
         ON CONFLICT(s, first) DO UPDATE SET last = ?3",
    )?;
    put.execute([s, joins.unwrap_or(seq), last])?;
    toggle(sql, s, place, hash)
}

/// A position is not held any more, so that another change may take it.
pub(crate) fn let_go(sql: &Connection, s: i64, seq: u64, hash: &[u8; 32]) -> Result<(), StoreError> {
    let place = seq.cast_signed();
    let mut find =
        sql.prepare_cached("SELECT first, last FROM link_held WHERE s = ?1 AND first <= ?2 AND last >= ?2")?;
    let around: Option<(i64, i64)> = find
        .query_row([s, place], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((first, last)) = around else {
        return Ok(());
    };
    sql.prepare_cached("DELETE FROM link_held WHERE s = ?1 AND first = ?2")?
        .execute([s, first])?;
    let mut put = sql.prepare_cached("INSERT INTO link_held(s, first, last) VALUES(?1, ?2, ?3)")?;
    for (first, last) in [(first, place - 1), (place + 1, last)] {
        if first <= last {
            put.execute([s, first, last])?;
        }
    }
    toggle(sql, s, seq, hash)
}

fn toggle(sql: &Connection, s: i64, seq: u64, hash: &[u8; 32]) -> Result<(), StoreError> {
    let mut print = print_of(sql, s)?.unwrap_or_default();
    print.toggle(seq, hash);
    let mut put = sql.prepare_cached(
        "INSERT INTO link_prints(s, print) VALUES(?1, ?2) ON CONFLICT(s) DO UPDATE SET print = ?2",
    )?;
    put.execute(params![s, print.0])?;
    Ok(())
}

fn print_of(sql: &Connection, s: i64) -> Result<Option<SessionPrint>, StoreError> {
    let mut find = sql.prepare_cached("SELECT print FROM link_prints WHERE s = ?1")?;
    let print = find.query_row([s], |row| row.get(0)).optional()?;
    Ok(print.map(SessionPrint))
}

/// The print over these positions of a session, which all are held.
pub(crate) fn print_over(sql: &Connection, s: i64, told: &RangeSet) -> Result<SessionPrint, StoreError> {
    if of_session(sql, s)? == *told {
        return Ok(print_of(sql, s)?.unwrap_or_default());
    }
    let mut print = SessionPrint::default();
    let mut rows = sql.prepare_cached(
        "SELECT seq, hash FROM log WHERE s = ?1 AND seq BETWEEN ?2 AND ?3
         UNION ALL SELECT seq, hash FROM parked WHERE s = ?1 AND seq BETWEEN ?2 AND ?3
         UNION ALL SELECT seq, hash FROM link_refused JOIN sessions USING(device, session)
             WHERE s = ?1 AND seq BETWEEN ?2 AND ?3
                 AND NOT EXISTS(SELECT 1 FROM log WHERE log.s = ?1 AND log.seq = link_refused.seq)
         UNION ALL SELECT seq, hash FROM link_void WHERE s = ?1 AND seq BETWEEN ?2 AND ?3",
    )?;
    for (first, last) in told.iter() {
        let last = last.min(i64::MAX as u64);
        let mut rows = rows.query([s, first.cast_signed(), last.cast_signed()])?;
        while let Some(row) = rows.next()? {
            print.toggle(row.get::<_, i64>(0)?.cast_unsigned(), &row.get(1)?);
        }
    }
    Ok(print)
}

/// What is held of one session.
pub(crate) fn of_session(sql: &Connection, s: i64) -> Result<RangeSet, StoreError> {
    let mut rows = sql.prepare_cached("SELECT first, last FROM link_held WHERE s = ?1")?;
    let mut rows = rows.query([s])?;
    let mut set = RangeSet::default();
    while let Some(row) = rows.next()? {
        set.insert(
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, i64>(1)?.cast_unsigned(),
        );
    }
    Ok(set)
}

/// Prints of the sessions that are held, of one device or of all.
pub(crate) fn prints(
    sql: &Connection,
    device: Option<DeviceId>,
) -> Result<BTreeMap<Actor, SessionPrint>, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT device, session, print FROM link_prints JOIN sessions USING(s) WHERE ?1 IS NULL OR device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1)",
    )?;
    let rows = rows.query_map([device.map(|device| device.0)], |row| {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        Ok((actor, SessionPrint(row.get(2)?)))
    })?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// What is told to the hub: sessions in which it may hold other changes at the same positions are left out.
pub(crate) fn told(sql: &Connection, device: Option<DeviceId>) -> Result<Holdings, StoreError> {
    let mut held = held(sql, device)?;
    let mut rows = sql.prepare_cached("SELECT device, session FROM link_doubted JOIN sessions USING(s)")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        held.0.remove(&Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        });
    }
    Ok(held)
}

/// Sessions of which a position is said to be held that is not here.
pub(crate) fn sessions_with_gaps(sql: &Connection) -> Result<Vec<SessionId>, StoreError> {
    let mut rows = sql.prepare(
        "SELECT session, (SELECT sum(last - first + 1) FROM link_held WHERE link_held.s = sessions.s),
             (SELECT count(*) FROM
                 (SELECT seq FROM log WHERE log.s = sessions.s
                  UNION SELECT seq FROM parked WHERE parked.s = sessions.s
                  UNION SELECT seq FROM link_refused WHERE link_refused.device = sessions.device
                      AND link_refused.session = sessions.session
                  UNION SELECT seq FROM link_void WHERE link_void.s = sessions.s) AS here
              JOIN link_held ON link_held.s = sessions.s AND here.seq BETWEEN link_held.first AND link_held.last)
         FROM sessions",
    )?;
    let mut rows = rows.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, Option<i64>>(1)?.unwrap_or(0) != row.get::<_, i64>(2)? {
            found.push(SessionId(row.get(0)?));
        }
    }
    Ok(found)
}

/// Makes the prints of a database that was written before there were any.
pub(crate) fn make_prints(sql: &Connection) -> crate::sql::Result<()> {
    if sql.prepare("SELECT 1 FROM link_prints LIMIT 1")?.exists([])? {
        return Ok(());
    }
    let mut rows = sql.prepare("SELECT s, seq, hash FROM log UNION ALL SELECT s, seq, hash FROM parked")?;
    let mut rows = rows.query([])?;
    let mut prints: BTreeMap<i64, SessionPrint> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let print = prints.entry(row.get(0)?).or_default();
        print.toggle(row.get::<_, i64>(1)?.cast_unsigned(), &row.get(2)?);
    }
    let mut put = sql.prepare("INSERT INTO link_prints(s, print) VALUES(?1, ?2)")?;
    for (s, print) in prints {
        put.execute(params![s, print.0])?;
    }
    Ok(())
}

/// What is held, of one device or of all.
pub(crate) fn held(sql: &Connection, device: Option<DeviceId>) -> Result<Holdings, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT device, session, first, last FROM link_held JOIN sessions USING(s)
         WHERE ?1 IS NULL OR device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1)",
    )?;
    let mut rows = rows.query([device.map(|device| device.0)])?;
    let mut held = Holdings::default();
    while let Some(row) = rows.next()? {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        let (first, last) = (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
        held.0
            .entry(actor)
            .or_default()
            .insert(first.cast_unsigned(), last.cast_unsigned());
    }
    Ok(held)
}

/// What the hub is believed to hold of this device's sessions, with the prints of what stands there here.
pub(crate) fn believed(sql: &Connection, device: DeviceId) -> Result<Holds, StoreError> {
    let mut holds = Holds {
        changes: acked(sql, device)?,
        audit: acked_audit(sql, device)?,
        ..Holds::default()
    };
    let mut find = sql.prepare_cached("SELECT s FROM sessions WHERE device = ?1 AND session = ?2")?;
    for (actor, set) in &holds.changes.0 {
        let place = params![actor.device.as_bytes(), actor.session.as_bytes()];
        let s: Option<i64> = find.query_row(place, |row| row.get(0)).optional()?;
        if let Some(s) = s {
            holds.prints.insert(*actor, print_over(sql, s, set)?);
        }
    }
    Ok(holds)
}

/// What the hub holds of this device's sessions, as far as it told.
pub(crate) fn acked(sql: &Connection, device: DeviceId) -> Result<Holdings, StoreError> {
    let mut rows = sql.prepare_cached(&format!(
        "SELECT session, first, last, {DEVICE_OF_SESSION} FROM link_acked AS told"
    ))?;
    let mut rows = rows.query([device.as_bytes()])?;
    let mut acked = Holdings::default();
    while let Some(row) = rows.next()? {
        let actor = Actor {
            device: DeviceId(row.get(3)?),
            session: SessionId(row.get(0)?),
        };
        let (first, last) = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
        acked
            .0
            .entry(actor)
            .or_default()
            .insert(first.cast_unsigned(), last.cast_unsigned());
    }
    Ok(acked)
}

/// The hub holds these positions of one of this device's sessions, too.
pub(crate) fn add_acked(sql: &Connection, session: SessionId, more: &RangeSet) -> Result<(), StoreError> {
    let mut all = RangeSet::default();
    let mut find = sql.prepare_cached("SELECT first, last FROM link_acked WHERE session = ?1")?;
    let mut rows = find.query([session.as_bytes()])?;
    while let Some(row) = rows.next()? {
        all.insert(
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, i64>(1)?.cast_unsigned(),
        );
    }
    all.extend(more);
    sql.prepare_cached("DELETE FROM link_acked WHERE session = ?1")?
        .execute([session.as_bytes()])?;
    let mut put = sql.prepare_cached("INSERT INTO link_acked(session, first, last) VALUES(?1, ?2, ?3)")?;
    for (first, last) in all.iter() {
        put.execute(params![
            session.as_bytes(),
            first.cast_signed(),
            last.cast_signed()
        ])?;
    }
    Ok(())
}

/// Ends of this device's audit chains at the hub, as far as it told.
pub(crate) fn acked_audit(sql: &Connection, device: DeviceId) -> Result<BTreeMap<Actor, u64>, StoreError> {
    let mut rows = sql.prepare_cached(&format!(
        "SELECT session, upto, {DEVICE_OF_SESSION} FROM link_acked_audit AS told"
    ))?;
    let ends = rows.query_map([device.as_bytes()], |row| {
        let actor = Actor {
            device: DeviceId(row.get(2)?),
            session: SessionId(row.get(0)?),
        };
        Ok((actor, row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    Ok(ends.collect::<crate::sql::Result<_>>()?)
}

pub(crate) fn set_acked_audit(sql: &Connection, session: SessionId, upto: u64) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO link_acked_audit(session, upto) VALUES(?1, ?2)
         ON CONFLICT(session) DO UPDATE SET upto = ?2",
    )?;
    put.execute(params![session.as_bytes(), upto.cast_signed()])?;
    Ok(())
}

/// The hub took these very entries when they were sent.
pub(crate) fn set_sure_audit(sql: &Connection, session: SessionId, upto: u64) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO link_sure_audit(session, upto) VALUES(?1, ?2)
         ON CONFLICT(session) DO UPDATE SET upto = max(link_sure_audit.upto, ?2)",
    )?;
    put.execute(params![session.as_bytes(), upto.cast_signed()])?;
    Ok(())
}

/// Forgets what the hub told; it tells anew.
pub(crate) fn clear_acked(sql: &Connection) -> Result<(), StoreError> {
    Ok(sql.execute_batch("DELETE FROM link_acked; DELETE FROM link_acked_audit;")?)
}

/// Contiguous ends of the audit chains of a device that are held here.
pub(crate) fn audit_ends(sql: &Connection, device: DeviceId) -> Result<BTreeMap<Actor, u64>, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT device, session, max(n) FROM audit
         WHERE device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1)
         GROUP BY device, session",
    )?;
    let ends = rows.query_map([device.as_bytes()], |row| {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        Ok((actor, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    Ok(ends.collect::<crate::sql::Result<_>>()?)
}
