//! A visit to read: what was signed, and what was added later.

use maud::Markup;
use records::encounters::{Encounter, EncounterState};
use records::ids::EncounterId;
use records::patients::Chart;
use records::time::Date;

use super::facts::{ecg_row, print_head};
use super::shelf::{Names, Shelf};
use crate::checks::label;
use crate::texts::Lang;
use crate::visits::{AmendmentView, VisitView, visit_page};
use crate::words::{self, diagnosis_line, visit_state};

/// A visit and what its page needs.
pub struct VisitRead<'a> {
    /// Language.
    pub lang: Lang,
    /// Today.
    pub today: Date,
    /// Its id.
    pub id: EncounterId,
    /// The visit.
    pub visit: &'a Encounter,
    /// The person's chart.
    pub chart: &'a Chart,
    /// Who wrote what.
    pub names: &'a Names,
    /// Name of the clinic.
    pub clinic: &'a str,
    /// The maker's name of a device, by its key.
    pub device: fn(&str) -> String,
    /// What can be done: buttons.
    pub actions: &'a Markup,
    /// Questions that need a person.
    pub questions: &'a [Markup],
}

/// Draws a visit to read.
pub fn visit(read: &VisitRead<'_>) -> Markup {
    let VisitRead {
        lang,
        visit,
        chart,
        names,
        ..
    } = *read;
    let shelf = Shelf {
        lang,
        chart,
        names,
        device: read.device,
        withdraw: None,
    };
    let doc = read.id.doc();
    let notes = [
        ("complaint", &visit.complaint),
        ("history", &visit.history),
        ("examination", &visit.examination),
        ("advice", &visit.advice),
    ]
    .map(|(field, text)| (label(lang, field), text.clone()));
    let (signed, source) = match &visit.state {
        EncounterState::Signed(signature) => (Some((signature.name.as_str(), signature.at.at)), None),
        EncounterState::Imported(source) => (None, Some(source.id.as_str())),
        EncounterState::Open => (None, None),
    };
    let view = VisitView {
        today: read.today,
        at: visit.opened.at,
        doctor: &visit.doctor,
        clinic: read.clinic,
        state: visit_state(visit.state.word()),
        source,
        triage: visit
            .triage
            .as_ref()
            .map(|one| (one.level, words::triage(lang, one.level), one.reason.clone())),
        notes: &notes,
        diagnoses: &visit
            .diagnoses
            .iter()
            .map(|one| diagnosis_line(lang, one))
            .collect::<Vec<_>>(),
        readings: &shelf.lines(visit.observations.iter().rev().map(|one| (doc, one))),
        ecgs: &visit.ecgs.iter().map(|ecg| ecg_row(doc, ecg)).collect::<Vec<_>>(),
        signed,
        amendments: &amendments(lang, visit, names),
        actions: read.actions,
        questions: read.questions,
        print_head: &print_head(lang, chart),
    };
    visit_page(lang, &view)
}

/// What was added later, and what was written past the signature by somebody who did not know of it.
pub fn amendments(lang: Lang, visit: &Encounter, staff: &Names) -> Vec<AmendmentView> {
    let added = visit.amendments.iter().map(|amendment| AmendmentView {
        by: if amendment.name.is_empty() {
            amendment.by.map(|by| staff.get(lang, by)).unwrap_or_default()
        } else {
            amendment.name.clone()
        },
        at: amendment.at.map_or(visit.opened.at, |at| at.at),
        reason: amendment.reason.clone(),
        text: amendment.text.clone(),
    });
    let late = visit.late.iter().filter_map(|late| {
        let field = late.path.last()?;
        let value = late
            .value
            .as_text()
            .map(str::to_owned)
            .or_else(|| late.value.as_int().map(|n| n.to_string()))?;
        Some(AmendmentView {
            by: String::new(),
            at: visit
                .signatures
                .first()
                .map_or(visit.opened.at, |signature| signature.at.at),
            reason: lang.t("visit-late"),
            text: format!("{} {value}", label(lang, field)),
        })
    });
    added.chain(late).collect()
}
