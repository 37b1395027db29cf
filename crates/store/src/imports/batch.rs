//! What an import writes in one transaction.

use records::ids::{ClinicCode, DocId, DocKind, ObservationId, PatientId};
use records::imports::{Line, LineFault, clinic_edits, edit_edits, source, vital_edits, vital_observation};
use records::tree::{Edit, Node};
use sync_core::document::{Change, Document, Origin};
use sync_core::identity::{Actor, Position};
use sync_core::wire::Lane;

use crate::audit::{self, AuditAct, By};
use crate::engine::{StoreError, Tx};
use crate::open::CrashPoint;
use crate::{derive, log, settings};

/// Imported history waits behind what is written today.
const LANE: Lane = Lane::P3;

/// One thing to write.
pub(super) enum Step {
    /// A document that the importing thread made.
    Create {
        document: Box<Document>,
        change: Change,
        body: Vec<u8>,
        position: Position,
    },
    /// A line that changes a document.
    Edit { doc: DocId, line: Line, hash: [u8; 32] },
    /// A reading of a visit that is here already.
    Vital { doc: DocId, line: Line },
    /// A reading outside visits.
    SeriesVital {
        patient: PatientId,
        owner: ClinicCode,
        line: Line,
    },
    /// A line that the clinic's document keeps.
    Clinic {
        owner: ClinicCode,
        line: Line,
        hash: [u8; 32],
    },
    /// The folder takes the clinic of the file.
    SetClinic { clinic: ClinicCode },
}

/// What became of a line.
pub(super) enum Outcome {
    New,
    Known,
    Refused(LineFault),
}

/// Steps with the lines that they stand for.
pub(super) struct Batch {
    /// Writes what the writing thread finds to be written.
    by: Actor,
    steps: Vec<(Vec<u64>, Step)>,
}

impl Batch {
    pub(super) fn new(by: Actor) -> Self {
        Self {
            by,
            steps: Vec::new(),
        }
    }

