//! Changes that were set aside are tried again: after a new release, whose rules may be others, and after a
//! change of rule at the hub (a clinic was added, a patient joined one).

use records::ids::{ClinicCode, DocId};
use sync_core::check::{Checked, RULES};
use sync_core::identity::Position;
use sync_core::wire::{ChangeItem, Lane};

use crate::engine::{StoreError, Tx};
use crate::ingest::{Foreign, retry};
use crate::open::Side;
use crate::sql::params;
use crate::sync::hub_end::{self, Writer};
use crate::sync::state;
use crate::{ingest, log};

/// Under which rules parked changes were tried last.
const TRIED_UNDER: &str = "parked_tried_under";
/// Most changes that are tried at once; the others at the next occasion.
const TRIED_MAX: i64 = 10_000;

/// The program starts: another release may take what the last one did not.
pub(crate) fn after_start(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let now = RULES.to_be_bytes();
    if state::get(tx.sql, TRIED_UNDER)?.is_some_and(|last| last == now) {
        return Ok(());
    }
    let taken = try_again(tx, None)?;
    if taken > 0 {
        tracing::info!(taken, "changes that were set aside are taken by this release");
    }
    state::put(tx.sql, TRIED_UNDER, Some(&now))
}

struct Waiting {
    p: i64,
    position: Position,
    doc: DocId,
    lane: Lane,
    bytes: Vec<u8>,
}

/// Tries parked changes again, of one document or all; gives how many were taken.
pub(crate) fn try_again(tx: &mut Tx<'_>, doc: Option<DocId>) -> Result<u64, StoreError> {
    let mut taken = 0;
    // One that is taken may be what the next one builds on.
    loop {
        let before = taken;
        for waiting in waiting(tx, doc)? {
            taken += u64::from(take_up(tx, &waiting)?);
        }
        if taken == before {
            return Ok(taken);
        }
    }
}

fn waiting(tx: &Tx<'_>, doc: Option<DocId>) -> Result<Vec<Waiting>, StoreError> {
    let mut find = tx.sql.prepare_cached(
        "SELECT p, s, seq, doc, lane, body FROM parked WHERE reason <> ?1 AND (?2 IS NULL OR doc = ?2)
         ORDER BY p LIMIT ?3",
    )?;
    let mut rows = find.query(params![ingest::ORPHAN, doc.map(|doc| doc.0), TRIED_MAX])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Waiting {
            p: row.get(0)?,
            position: log::actor_of(tx.sql, row.get(1)?)?.at(row.get::<_, i64>(2)?.cast_unsigned()),
            doc: DocId(row.get(3)?),
            lane: Lane::from_number(row.get(4)?).ok_or(StoreError::Unreadable("lane"))?,
            bytes: log::unpack(&row.get::<_, Vec<u8>>(5)?)?,
        });
    }
    Ok(found)
}

fn take_up(tx: &mut Tx<'_>, waiting: &Waiting) -> Result<bool, StoreError> {
    let foreign = Foreign {
        position: waiting.position,
        doc: waiting.doc,
        lane: waiting.lane,
        bytes: &waiting.bytes,
        predecessors: &[],
    };
    if tx.state.side == Side::Box {
        return Ok(retry(tx, &foreign, &|_, _, _| Ok(()), waiting.p)?.is_some());
    }
    let Some(writer) = Writer::of(tx.sql, waiting.position.actor.device)? else {
        return Ok(false);
    };
    let change = ChangeItem {
        position: waiting.position,
        doc: waiting.doc,
        bytes: waiting.bytes.clone(),
    };
    let related = super::feeds::holds(tx.sql, writer.c, waiting.doc)?;
    let permit = |_: &Foreign<'_>, checked: &Checked, owner: Option<&ClinicCode>| {
        hub_end::judge(&writer, &change, checked, owner, related)
    };
    let Some(stored) = retry(tx, &foreign, &permit, waiting.p)? else {
        return Ok(false);
    };
    hub_end::spread(tx, Some(writer.c), waiting.lane, &change, &stored, true)?;
    Ok(true)
}

/// A change of this box that the county had refused came back as taken.
pub(crate) fn came_back(tx: &Tx<'_>, position: Position, hash: &[u8; 32]) -> Result<(), StoreError> {
    let actor = position.actor;
    let place = params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        position.seq.cast_signed()
    ];
    tx.sql
        .prepare_cached("DELETE FROM link_parked WHERE device = ?1 AND session = ?2 AND seq = ?3")?
        .execute(place)?;
    tx.sql
        .prepare_cached(
            "DELETE FROM link_refused WHERE device = ?1 AND session = ?2 AND seq = ?3 AND hash = ?4",
        )?
        .execute(params![
            actor.device.as_bytes(),
            actor.session.as_bytes(),
            position.seq.cast_signed(),
            hash
        ])?;
    Ok(())
}
