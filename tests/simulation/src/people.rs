//! What people do at a box and at the hub's desks, through the same calls that the pages make. Each act is told to
//! the model as a person would remember it: what was written, where, and what stood there before.

use records::encounters::open_visit;
use records::ids::{ClinicCode, DocKind, EncounterId, FormId, PatientId, StaffId};
use records::tree::Edit;
use records::vitals::{GlucoseTiming, Measured, Observation, Origin, VitalKind, add_observation};
use store::{AuditAct, By, Commit, CommitError, Committed, Lane, Target, Write};
use sync_core::document::Heads;

use crate::dice::Dice;
use crate::machine::{Machine, PowerCut, at_once};
use crate::model::{Fact, FactId, Model, Place, Standing, mark, marks};
use crate::reading::{facts_in, reading_of};

/// Fields of a chart that people change.
const FIELDS: [(&str, &str); 4] = [
    ("address", "group"),
    ("address", "detail"),
    ("household", "head"),
    ("ext", "note"),
];
const DOCTOR: StaffId = StaffId([7; 8]);
/// Patients that a person chooses among: those seen last are seen again.
const CHOICE: usize = 60;
/// How often somebody is looked for who is here.
const TRIES: usize = 8;

/// Who acts: at which machine, for which clinic.
pub(crate) struct Person<'a> {
    pub(crate) machine: &'a mut Machine,
    pub(crate) model: &'a mut Model,
    pub(crate) dice: &'a mut Dice,
    pub(crate) author: usize,
    pub(crate) clinic: usize,
    pub(crate) trust: Trust,
}

/// What is to become of what somebody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It is kept.
    Honest,
    /// It reaches nobody: the box was stolen, and the hub serves it no more.
    ShutOut,
    /// It may come and may not: the box lies, or the hub forgot that it was stolen.
    Doubtful,
}

/// A form that was filled on what its page showed, to be sent later, perhaps twice.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    id: FormId,
    patient: u32,
    owner: usize,
    chart: PatientId,
    heads: Heads,
    field: (&'static str, &'static str),
    over: Vec<FactId>,
    fact: FactId,
}

pub(crate) fn code(clinic: usize) -> ClinicCode {
    format!("{:04}", clinic + 17).parse().unwrap()
}

fn commit(writes: Vec<Write>, act: AuditAct, lane: Lane, form: Option<FormId>) -> Commit {
    Commit {
        writes,
        blobs: Vec::new(),
        by: By::Staff(DOCTOR),
        act,
        lane,
        form,
        settle: Vec::new(),
    }
}

fn write(target: Target, edits: Vec<Edit>) -> Write {
    Write {
        target,
        base: None,
        edits,
    }
}

