//! Changes that were set aside are tried again: after a new release, whose rules may be others, and after a
//! change of rule at the hub (a clinic was added, a patient joined one).

use records::ids::{ClinicCode, DeviceId, DocId, PatientId};
use records::time::WallTime;
use sync_core::check::{Checked, RULES};
use sync_core::document::written_at;
use sync_core::identity::Position;
use sync_core::wire::{ChangeItem, ParkReason};

use crate::engine::{Store, StoreError, Tx};
use crate::ingest::{Foreign, UNHEARD, Waiting, retry, set_aside};
use crate::open::Side;
use crate::sql::params;
use crate::sync::hub_end::{self, Writer};
use crate::sync::state;
use crate::{derive, ingest, log};

/// Under which rules parked changes were tried last.
const TRIED_UNDER: &str = "parked_tried_under";
/// Most changes that are tried at once; the others at the next occasion.
const TRIED_MAX: i64 = 10_000;

/// A change of a clinic that this hub does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedChange {
    /// The document.
    pub doc: DocId,
    /// The patient that it is about, where the document is held.
    pub patient: Option<PatientId>,
    /// The clinic of the device that wrote it, where it is known.
    pub clinic: Option<ClinicCode>,
    /// The device that wrote it.
    pub device: DeviceId,
    /// When it says that it was written.
    pub written: Option<WallTime>,
    /// Why.
    pub reason: ParkReason,
}

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

/// Tries parked changes again, of one document or all; gives how many were taken.
pub(crate) fn try_again(tx: &mut Tx<'_>, doc: Option<DocId>) -> Result<u64, StoreError> {
    let mut taken = 0;
    // One that is taken may be what the next one builds on.
    loop {
        let before = taken;
        for waiting in set_aside(tx, doc, "reason <> ?2", TRIED_MAX)? {
            taken += u64::from(take_up(tx, &waiting)?);
        }
        if taken == before {
            return Ok(taken);
        }
    }
}

fn take_up(tx: &mut Tx<'_>, waiting: &Waiting) -> Result<bool, StoreError> {
    let foreign = waiting.as_foreign();
    if tx.state.side == Side::Box {
        return Ok(retry(tx, &foreign, &|_, _, _| Ok(()), waiting.p)?.is_some());
    }
    let Some(writer) = Writer::of(tx.sql, waiting.position.actor.device)? else {
        return Ok(false);
    };
    if writer.is_unheard() {
        return Ok(false);
    }
    let change = ChangeItem {
        position: waiting.position,
        doc: waiting.doc,
        bytes: waiting.bytes.clone(),
    };
    // What came to a hub that had forgotten is judged as before anybody left: how far its writer knew is not kept.
    let related = if waiting.reason == UNHEARD {
        hub_end::is_related(tx.sql, &writer, waiting.doc, 0)?
    } else {
        super::feeds::holds(tx.sql, writer.c, waiting.doc)?
    };
    let permit = |_: &Foreign<'_>, checked: &Checked, owner: Option<&ClinicCode>| {
        hub_end::judge(&writer, &change, checked, owner, related)
    };
    // Whoever was told that it is set aside took it out.
    let returned = waiting.reason != UNHEARD;
    let Some(stored) = retry(tx, &foreign, &permit, waiting.p)? else {
        return Ok(false);
    };
    hub_end::spread(tx, Some(writer.c), waiting.lane, &change, &stored, returned)?;
    Ok(true)
}

impl Store {
    /// Hub: how many changes are set aside. Those that only wait for what they build on are not among them.
    pub async fn parked_count(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let mut count = sql.prepare_cached("SELECT count(*) FROM parked WHERE reason <> ?1")?;
            Ok(count
                .query_row([ingest::ORPHAN], |row| row.get::<_, i64>(0))?
                .unsigned_abs())
        })
        .await
    }

    /// Hub: changes that are set aside, the latest to arrive first.
    pub async fn parked_changes(&self, limit: usize) -> Result<Vec<ParkedChange>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT parked.doc, parked.body, parked.reason, sessions.device,
                     (SELECT code FROM link_devices JOIN link_clinics USING(c)
                         WHERE link_devices.device = sessions.device)
                 FROM parked JOIN sessions USING(s) WHERE reason <> ?1 ORDER BY p DESC LIMIT ?2",
            )?;
            let mut rows = find.query(params![ingest::ORPHAN, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let doc = DocId(row.get(0)?);
                let document = log::load(sql, doc)?;
                let bytes = log::unpack(&row.get::<_, Vec<u8>>(1)?)?;
                found.push(ParkedChange {
                    doc,
                    patient: document.as_ref().and_then(derive::patient_of),
                    clinic: row
                        .get::<_, Option<String>>(4)?
                        .and_then(|code| code.parse().ok()),
                    device: DeviceId(row.get(3)?),
                    written: written_at(&bytes),
                    reason: hub_end::reason_of(&row.get::<_, String>(2)?),
                });
            }
            Ok(found)
        })
        .await
    }
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
