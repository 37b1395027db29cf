//! The hub's answers to what the exchange asks.

use records::ids::{ClinicCode, DeviceId, DocId, DocKind, PatientId};
use sync_core::check::{Checked, Fault};
use sync_core::exchange::{Answer, Ask, Greeting, NextItems, Taken, Told};
use sync_core::identity::Position;
use sync_core::wire::{
    AuditBatch, Batch, BlobOffer, Bye, ChangeItem, FeedEnd, FeedMarks, Hello, Holds, Lane, ParkReason,
    Spoiled, VERSIONS, Wanted, Welcome, change_hash,
};

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, Tx, raise_alarm};
use crate::ingest::{BUILDS_ON_PARKED, Foreign, Ingested, ORPHAN, Stored, UNHEARD, ingest, keep_unheard};
use crate::objects::Stretch;
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::recovery::{self, UNKNOWN_PRINT};
use crate::sync::{
    blobs, directory, facts, feeds, hand_back, panels, purge, ranges, releases, repair, state, successions,
    upstream,
};
use crate::{audit, log};

/// The writer has no care relation to the document, or its kind is not theirs to write.
const NOT_ALLOWED: &str = "not-allowed";
/// The device was revoked before.
const REVOKED: &str = "revoked";

impl Store {
    /// Carries out what the exchange of a hub with this device asks. What it writes is one transaction.
    pub async fn answer_as_hub(&self, device: DeviceId, ask: Ask) -> Result<Answer, StoreError> {
        match ask {
            Ask::Greet(hello) => self.write(move |tx| greet(tx, device, &hello)).await,
            Ask::Next {
                lane,
                after,
                budget,
                held,
            } => {
                let signer = self.actor();
                let next = self
                    .read(move |sql| {
                        let c = served(sql, device)?;
                        if !recovery::may_feed(sql, device)? {
                            return Ok(NextItems::none(lane, after));
                        }
                        feeds::next(sql, c, signer, lane, after, budget, &held)
                    })
                    .await?;
                Ok(Answer::Next(next))
            }
            Ask::TakeBatch { lane, batch } => {
                let taken = self.write(move |tx| take_batch(tx, device, lane, &batch)).await;
                unless_full(lane, taken)
            }
            Ask::TakeAudit { lane, audit } => {
                let taken = self.write(move |tx| take_audit(tx, lane, &audit)).await;
                unless_full(lane, taken)
            }
            Ask::TakeFacts { lane, facts } => {
                let taken = self
                    .write(move |tx| hand_back::take_facts(tx, device, lane, &facts))
                    .await?;
                Ok(Answer::Taken(Box::new(taken)))
            }
            Ask::TakeBack { lane, back } => {
                let taken = self
                    .write(move |tx| hand_back::take_changes(tx, lane, &back))
                    .await?;
                Ok(Answer::Taken(Box::new(taken)))
            }
            Ask::TakeOffer { lane, offer } => {
                let taken = self.write(move |tx| take_offer(tx, device, lane, &offer)).await?;
                Ok(Answer::Taken(Box::new(taken)))
            }
            Ask::TakePiece { lane, piece } => self.take_piece(lane, piece).await,
            Ask::ReadBlob { offer, offset } => {
                let found = self
                    .read(move |sql| read_blob(sql, device, &offer, offset))
                    .await?;
                let bytes = self.bytes_of(found).await;
                Ok(Answer::BlobBytes { offer, offset, bytes })
            }
            Ask::Acked(_) => Ok(Answer::Done),
            Ask::OwnHoldings => {
                let holds = self.read(move |sql| holds_of(sql, device)).await?;
                Ok(Answer::Holdings(Told { holds, lacks: None }))
            }
            Ask::Fingerprint => {
                if self.write(move |tx| recovery::heard(tx, device)).await? {
                    return Ok(Answer::Fingerprint(UNKNOWN_PRINT));
                }
                let sum = self
                    .read(move |sql| directory::print(sql, served(sql, device)?))
                    .await?;
                let mut first = [0; 8];
                first.copy_from_slice(&sum.to_bytes()[..8]);
                Ok(Answer::Fingerprint(first))
            }
            Ask::Prints => {
                let prints = self
                    .read(move |sql| repair::prints(sql, Some(served(sql, device)?)))
                    .await?;
                Ok(Answer::Prints(prints))
            }
            Ask::SendAgain(prints) => {
                self.write(move |tx| {
                    let c = served(tx.sql, device)?;
                    repair::from_hub(tx, c, &prints)
                })
                .await?;
                Ok(Answer::Woken(Lane::ALL.to_vec()))
            }
            Ask::Pack {
                lane,
                message,
                more,
                learned,
            } => self.pack(Some(device), lane, message, more, learned).await,
            Ask::Learn { lane, base } => self.learn_ahead(Some(device), lane, base).await,
            Ask::Unpack { lane, bytes, learned } => self.unpack(Some(device), lane, bytes, learned).await,
            Ask::TellInFull => Ok(self.tell_in_full(Some(device))),
            Ask::Welcomed(_)
            | Ask::HubHolds(_)
            | Ask::HubSketch { .. }
            | Ask::TellHoldings { .. }
            | Ask::TakeFeed { .. }
            | Ask::Settled(_) => Err(StoreError::Unreadable("question: it is for a box")),
        }
    }
}