impl Person<'_> {
    fn commit(&mut self, commit: Commit) -> Result<Result<Committed, CommitError>, PowerCut> {
        self.machine.call(|store| at_once(store.commit(commit)))
    }

    fn note(&mut self, id: FactId, patient: u32, owner: usize, place: Place, over: Vec<FactId>, saved: bool) {
        let standing = if saved && self.trust == Trust::Honest {
            Standing::Saved
        } else {
            Standing::Unsure
        };
        let fact = Fact {
            author: self.author,
            patient,
            owner,
            place,
            over,
            standing,
        };
        self.model.wrote(id, fact);
        if self.trust == Trust::ShutOut {
            self.model.shut_out([id].into());
        }
    }

    /// Somebody whom this machine shows: number and id.
    fn somebody(&mut self) -> Option<(u32, PatientId)> {
        let newest: Vec<(u32, PatientId)> = self
            .model
            .patients
            .iter()
            .rev()
            .take(CHOICE)
            .filter_map(|(number, patient)| Some((*number, patient.id?)))
            .collect();
        for _ in 0..TRIES {
            let (number, id) = *self.dice.pick(&newest)?;
            let line = at_once(self.machine.store().patient_line(id)).unwrap();
            // Under a copied disk one id may have been given to two people.
            if line.is_some_and(|line| marks(&line.name).next() == Some(number)) {
                return Some((number, id));
            }
        }
        None
    }

    /// A new patient comes.
    pub(crate) fn register(&mut self) -> Result<(), PowerCut> {
        let id = self.model.draw();
        let name = Edit::put(&["person", "name"], format!("示例{}", mark(id)));
        let target = Target::New {
            kind: DocKind::Chart,
            owner: code(self.clinic),
        };
        let done = self.commit(commit(
            vec![write(target, vec![name])],
            AuditAct::ChartChange,
            Lane::P2,
            None,
        ));
        let chart = match &done {
            Ok(done) => done.as_ref().unwrap().docs[0].patient(),
            Err(PowerCut) => None,
        };
        self.model.register(id, self.clinic, chart);
        self.note(id, id, self.clinic, Place::Entry, Vec::new(), done.is_ok());
        done.map(drop)
    }

    /// A visit: its complaint, now and then an urgent one, and a note that is written later.
    /// The fact's number where it is urgent.
    pub(crate) fn visit(&mut self) -> Result<Option<FactId>, PowerCut> {
        let Some((patient, chart)) = self.somebody() else {
            return self.register().map(|()| None);
        };
        let id = self.model.draw();
        let at = self.machine.store().clock().now();
        let mut edits = open_visit(chart, &code(self.clinic), DOCTOR, "示例医生", at);
        edits.push(Edit::put(&["note", "complaint"], format!("头晕{}", mark(id))));
        let target = Target::New {
            kind: DocKind::Encounter,
            owner: code(self.clinic),
        };
        let lane = if self.dice.chance(10) { Lane::P1 } else { Lane::P2 };
        let done = self.commit(commit(
            vec![write(target, edits)],
            AuditAct::ChartChange,
            lane,
            None,
        ));
        self.note(id, patient, self.clinic, Place::Entry, Vec::new(), done.is_ok());
        let docs = done?.unwrap().docs;
        if self.dice.chance(50) {
            self.advice(patient, docs[0].encounter())?;
        }
        Ok((lane == Lane::P1).then_some(id))
    }

    fn advice(&mut self, patient: u32, visit: Option<EncounterId>) -> Result<(), PowerCut> {
        let Some(visit) = visit else { return Ok(()) };
        let Some(read) = at_once(self.machine.store().encounter(visit)).unwrap() else {
            return Ok(());
        };
        let over = marks(&read.value.advice).collect();
        let id = self.model.draw();
        let text = format!("多休息，少盐，一周后复查{}", mark(id));
        let edits = vec![Edit::put(&["note", "advice"], text)];
        let done = self.commit(commit(
            vec![write(Target::Existing(visit.doc()), edits)],
            AuditAct::ChartChange,
            Lane::P2,
            None,
        ));
        let place = Place::Field(format!("{visit}/advice"));
        self.note(id, patient, self.clinic, place, over, done.is_ok());
        done.map(|done| drop(done.unwrap()))
    }

    /// A reading at the kiosk.
    pub(crate) fn reading(&mut self) -> Result<(), PowerCut> {
        let Some((patient, chart)) = self.somebody() else {
            return self.register();
        };
        let id = self.model.draw();
        let pulse = 60 + self.dice.below(40).cast_signed();
        let taken = self.machine.store().clock().now();
        let observation = Observation {
            id: reading_of(id),
            measured: Measured::from_numbers(VitalKind::Pulse, &[pulse], GlucoseTiming::Random).unwrap(),
            taken,
            origin: Origin::Kiosk {
                key: "simulated".to_owned(),
                serial: "1".to_owned(),
            },
            by: None,
            marks: Vec::new(),
            withdrawn: None,
        };
        let target = Target::Series {
            patient: chart,
            month: taken.at.china_date().to_string()[..7].to_owned(),
            owner: code(self.clinic),
        };
        let write = write(target, add_observation(&observation));
        let done = self.commit(commit(vec![write], AuditAct::ReadingAttach, Lane::P2, None));
        self.note(id, patient, self.clinic, Place::Entry, Vec::new(), done.is_ok());
        done.map(|done| drop(done.unwrap()))
    }

    /// A form is opened: what it shows now is what it is based on.
    pub(crate) fn open_form(&mut self) -> Option<Form> {
        let (patient, chart) = self.somebody()?;
        let field = *self.dice.pick(&FIELDS)?;
        let read = at_once(self.machine.store().chart_tree(chart)).unwrap()?;
        let fact = self.model.draw();
        let mut id = [0; 16];
        id[..4].copy_from_slice(&fact.to_be_bytes());
        Some(Form {
            id: FormId(id),
            patient,
            owner: self.model.patients.get(&patient)?.owner,
            chart,
            heads: read.heads,
            field,
            over: facts_in(&read.value, &[field.0, field.1]),
            fact,
        })
    }

    /// A form is sent; `true` where the page said that it is saved. One that is sent twice counts once.
    pub(crate) fn send(&mut self, form: &Form) -> Result<bool, PowerCut> {
        let text = format!("{}组{}", self.dice.below(9), mark(form.fact));
        let one = Write {
            target: Target::Existing(form.chart.doc()),
            base: Some(form.heads.clone()),
            edits: vec![Edit::put(&[form.field.0, form.field.1], text)],
        };
        let done = self.commit(commit(vec![one], AuditAct::ChartChange, Lane::P2, Some(form.id)));
        let saved = match &done {
            Ok(Ok(_)) => true,
            // The chart left the clinic meanwhile, or this disk is older than the page: the page says so.
            Ok(Err(CommitError::UnknownDocument(_) | CommitError::Stale)) => return Ok(false),
            Ok(Err(other)) => panic!("{other}"),
            Err(PowerCut) => false,
        };
        let known = self.model.facts.get(&form.fact).map(|fact| fact.standing);
        if known != Some(Standing::Saved) {
            let place = Place::Field(format!("{}/{}.{}", form.patient, form.field.0, form.field.1));
            self.note(
                form.fact,
                form.patient,
                form.owner,
                place,
                form.over.clone(),
                saved,
            );
        }
        done.map(|_| saved)
    }

    /// A form that is sent again as if it were another one: what must not be possible.
    pub(crate) fn send_as_new(&mut self, form: &Form) -> Result<(), PowerCut> {
        let text = mark(form.fact);
        let edit = Edit::put(&["ext", &format!("twice{}", form.fact)], text.clone());
        let again = Edit::put(&["ext", &format!("again{}", form.fact)], text);
        let one = write(Target::Existing(form.chart.doc()), vec![edit, again]);
        let done = self.commit(commit(vec![one], AuditAct::ChartChange, Lane::P2, None));
        if let Some(fact) = self.model.facts.get_mut(&form.fact) {
            fact.place = Place::Entry;
        }
        done.map(drop)
    }

    /// A county doctor edits somebody's chart.
    pub(crate) fn at_the_desk(&mut self) -> Result<(), PowerCut> {
        match self.open_form() {
            Some(form) => self.send(&form).map(drop),
            None => Ok(()),
        }
    }

    /// A picture or a recording with a chart.
    pub(crate) fn attach(&mut self) -> Result<(), PowerCut> {
        let Some((patient, chart)) = self.somebody() else {
            return Ok(());
        };
        let Some(owner) = self.model.patients.get(&patient).map(|patient| patient.owner) else {
            return Ok(());
        };
        let id = self.model.draw();
        let length = 4_000 + self.dice.index(40_000);
        let content = content_of(id, length);
        let mut with = commit(
            vec![write(
                Target::Existing(chart.doc()),
                vec![Edit::put(&["ext", &format!("blob{id}")], mark(id))],
            )],
            AuditAct::ChartChange,
            Lane::P2,
            None,
        );
        with.blobs = vec![content];
        let done = self.commit(with);
        self.note(id, patient, owner, Place::Entry, Vec::new(), done.is_ok());
        self.model.blobs.insert(id, length);
        done.map(|done| drop(done.unwrap()))
    }
}

/// The bytes of a picture: its number and its length decide them.
pub(crate) fn content_of(id: FactId, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&id.to_be_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}