    pub(super) fn documents(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn push(&mut self, line: u64, step: Step) {
        self.steps.push((vec![line], step));
    }

    pub(super) fn push_quiet(&mut self, step: Step) {
        self.steps.push((Vec::new(), step));
    }

    pub(super) fn push_document(&mut self, lines: &[u64], step: Step) {
        self.steps.push((lines.to_vec(), step));
    }
}

/// Writes a batch. The error of a line refuses that line only.
pub(super) fn write(tx: &mut Tx<'_>, batch: Batch) -> Result<Vec<(u64, Outcome)>, StoreError> {
    log::require_serving(tx.state)?;
    tx.state.pass(CrashPoint::BetweenBatches);
    let by = batch.by;
    let mut outcomes = Vec::new();
    let mut wrote = false;
    for (lines, step) in batch.steps {
        let outcome = match take(tx, by, step)? {
            Ok(true) => {
                wrote = true;
                Ok(())
            }
            Ok(false) => Err(None),
            Err(fault) => Err(Some(fault)),
        };
        outcomes.extend(lines.into_iter().map(|line| {
            let outcome = match outcome {
                Ok(()) => Outcome::New,
                Err(None) => Outcome::Known,
                Err(Some(fault)) => Outcome::Refused(fault),
            };
            (line, outcome)
        }));
    }
    if wrote {
        audit::append(tx, By::Import, AuditAct::Import, None, None)?;
    }
    Ok(outcomes)
}

/// Whether something was written, or why the line is refused.
fn take(tx: &mut Tx<'_>, by: Actor, step: Step) -> Result<Result<bool, LineFault>, StoreError> {
    match step {
        Step::Create {
            document,
            change,
            body,
            position,
        } => {
            mark_session(tx, position.actor)?;
            log::write_packed(tx, None, &document, position, LANE, &change, &body)?;
            Ok(Ok(true))
        }
        Step::Edit { doc, line, hash } => edit(tx, by, doc, |tree| {
            edit_edits(&line, &hash, doc.kind().unwrap_or(DocKind::Chart), tree)
        }),
        Step::Vital { doc, line } => {
            let observation = vital_observation(&line);
            edit(tx, by, doc, |tree| {
                if has_observation(tree, observation) {
                    return Ok(Vec::new());
                }
                let encounter = source(tree).map(|source| source.id).unwrap_or_default();
                let patient = line.patient().unwrap_or_default();
                vital_edits(&line, Some((&encounter, patient)))
            })
        }
        Step::SeriesVital { patient, owner, line } => series(tx, by, patient, &owner, &line),
        Step::Clinic { owner, line, hash } => clinic(tx, by, &owner, &line, &hash),
        Step::SetClinic { clinic } => {
            settings::set_clinic(tx, &clinic)?;
            Ok(Ok(false))
        }
    }
}

/// The row of a session of the import: what it writes came from lines, which an export gives back.
fn mark_session(tx: &Tx<'_>, actor: Actor) -> Result<i64, StoreError> {
    let s = log::session_row(tx, actor)?;
    let mut mark = tx
        .sql
        .prepare_cached("UPDATE sessions SET import = 1 WHERE s = ?1 AND import = 0")?;
    mark.execute([s])?;
    Ok(s)
}

fn has_observation(tree: &Node, observation: ObservationId) -> bool {
    tree.at(&["observations", &observation.to_string()]).is_some()
}

fn edit(
    tx: &mut Tx<'_>,
    actor: Actor,
    doc: DocId,
    edits: impl FnOnce(&Node) -> Result<Vec<Edit>, LineFault>,
) -> Result<Result<bool, LineFault>, StoreError> {
    let row = log::doc_row(tx.sql, doc)?.ok_or(StoreError::Unreadable("document"))?;
    let mut document = log::load_row(tx.sql, row.d, doc)?;
    let edits = match edits(&document.tree()) {
        Ok(edits) if edits.is_empty() => return Ok(Ok(false)),
        Ok(edits) => edits,
        Err(fault) => return Ok(Err(fault)),
    };
    match document.edit(actor, tx.now.at, &edits) {
        Ok(Some(change)) => {
            let s = mark_session(tx, actor)?;
            let position = actor.at(log::next_seq(tx, s)?);
            log::write_own(tx, Some(&row), &document, position, LANE, &change)?;
            Ok(Ok(true))
        }
        Ok(None) => Ok(Ok(false)),
        Err(_) => Ok(Err(LineFault::BadEdit)),
    }
}

fn create(
    tx: &mut Tx<'_>,
    actor: Actor,
    kind: DocKind,
    owner: &ClinicCode,
    edits: &[Edit],
) -> Result<Result<bool, LineFault>, StoreError> {
    let s = mark_session(tx, actor)?;
    let position = actor.at(log::next_seq(tx, s)?);
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: position.seq,
    };
    match Document::create(kind, owner, origin, actor, tx.now.at, edits) {
        Ok((document, change)) => {
            log::write_own(tx, None, &document, position, LANE, &change)?;
            Ok(Ok(true))
        }
        Err(_) => Ok(Err(LineFault::TooLarge)),
    }
}

fn series(
    tx: &mut Tx<'_>,
    by: Actor,
    patient: PatientId,
    owner: &ClinicCode,
    line: &Line,
) -> Result<Result<bool, LineFault>, StoreError> {
    let day = line.time().unwrap_or(tx.now.at).china_date();
    let month = format!("{:04}-{:02}", day.year(), day.month());
    let observation = vital_observation(line);
    let reading = match vital_edits(line, None) {
        Ok(edits) => edits,
        Err(fault) => return Ok(Err(fault)),
    };
    match derive::series_of(tx.sql, patient, &month, owner)? {
        Some(doc) => edit(tx, by, doc, |tree| {
            Ok(if has_observation(tree, observation) {
                Vec::new()
            } else {
                reading
            })
        }),
        None => {
            let mut edits = derive::series_head(patient, &month);
            edits.extend(reading);
            create(tx, by, DocKind::Series, owner, &edits)
        }
    }
}

fn clinic(
    tx: &mut Tx<'_>,
    by: Actor,
    owner: &ClinicCode,
    line: &Line,
    hash: &[u8; 32],
) -> Result<Result<bool, LineFault>, StoreError> {
    match derive::clinics::document_of(tx.sql, owner)? {
        Some(doc) => edit(tx, by, doc, |tree| clinic_edits(line, hash, tree)),
        None => match clinic_edits(line, hash, &Node::default()) {
            Ok(edits) => create(tx, by, DocKind::Clinic, owner, &edits),
            Err(fault) => Ok(Err(fault)),
        },
    }
}
