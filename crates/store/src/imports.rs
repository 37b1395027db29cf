//! Taking lines of other programs: each becomes a document of the real kinds, once.
//!
//! One thread parses lines and makes documents, the writing thread puts them into the database and derives their
//! rows, a batch a transaction. The import writes under sessions of its own: so the numbers of its changes can be given
//! ahead of the writing thread, and an export knows what came from lines.

mod batch;
mod resolve;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Read};

use records::ids::{ClinicCode, DocId, DocKind, SessionId};
use records::imports::{
    Line, LineFault, LineKind, encounter_edits, patient_edits, vital_edits, vital_observation,
};
use records::tree::Edit;
use sync_core::document::{Document, Origin};
use sync_core::identity::Actor;

use crate::engine::{Store, StoreError};
use crate::json;
use batch::{Batch, Outcome, Step};
use resolve::Resolver;

/// Documents of one transaction.
const BATCH_DOCUMENTS: usize = 400;
/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Refused lines that are listed; all are counted.
const FAULTS_MAX: usize = 10_000;
/// Owner of what is imported where neither the folder nor the file names a clinic.
const NO_CLINIC: &str = "local";

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Lines read; blank ones do not count.
    pub lines: u64,
    /// Lines that were taken now.
    pub new: u64,
    /// Lines that were here already.
    pub known: u64,
    /// Lines that were not taken.
    pub refused: u64,
    /// Which ones by their number in the file from 1, and why.
    pub faults: Vec<(u64, LineFault)>,
}