impl Store {
    /// Hub: the last positions of the feed of a device's clinic.
    pub async fn feed_positions(&self, device: DeviceId) -> Result<[u64; Lane::COUNT], StoreError> {
        self.read(move |sql| {
            let ends = feeds::feed_ends(sql, served(sql, device)?)?;
            Ok(ends.map(|end| end.position))
        })
        .await
    }
}

/// On a full disk nothing of a message is kept or acknowledged: its box keeps it and sends it again later, and the
/// contact goes on. What is handed back ends it: a hub that has not stored a purge must not feed.
fn unless_full(lane: Lane, taken: Result<Taken, StoreError>) -> Result<Answer, StoreError> {
    let taken = match taken {
        Err(StoreError::DiskFull) => {
            tracing::warn!("no room for what a box sent: it is not acknowledged");
            Taken::nothing(lane)
        }
        other => other?,
    };
    Ok(Answer::Taken(Box::new(taken)))
}

fn served(sql: &Connection, device: DeviceId) -> Result<i64, StoreError> {
    let known = directory::known(sql, device)?.filter(|known| !known.revoked);
    known
        .map(|known| known.c)
        .ok_or(StoreError::Unreadable("device: it is not served"))
}

/// What the hub holds of a device's own sessions.
fn holds_of(sql: &Connection, device: DeviceId) -> Result<Holds, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT s, seq, reason FROM parked JOIN sessions USING(s)
         WHERE (device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1))
             AND reason NOT IN (?2, ?3) ORDER BY p",
    )?;
    let mut rows = find.query(params![device.as_bytes(), ORPHAN, UNHEARD])?;
    let mut parked = Vec::new();
    while let Some(row) = rows.next()? {
        let position = log::actor_of(sql, row.get(0)?)?.at(row.get::<_, i64>(1)?.cast_unsigned());
        parked.push((position, reason_of(&row.get::<_, String>(2)?)));
    }
    Ok(Holds {
        last: true,
        changes: ranges::held(sql, Some(device))?,
        prints: ranges::prints(sql, Some(device))?,
        audit: ranges::audit_ends(sql, device)?,
        parked,
        ..Holds::default()
    })
}

