//! Writing: what a form, a device or a rule brings into documents, in one transaction.

use records::ids::{ClinicCode, DocId, DocKind, FormId, ObservationId, PatientId, StaffId, TrayId};
use records::tree::Edit;
use sync_core::document::{Document, DocumentError, Heads, Origin};
use sync_core::identity::Actor;
use sync_core::wire::Lane;

use crate::audit::{AuditAct, By};
use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{OptionalExtension, params};
use crate::{audit, blobs, derive, drafts, log, sync, tray};

/// Most documents in one commit.
const WRITES_MAX: usize = 64;

/// The document that a write goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A new document.
    New {
        /// Its kind.
        kind: DocKind,
        /// The clinic that owns it.
        owner: ClinicCode,
    },
    /// A document that is held.
    Existing(DocId),
    /// The readings outside visits of a patient in a month; made where this clinic has none yet.
    Series {
        /// The patient.
        patient: PatientId,
        /// The month as `YYYY-MM`.
        month: String,
        /// The clinic that writes.
        owner: ClinicCode,
    },
}

/// Edits of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The document.
    pub target: Target,
    /// Heads that the editor saw; `None` edits the current state.
    pub base: Option<Heads>,
    /// The edits.
    pub edits: Vec<Edit>,
}

impl Write {
    /// Edits of the current state, whatever the editor saw of it.
    pub fn new(target: Target, edits: Vec<Edit>) -> Self {
        Self {
            target,
            base: None,
            edits,
        }
    }
}

/// Effects on local tables in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalEffect {
    /// The draft of this form is done with.
    DropDraft(FormId),
    /// A tray item was attached. Refused where it is no longer waiting.
    ClaimTray {
        /// The item.
        item: TrayId,
        /// Who attached it.
        by: StaffId,
        /// The commit's write (by its place) into whose document it went.
        write: usize,
        /// The observation that it became.
        entry: ObservationId,
    },
    /// A tray item that had been attached waits again. Refused where it is not attached.
    ReleaseTray(TrayId),
}

/// What is written together.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Edits, document by document; one document at most once.
    pub writes: Vec<Write>,
    /// Blobs that the edits name; held from now on.
    pub blobs: Vec<Vec<u8>>,
    /// Who.
    pub by: By,
    /// What they did, for the audit log.
    pub act: AuditAct,
    /// How urgent it is on the link.
    pub lane: Lane,
    /// The form's id: a form that comes twice is applied once.
    pub form: Option<FormId>,
    /// Local effects.
    pub settle: Vec<LocalEffect>,
}

impl Commit {
    /// These writes and nothing beside them: no blobs, no form, no local effects, in the lane of everyday records.
    pub fn new(by: By, act: AuditAct, writes: Vec<Write>) -> Self {
        Self {
            writes,
            blobs: Vec::new(),
            by,
            act,
            lane: Lane::P2,
            form: None,
            settle: Vec::new(),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The documents in the order of the writes.
    pub docs: Vec<DocId>,
    /// Their heads afterwards.
    pub heads: Vec<Heads>,
    /// Whether this form had been applied before, and nothing was written now.
    pub already: bool,
}

/// Nothing of the commit was kept.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space is left.
    #[error("the disk is full")]
    DiskFull,
    /// The document is not held here.
    #[error("document {0} is not held here")]
    UnknownDocument(DocId),
    /// The edit builds on heads that the document never had.
    #[error("the form builds on a state that this box never had")]
    Stale,
    /// The edits or the commit are not possible.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The tray item is not in the state that the effect needs.
    #[error("the reading in the tray has already been dealt with")]
    TrayMoved,
    /// Reading or writing failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::DiskFull,
            StoreError::Document(DocumentError::UnknownBase) => Self::Stale,
            other => Self::Store(other),
        }
    }
}

impl From<crate::sql::Error> for CommitError {
    fn from(error: crate::sql::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<DocumentError> for CommitError {
    fn from(error: DocumentError) -> Self {
        StoreError::from(error).into()
    }
}

impl Store {
    /// Writes documents, blobs, audit entry and local effects in one transaction. When it returns, all of it is
    /// on the disk; on an error nothing of it is.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.write(move |tx| apply(tx, &commit)).await
    }

    /// Whether a form was applied already.
    pub async fn form_applied(&self, form: FormId) -> Result<bool, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached("SELECT 1 FROM local_forms WHERE form = ?1")?;
            Ok(find.exists([form.as_bytes()])?)
        })
        .await
    }
}

fn apply(tx: &mut Tx<'_>, commit: &Commit) -> Result<Committed, CommitError> {
    log::require_serving(tx.state)?;
    if let Some(done) = commit
        .form
        .map(|form| applied_before(tx, form))
        .transpose()?
        .flatten()
    {
        return Ok(done);
    }
    if commit.writes.len() > WRITES_MAX {
        return Err(CommitError::Refused("too many documents in one commit"));
    }
    let mut done = Committed {
        docs: Vec::new(),
        heads: Vec::new(),
        already: false,
    };
    let mut patient = None;
    for write in &commit.writes {
        let (document, about) = apply_write(tx, write, commit.lane)?;
        if done.docs.contains(&document.id()) {
            return Err(CommitError::Refused("one document twice in one commit"));
        }
        patient = patient.or(about);
        done.docs.push(document.id());
        done.heads.push(document.heads());
    }
    for blob in &commit.blobs {
        let id = blobs::put(tx, blob)?;
        sync::note_blob(tx, commit.lane, id, done.docs.first().copied(), blob.len())?;
    }
    settle(tx, commit, &done)?;
    if let Some(form) = commit.form {
        remember(tx, form, &done)?;
    }
    audit::append(tx, commit.by, commit.act, patient, done.docs.first().copied())?;
    Ok(done)
}