/// The import stopped; what was taken before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The lines could not be read.
    #[error("reading the lines: {0}")]
    Read(#[from] std::io::Error),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Hears how many lines are done.
pub type LinesDone = Box<dyn FnMut(u64) + Send>;

impl Store {
    /// Takes lines of newline-delimited JSON. A line that came before changes nothing.
    pub async fn import<L>(&self, lines: L, progress: LinesDone) -> Result<ImportReport, ImportError>
    where
        L: Iterator<Item = std::io::Result<Vec<u8>>> + Send + 'static,
    {
        let store = self.clone();
        let running = tokio::runtime::Handle::current();
        let worker = tokio::task::spawn_blocking(move || Importer::new(store, running)?.run(lines, progress));
        worker.await.map_err(|_| StoreError::Closed)?
    }
}

/// A batch on its way through the writing thread.
type Flying = tokio::task::JoinHandle<Result<Vec<(u64, Outcome)>, StoreError>>;

/// A visit whose readings may still follow.
struct OpenVisit {
    source: String,
    patient: String,
    edits: Vec<Edit>,
    lines: Vec<u64>,
    observations: Vec<records::ids::ObservationId>,
}

struct Importer {
    store: Store,
    running: tokio::runtime::Handle,
    /// Writes the documents that this thread makes.
    actor: Actor,
    /// Writes what the writing thread adds to documents.
    later: Actor,
    next: u64,
    clinic: Option<ClinicCode>,
    no_clinic: ClinicCode,
    resolver: Resolver,
    visit: Option<OpenVisit>,
    batch: Batch,
    flying: Option<Flying>,
    /// `meta` lines that wait for a clinic.
    early: Vec<(u64, Line, [u8; 32])>,
    report: ImportReport,
}

impl Importer {
    fn new(store: Store, running: tokio::runtime::Handle) -> Result<Self, ImportError> {
        let session = || Actor {
            device: store.device(),
            session: SessionId(store.fresh()),
        };
        let (actor, later) = (session(), session());
        let resolver = Resolver::open(&store)?;
        let clinic = resolver.clinic()?;
        let no_clinic = NO_CLINIC
            .parse()
            .map_err(|_| StoreError::Unreadable("clinic code"))?;
        Ok(Self {
            store,
            running,
            actor,
            later,
            next: 1,
            clinic,
            no_clinic,
            resolver,
            visit: None,
            batch: Batch::new(later),
            flying: None,
            early: Vec::new(),
            report: ImportReport::default(),
        })
    }

    fn run(
        mut self,
        lines: impl Iterator<Item = std::io::Result<Vec<u8>>>,
        mut progress: LinesDone,
    ) -> Result<ImportReport, ImportError> {
        for (bytes, number) in lines.zip(1u64..) {
            let bytes = bytes?;
            let text = bytes.trim_ascii();
            if text.is_empty() {
                continue;
            }
            self.report.lines += 1;
            if let Err(fault) = self.line(number, text) {
                self.refuse(number, fault?);
            }
            if self.batch.documents() >= BATCH_DOCUMENTS {
                self.send()?;
                progress(self.report.lines);
            }
        }
        self.close_visit();
        self.take_early()?;
        self.send()?;
        self.land()?;
        progress(self.report.lines);
        self.report.faults.sort_unstable_by_key(|(number, _)| *number);
        Ok(self.report)
    }

    fn refuse(&mut self, number: u64, fault: LineFault) {
        self.report.refused += 1;
        if self.report.faults.len() < FAULTS_MAX {
            self.report.faults.push((number, fault));
        }
    }

    /// Takes a line; the outer error of a refusal is the store's.
    fn line(&mut self, number: u64, text: &[u8]) -> Result<(), Result<LineFault, ImportError>> {
        let line = parse(text).map_err(Ok)?;
        let kind = line.kind();
        if kind != LineKind::Vital {
            self.close_visit();
        }
        match kind {
            LineKind::Meta | LineKind::Clinic => self
                .clinic_line(number, line, blake3::hash(text).into())
                .map_err(Err),
            LineKind::Patient => self.patient(number, &line),
            LineKind::Encounter => self.encounter(number, &line),
            LineKind::Vital => self.vital(number, line),
            LineKind::Edit => {
                let doc = self.resolver.find(line.id()).map_err(|error| Err(error.into()))?;
                let doc = doc.ok_or(Ok(LineFault::UnknownPatient))?;
                self.batch.push(
                    number,
                    Step::Edit {
                        doc,
                        line,
                        hash: blake3::hash(text).into(),
                    },
                );
                Ok(())
            }
        }
    }

    fn clinic_line(&mut self, number: u64, line: Line, hash: [u8; 32]) -> Result<(), ImportError> {
        if self.clinic.is_none() && line.kind() == LineKind::Clinic {
            self.clinic = line.id().parse().ok();
            if let Some(clinic) = self.clinic.clone() {
                self.batch.push_quiet(Step::SetClinic { clinic });
            }
        }
        if self.clinic.is_none() {
            self.early.push((number, line, hash));
            return Ok(());
        }
        let owner = self.owner();
        for (number, line, hash) in std::mem::take(&mut self.early) {
            self.batch.push(
                number,
                Step::Clinic {
                    owner: owner.clone(),
                    line,
                    hash,
                },
            );
        }
        self.batch.push(number, Step::Clinic { owner, line, hash });
        Ok(())
    }

    fn take_early(&mut self) -> Result<(), ImportError> {
        let owner = self.owner();
        for (number, line, hash) in std::mem::take(&mut self.early) {
            self.batch.push(
                number,
                Step::Clinic {
                    owner: owner.clone(),
                    line,
                    hash,
                },
            );
        }
        Ok(())
    }

    fn owner(&self) -> ClinicCode {
        self.clinic.as_ref().unwrap_or(&self.no_clinic).clone()
    }

    fn patient(&mut self, number: u64, line: &Line) -> Result<(), Result<LineFault, ImportError>> {
        if self.is_known(line.id())? {
            self.report.known += 1;
            return Ok(());
        }
        let edits = patient_edits(line).map_err(Ok)?;
        self.create(DocKind::Chart, line.id(), &edits, &[number])
    }

    fn encounter(&mut self, number: u64, line: &Line) -> Result<(), Result<LineFault, ImportError>> {
        if self.is_known(line.id())? {
            self.report.known += 1;
            return Ok(());
        }
        let patient = line.patient().unwrap_or_default();
        let chart = self.resolver.find(patient).map_err(|error| Err(error.into()))?;
        let chart = chart
            .and_then(DocId::patient)
            .ok_or(Ok(LineFault::UnknownPatient))?;
        let edits = encounter_edits(line, chart).map_err(Ok)?;
        self.visit = Some(OpenVisit {
            source: line.id().to_owned(),
            patient: patient.to_owned(),
            edits,
            lines: vec![number],
            observations: Vec::new(),
        });
        Ok(())
    }

    fn vital(&mut self, number: u64, line: Line) -> Result<(), Result<LineFault, ImportError>> {
        if let Some(visit) = &mut self.visit
            && line.encounter() == Some(visit.source.as_str())
        {
            let observation = vital_observation(&line);
            if visit.observations.contains(&observation) {
                self.report.known += 1;
                return Ok(());
            }
            visit
                .edits
                .extend(vital_edits(&line, Some((&visit.source, &visit.patient))).map_err(Ok)?);
            visit.lines.push(number);
            visit.observations.push(observation);
            return Ok(());
        }
        self.close_visit();
        let step = match line.encounter().filter(|id| !id.is_empty()) {
            Some(encounter) => {
                let doc = self.resolver.find(encounter).map_err(|error| Err(error.into()))?;
                let doc = doc.filter(|doc| doc.kind() == Some(DocKind::Encounter));
                let doc = doc.ok_or(Ok(LineFault::UnknownVisit))?;
                let held = self.resolver.has_observation(doc, vital_observation(&line));
                if held.map_err(|error| Err(error.into()))? {
                    self.report.known += 1;
                    return Ok(());
                }
                Step::Vital { doc, line }
            }
            None => {
                let chart = self.resolver.find(line.patient().unwrap_or_default());
                let chart = chart.map_err(|error| Err(error.into()))?;
                let patient = chart
                    .and_then(DocId::patient)
                    .ok_or(Ok(LineFault::UnknownPatient))?;
                Step::SeriesVital {
                    patient,
                    owner: self.owner(),
                    line,
                }
            }
        };
        self.batch.push(number, step);
        Ok(())
    }

    fn is_known(&mut self, source: &str) -> Result<bool, Result<LineFault, ImportError>> {
        Ok(self
            .resolver
            .find(source)
            .map_err(|error| Err(error.into()))?
            .is_some())
    }

    /// Makes the document of the open visit, now that none of its readings follows any more.
    fn close_visit(&mut self) {
        let Some(visit) = self.visit.take() else { return };
        let made = self.create(DocKind::Encounter, &visit.source, &visit.edits, &visit.lines);
        if made.is_err() {
            for number in visit.lines {
                self.refuse(number, LineFault::TooLarge);
            }
        }
    }

    fn create(
        &mut self,
        kind: DocKind,
        source: &str,
        edits: &[Edit],
        lines: &[u64],
    ) -> Result<(), Result<LineFault, ImportError>> {
        let origin = Origin {
            device: self.actor.device,
            session: self.actor.session,
            n: self.next,
        };
        let at = self.store.inner.clock.now().at;
        let made = Document::create(kind, &self.owner(), origin, self.actor, at, edits);
        let (document, change) = made.map_err(|_| Ok(LineFault::TooLarge))?;
        self.next += 1;
        self.resolver.note(source, document.id());
        let position = self.actor.at(origin.n);
        let body = crate::log::fold(position.actor, document.id(), &change.bytes);
        self.batch.push_document(
            lines,
            Step::Create {
                document: Box::new(document),
                change,
                body,
                position,
            },
        );
        Ok(())
    }

    /// Hands the batch to the writing thread and waits for the one before.
    fn send(&mut self) -> Result<(), ImportError> {
        self.land()?;
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.later));
        self.resolver.turn();
        let store = self.store.clone();
        self.flying = Some(
            self.running
                .spawn(async move { store.write(move |tx| batch::write(tx, batch)).await }),
        );
        Ok(())
    }

    fn land(&mut self) -> Result<(), ImportError> {
        let Some(flying) = self.flying.take() else {
            return Ok(());
        };
        let outcomes = self.running.block_on(flying).map_err(|_| StoreError::Closed)??;
        self.resolver.landed();
        for (number, outcome) in outcomes {
            match outcome {
                Outcome::New => self.report.new += 1,
                Outcome::Known => self.report.known += 1,
                Outcome::Refused(fault) => self.refuse(number, fault),
            }
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Result<Line, LineFault> {
    if text.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLarge);
    }
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| LineFault::NotAnObject)?;
    if !value.is_object() {
        return Err(LineFault::NotAnObject);
    }
    Line::read(json::to_node(value).ok_or(LineFault::TooLarge)?)
}

/// One run of a fuzzer: the bytes as lines of an import.
pub fn fuzz_one(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = parse(line);
    }
}

/// Splits a stream into lines, without limit on their number; one that is too long comes cut, and so is refused.
pub fn lines_of(
    input: impl BufRead + Send + 'static,
) -> impl Iterator<Item = std::io::Result<Vec<u8>>> + Send {
    LinesOf { input }
}

struct LinesOf<R> {
    input: R,
}

impl<R: BufRead> Iterator for LinesOf<R> {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        match self.input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) if line.last() == Some(&b'\n') || (line.len() as u64) < limit => Some(Ok(line)),
            Ok(_) => match skip_line(&mut self.input) {
                Ok(()) => Some(Ok(line)),
                Err(error) => Some(Err(error)),
            },
            Err(error) => Some(Err(error)),
        }
    }
}

/// Skips the rest of a line without keeping it.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(piece.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}