fn greet(tx: &mut Tx<'_>, device: DeviceId, hello: &Hello) -> Result<Answer, StoreError> {
    let Some(known) = directory::known(tx.sql, device)? else {
        return Ok(Answer::Refused(Bye::UnknownDevice));
    };
    if known.revoked || successions::is_succeeded(tx.sql, device)? {
        return Ok(Answer::Refused(Bye::Revoked));
    }
    let clinic = directory::clinic_code(tx.sql, known.c)?;
    directory::note_contact(tx, known.c, hello)?;
    directory::note_session(tx, hello.actor)?;
    // A new epoch begins before anything is stated anew.
    let epoch = checked_epoch(tx, known.c, hello)?;
    facts::state_roster(tx, &clinic)?;
    let mut ends = [FeedEnd::default(); Lane::COUNT];
    let mut known_feed = true;
    for lane in Lane::ALL {
        match feeds::feed_at(tx.sql, known.c, lane, hello.feeds.ends[lane.index()])? {
            Some(end) => ends[lane.index()] = end,
            None => known_feed = false,
        }
    }
    // A hub that went back again before it fed what had been handed back has the feed that the box knows: only the
    // epoch tells.
    let same_epoch = hello.epoch == 0 || hello.epoch == epoch;
    let same_feed = known_feed && same_epoch && FeedMarks::new(&ends) == hello.feeds;
    let own = holds_of(tx.sql, device)?;
    let own_equal = own.changes.digest(&own.audit) == hello.own;
    let welcome = Welcome {
        version: VERSIONS.1.min(hello.versions.1),
        actor: tx.state.actor,
        epoch,
        at: tx.now.at,
        holds_follow: !own_equal,
        wanted: match (same_feed, own_equal) {
            (false, _) => Wanted::All,
            (true, false) => Wanted::Own,
            (true, true) => Wanted::Nothing,
        },
        feeds_from: if same_feed {
            hello.feeds.ends
        } else {
            [0; Lane::COUNT]
        },
        tips: if same_feed {
            Default::default()
        } else {
            feeds::tips(tx.sql, known.c)?
        },
        safe_through: recovery::safe_through(tx.sql, known.c)?,
        kinds: DocKind::ALL.map(DocKind::byte).to_vec(),
    };
    Ok(Answer::Greeting(Box::new(Greeting { welcome, own })))
}

/// A box that knows more of this hub's epoch than the hub itself tells that the folder was copied back: the hub
/// draws a new epoch before it gives any position anew.
pub(crate) fn checked_epoch(tx: &mut Tx<'_>, c: i64, hello: &Hello) -> Result<u32, StoreError> {
    let epoch = state::epoch(tx.sql)?.unwrap_or(1);
    let ends = feeds::feed_ends(tx.sql, c)?;
    let knows_more = hello
        .feeds
        .ends
        .iter()
        .zip(&ends)
        .any(|(told, end)| *told > end.position);
    let epoch = if hello.epoch > epoch {
        hello.epoch.saturating_add(1)
    } else if hello.epoch == epoch && knows_more {
        tracing::warn!(
            "a box knows more of this hub than the hub itself: it was restored; a new epoch begins"
        );
        epoch.saturating_add(1)
    } else {
        return Ok(epoch);
    };
    recovery::begin(tx, epoch)?;
    Ok(epoch)
}

fn take_batch(tx: &mut Tx<'_>, device: DeviceId, lane: Lane, batch: &Batch) -> Result<Taken, StoreError> {
    let writer = Writer::of(tx.sql, device)?.ok_or(StoreError::Unreadable("device: it is not served"))?;
    let mut taken = Taken::nothing(lane);
    let mut clinic_changed = false;
    for change in &batch.changes {
        // What a county's hub brings is judged by whose device wrote it.
        let author = upstream::author(tx.sql, &writer, change.position.actor.device)?;
        let own = author.is_none();
        let author = author.as_ref().unwrap_or(&writer);
        let outcome = take_change(tx, author, lane, batch.knows, change, &mut taken)?;
        clinic_changed |= own && outcome && change.doc.kind() == Some(DocKind::Clinic);
    }
    if clinic_changed && facts::adopt_staff(tx, &writer.clinic)? {
        facts::state_roster(tx, &writer.clinic)?;
    }
    Ok(taken)
}

/// A device that writes.
pub(crate) struct Writer {
    /// Row of its clinic.
    pub(crate) c: i64,
    clinic: ClinicCode,
    revoked: bool,
    /// The hub was restored and does not know yet whether it had revoked the device.
    unheard: bool,
}

impl Writer {
    /// The same for another clinic, whose change it carries.
    pub(crate) fn for_clinic(&self, c: i64, clinic: ClinicCode) -> Self {
        Self { c, clinic, ..*self }
    }