fn apply_write(
    tx: &mut Tx<'_>,
    write: &Write,
    lane: Lane,
) -> Result<(Document, Option<PatientId>), CommitError> {
    match &write.target {
        Target::New { kind, owner } => create(tx, *kind, owner, &write.edits, lane),
        Target::Existing(doc) => edit(tx, *doc, write.base.as_ref(), &write.edits, lane),
        Target::Series {
            patient,
            month,
            owner,
        } => {
            if let Some(doc) = derive::series_of(tx.sql, *patient, month, owner)? {
                return edit(tx, doc, write.base.as_ref(), &write.edits, lane);
            }
            let mut edits = derive::series_head(*patient, month);
            edits.extend(write.edits.iter().cloned());
            create(tx, DocKind::Series, owner, &edits, lane)
        }
    }
}

fn create(
    tx: &mut Tx<'_>,
    kind: DocKind,
    owner: &ClinicCode,
    edits: &[Edit],
    lane: Lane,
) -> Result<(Document, Option<PatientId>), CommitError> {
    let actor = tx.state.actor;
    let s = log::session_row(tx, actor)?;
    let position = actor.at(log::next_seq(tx, s)?);
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: position.seq,
    };
    let (document, change) = Document::create(kind, owner, origin, actor, tx.now.at, edits)?;
    let patient = log::write_own(tx, None, &document, position, lane, &change)?;
    Ok((document, patient))
}

fn edit(
    tx: &mut Tx<'_>,
    doc: DocId,
    base: Option<&Heads>,
    edits: &[Edit],
    lane: Lane,
) -> Result<(Document, Option<PatientId>), CommitError> {
    let row = log::doc_row(tx.sql, doc)?.ok_or(CommitError::UnknownDocument(doc))?;
    let mut document = log::load_row(tx.sql, row.d, doc)?;
    let base = base.map(|base| sync::heads_today(tx.sql, base)).transpose()?;
    let (actor, change) = match &base {
        Some(base) if *base != document.heads() => {
            if base.is_empty() || !document.has(base) {
                return Err(CommitError::Stale);
            }
            let actor = writer_on(tx, &document, base);
            (actor, document.edit_at(base, actor, tx.now.at, edits)?)
        }
        Some(_) | None => (tx.state.actor, document.edit(tx.state.actor, tx.now.at, edits)?),
    };
    let Some(change) = change else {
        let patient = derive::patient_of(&document);
        return Ok((document, patient));
    };
    let s = log::session_row(tx, actor)?;
    let position = actor.at(log::next_seq(tx, s)?);
    let patient = log::write_own(tx, Some(&row), &document, position, lane, &change)?;
    Ok((document, patient))
}

/// Who may write on old heads: the main session where it has not written past them, else a side session of this
/// run, a new one only where all have. So a number is never given twice within a document.
fn writer_on(tx: &mut Tx<'_>, document: &Document, base: &Heads) -> Actor {
    let device = tx.state.actor.device;
    let known = std::iter::once(tx.state.actor.session).chain(tx.state.side_sessions.iter().copied());
    let free = known
        .map(|session| Actor { device, session })
        .find(|actor| document.is_free(*actor, base));
    free.unwrap_or_else(|| {
        let session = records::ids::SessionId(tx.state.fresh());
        tx.state.side_sessions.push(session);
        Actor { device, session }
    })
}

fn applied_before(tx: &Tx<'_>, form: FormId) -> Result<Option<Committed>, CommitError> {
    let mut find = tx
        .sql
        .prepare_cached("SELECT docs FROM local_forms WHERE form = ?1")?;
    let docs: Option<Vec<u8>> = find.query_row([form.as_bytes()], |row| row.get(0)).optional()?;
    let Some(docs) = docs else { return Ok(None) };
    let docs: Vec<DocId> = docs.as_chunks::<16>().0.iter().map(|id| DocId(*id)).collect();
    let heads = docs
        .iter()
        .map(|doc| Ok(log::doc_heads(tx.sql, *doc)?.unwrap_or_default()))
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Some(Committed {
        docs,
        heads,
        already: true,
    }))
}

fn remember(tx: &Tx<'_>, form: FormId, done: &Committed) -> Result<(), CommitError> {
    let docs: Vec<u8> = done.docs.iter().flat_map(|doc| doc.0).collect();
    tx.sql.execute(
        "INSERT INTO local_forms(form, at, docs) VALUES(?1, ?2, ?3)",
        params![form.as_bytes(), tx.now.at.0, docs],
    )?;
    Ok(())
}

fn settle(tx: &mut Tx<'_>, commit: &Commit, done: &Committed) -> Result<(), CommitError> {
    for effect in &commit.settle {
        match effect {
            LocalEffect::DropDraft(form) => drafts::remove(tx, *form)?,
            LocalEffect::ClaimTray {
                item,
                by,
                write,
                entry,
            } => {
                let doc = done
                    .docs
                    .get(*write)
                    .ok_or(CommitError::Refused("no such write"))?;
                if !tray::claim(tx, *item, *by, *doc, *entry)? {
                    return Err(CommitError::TrayMoved);
                }
                tx.emit(StoreEvent::Tray);
            }
            LocalEffect::ReleaseTray(item) => {
                if !tray::release(tx, *item)? {
                    return Err(CommitError::TrayMoved);
                }
                tx.emit(StoreEvent::Tray);
            }
        }
    }
    Ok(())
}