    /// Whether what it brings waits until the hub has heard what it forgot.
    pub(crate) fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// The device with its clinic; `None` where it is not in the directory.
    pub(crate) fn of(sql: &Connection, device: DeviceId) -> Result<Option<Self>, StoreError> {
        let Some(known) = directory::known(sql, device)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            c: known.c,
            clinic: directory::clinic_code(sql, known.c)?,
            revoked: known.revoked,
            unheard: !recovery::may_feed(sql, device)?,
        }))
    }
}

/// Whether a checked change is its writer's to make.
pub(crate) fn judge(
    writer: &Writer,
    change: &ChangeItem,
    checked: &Checked,
    owner: Option<&ClinicCode>,
    related: bool,
) -> Result<(), &'static str> {
    if writer.revoked {
        return Err(REVOKED);
    }
    may_write(writer, change, checked, owner, related)
}

/// What the hub holds at a position instead of this change, or that the session is closed: another machine
/// wrote under it.
fn spoiled_at(tx: &Tx<'_>, position: Position, hash: &[u8; 32]) -> Result<Option<Spoiled>, StoreError> {
    let s = log::session_row(tx, position.actor)?;
    let mut held = tx.sql.prepare_cached(
        "SELECT hash, id FROM log JOIN documents USING(d) WHERE s = ?1 AND seq = ?2
         UNION ALL SELECT hash, doc FROM parked WHERE s = ?1 AND seq = ?2",
    )?;
    let mut held = held.query([s, position.seq.cast_signed()])?;
    let mut other = None;
    while let Some(row) = held.next()? {
        let found: [u8; 32] = row.get(0)?;
        if found == *hash {
            return Ok(None);
        }
        let mut start = [0; 8];
        start.copy_from_slice(&found[..8]);
        other = other.or(Some((DocId(row.get(1)?), start)));
    }
    let closed = tx
        .sql
        .prepare_cached("SELECT 1 FROM link_spoiled WHERE s = ?1 AND seq <= ?2")?
        .exists([s, position.seq.cast_signed()])?;
    Ok((other.is_some() || closed).then_some(Spoiled {
        position,
        held: other,
    }))
}

/// Closes a session from this position on: whoever else writes under it goes on under a new one.
fn close_session(tx: &mut Tx<'_>, position: Position) -> Result<(), StoreError> {
    let s = log::session_row(tx, position.actor)?;
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO link_spoiled(s, seq) VALUES(?1, ?2) ON CONFLICT(s) DO NOTHING")?;
    if put.execute([s, position.seq.cast_signed()])? > 0 {
        let session = position.actor.session;
        tracing::warn!(device = %position.actor.device, %session, "two machines write under one session");
        raise_alarm(
            tx,
            &AlarmKind::SessionSpoiled,
            &format!("{} {session}", position.actor.device),
        )?;
    }
    Ok(())
}

/// Takes one change; `true` where it was written.
fn take_change(
    tx: &mut Tx<'_>,
    writer: &Writer,
    lane: Lane,
    knows: u64,
    change: &ChangeItem,
    taken: &mut Taken,
) -> Result<bool, StoreError> {
    let position = change.position;
    let foreign = Foreign {
        position,
        doc: change.doc,
        lane,
        bytes: &change.bytes,
    };
    let hash = change_hash(&change.bytes);
    if purge::is_purged(tx.sql, change.doc)? {
        purge::void(tx, position, change.doc, &hash)?;
        taken.ack.held.insert(position);
        return Ok(false);
    }
    if let Some(spoiled) = spoiled_at(tx, position, &hash)? {
        close_session(tx, position)?;
        taken.ack.spoiled.push(spoiled);
        return Ok(false);
    }
    let related = is_related(tx.sql, writer, change.doc, knows)?;
    let sql = tx.sql;
    let permit = |_: &Foreign<'_>, checked: &Checked, owner: Option<&ClinicCode>| {
        judge(writer, change, checked, owner, related).or_else(|reason| {
            // A county's own hub writes for its clinics.
            let owner = owner.or(checked.creates.as_ref());
            let is_of_county = owner.is_some_and(|owner| {
                upstream::is_of(sql, owner, writer.c).unwrap_or_else(|error| {
                    tracing::error!(%error, "the county of a clinic could not be read");
                    false
                })
            });
            if is_of_county && reason == NOT_ALLOWED {
                Ok(())
            } else {
                Err(reason)
            }
        })
    };
    let outcome = if writer.unheard {
        keep_unheard(tx, &foreign)?
    } else {
        ingest(tx, &foreign, &permit)?
    };
    let mut written = false;
    match &outcome {
        Ingested::Stored(stored) => {
            written = true;
            taken.new_changes += 1;
            spread(tx, Some(writer.c), lane, change, stored, false)?;
        }
        Ingested::Known => {
            if let Some(reason) = parked_reason(tx.sql, position)? {
                taken.ack.parked.push((position, reason));
            }
        }
        Ingested::Waiting => {}
        Ingested::Parked(Fault::UnknownKind) => {
            // Of a newer release: kept as it came, and relayed to the clinic's other boxes.
            taken.ack.parked.push((position, ParkReason::UnknownKind));
            feeds::relay_unread(tx, writer.c, lane, position, &hash)?;
        }
        Ingested::Parked(fault) => taken.ack.parked.push((position, reason_of_fault(*fault))),
        Ingested::Spoiled => {
            close_session(tx, position)?;
            taken.ack.spoiled.push(Spoiled { position, held: None });
            return Ok(false);
        }
        Ingested::NotNow => return Ok(false),
    }
    let s = log::session_row(tx, position.actor)?;
    ranges::hold(tx.sql, s, position.seq, &hash)?;
    taken.ack.held.insert(position);
    Ok(written)
}

/// Whether a clinic holds a document, or held it when its box last heard: a relation that ended meanwhile does not
/// undo what was written before.
pub(crate) fn is_related(
    sql: &Connection,
    writer: &Writer,
    doc: DocId,
    knows: u64,
) -> Result<bool, StoreError> {
    if feeds::holds(sql, writer.c, doc)? {
        return Ok(true);
    }
    let mut find = sql.prepare_cached(
        "SELECT patient FROM link_patient_documents JOIN documents USING(d) WHERE documents.id = ?1",
    )?;
    let patients = find.query_map([doc.as_bytes()], |row| Ok(PatientId(row.get(0)?)))?;
    for patient in patients.collect::<crate::sql::Result<Vec<PatientId>>>()? {
        if panels::left_at(sql, writer.c, patient)?.is_some_and(|position| knows <= position) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who may write what: the rule of the document's kind.
fn may_write(
    writer: &Writer,
    change: &ChangeItem,
    checked: &Checked,
    owner: Option<&ClinicCode>,
    holds: bool,
) -> Result<(), &'static str> {
    let created = checked.creates.as_ref();
    let own = owner.or(created) == Some(&writer.clinic);
    let allowed = match change.doc.kind() {
        Some(DocKind::Encounter | DocKind::Series | DocKind::Clinic) => own,
        // A chart is written by whoever cares for the patient; only its own clinic makes it.
        Some(DocKind::Chart | DocKind::Request) => own || (owner.is_some() && holds),
        // A clinic proposes; what is decided is the county's.
        Some(DocKind::Link) => {
            own && checked
                .touched
                .iter()
                .all(|root| root != records::links::DECISIONS)
        }
        None => false,
    };
    if allowed { Ok(()) } else { Err(NOT_ALLOWED) }
}

/// Puts what was stored into the feeds. `returned`: its writer had taken it out and gets it back.
pub(crate) fn spread(
    tx: &mut Tx<'_>,
    writer: Option<i64>,
    lane: Lane,
    change: &ChangeItem,
    stored: &Stored,
    returned: bool,
) -> Result<(), StoreError> {
    let row = log::doc_row(tx.sql, change.doc)?.ok_or(StoreError::Unreadable("document"))?;
    let hash = change_hash(&change.bytes);
    let mut rows = vec![(stored.k, lane, hash)];
    for (k, _) in &stored.released {
        let mut find = tx.sql.prepare_cached("SELECT lane, hash FROM log WHERE k = ?1")?;
        let (lane, hash): (u8, [u8; 32]) = find.query_row([k], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.push((
            *k,
            Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?,
            hash,
        ));
    }
    // Whoever joins the document now gets all its rows at once; the others get one by one.
    rows.sort_by_key(|(k, _, _)| *k);
    let last = rows.len() - 1;
    for (nth, (k, lane, hash)) in rows.iter().enumerate() {
        directory::note_arrival(tx, *k)?;
        let spread = feeds::Spread {
            d: row.d,
            owner: Some(&stored.owner),
            writer,
            patient: stored.patient,
            k: *k,
            lane: *lane,
            hash,
            returned,
        };
        feeds::spread(tx, &spread, nth == last)?;
    }
    Ok(())
}

fn parked_reason(sql: &Connection, position: Position) -> Result<Option<ParkReason>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT reason FROM parked JOIN sessions USING(s)
         WHERE device = ?1 AND session = ?2 AND seq = ?3 AND reason NOT IN (?4, ?5)",
    )?;
    let actor = position.actor;
    let place = params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        position.seq.cast_signed(),
        ORPHAN,
        UNHEARD
    ];
    let word: Option<String> = find.query_row(place, |row| row.get(0)).optional()?;
    Ok(word.map(|word| reason_of(&word)))
}

pub(crate) fn reason_of(word: &str) -> ParkReason {
    match word {
        NOT_ALLOWED => ParkReason::NotAllowed,
        REVOKED => ParkReason::Revoked,
        "actor" => ParkReason::WrongActor,
        "spoiled" => ParkReason::Spoiled,
        "created" => ParkReason::IdTaken,
        "kind" => ParkReason::UnknownKind,
        BUILDS_ON_PARKED => ParkReason::BuildsOnParked,
        _ => ParkReason::Malformed,
    }
}

fn reason_of_fault(fault: Fault) -> ParkReason {
    match fault {
        Fault::Head(word) => match reason_of(word) {
            ParkReason::Malformed => reason_of(fault.word()),
            reason => reason,
        },
        other => reason_of(other.word()),
    }
}

fn take_audit(tx: &mut Tx<'_>, lane: Lane, batch: &AuditBatch) -> Result<Taken, StoreError> {
    let mut taken = Taken::nothing(lane);
    let actor = batch.actor;
    let mut end = ranges::audit_ends(tx.sql, actor.device)?
        .get(&actor)
        .copied()
        .unwrap_or(0);
    for (n, entry) in (batch.first..).zip(&batch.entries) {
        let other = n <= end && !audit::holds(tx.sql, actor, n, entry)?;
        if other || (n == end + 1 && !audit::follows(tx.sql, actor, n, entry)?) {
            taken.ack.spoiled.push(Spoiled {
                position: actor.at(0),
                held: None,
            });
            break;
        }
        if n == end + 1 {
            audit::ingest(tx, actor.device, actor.session, n, entry)?;
            end = n;
        }
    }
    taken.ack.audit.push((actor, end));
    Ok(taken)
}

fn take_offer(tx: &Tx<'_>, device: DeviceId, lane: Lane, offer: &BlobOffer) -> Result<Taken, StoreError> {
    served(tx.sql, device)?;
    let mut taken = Taken::nothing(lane);
    taken.ack.blobs.push(blobs::answer(tx, offer)?);
    Ok(taken)
}

/// Reading by hash holds only inside documents that the asker's clinic holds, and in the release that it is offered.
fn read_blob(
    sql: &Connection,
    device: DeviceId,
    offer: &BlobOffer,
    offset: u64,
) -> Result<Stretch, StoreError> {
    let c = served(sql, device)?;
    let mut find = sql.prepare_cached("SELECT 1 FROM link_blobs WHERE blob = ?1 AND doc = ?2")?;
    let named = find.exists(params![offer.blob.as_bytes(), offer.doc.as_bytes()])?;
    if named && (feeds::holds(sql, c, offer.doc)? || releases::is_offered(sql, c, offer.doc)?) {
        blobs::read(sql, offer.blob, offset)
    } else {
        Ok(Stretch::Here(Vec::new()))
    }
}
