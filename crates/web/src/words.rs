//! Words for what records write as codes, and lines of lists made from records.

use records::encounters::{Certainty, Diagnosis, EncounterLine};
use records::ids::ClinicCode;
use records::patients::{Allergy, AllergyBadge, Problem};
use records::patients::{AllergyState, Chart, Medication, PatientLine, Sex};
use records::staff::Role;
use records::tables;
use records::time::{BirthDate, Date};

use crate::banner::{AllergyLine, BannerView, Died};
use crate::patients::{DrugLine, FactLine, PatientRow};
use crate::texts::Lang;
use crate::visits::{DiagnosisLine, VisitRow, VisitState};

/// The word for a sex; empty where it is unknown.
pub fn sex(lang: Lang, sex: Sex) -> String {
    match sex {
        Sex::Male => lang.t("sex-male"),
        Sex::Female => lang.t("sex-female"),
        Sex::Unknown => String::new(),
    }
}

/// The label of a code in a code list; a code that no list has stays as it is written.
pub fn code(lang: Lang, list: &str, code: &str) -> String {
    let found = tables::code_list(list).find(|line| line.code == code);
    found.map_or_else(
        || code.to_owned(),
        |line| {
            if lang == Lang::Zh {
                line.zh.clone()
            } else {
                line.en.clone()
            }
        },
    )
}

/// The name of a role.
pub fn role(lang: Lang, role: Role) -> String {
    code(lang, "role", role.word())
}

/// The words of a triage level.
pub fn triage(lang: Lang, level: u8) -> String {
    code(lang, "triage_level", &level.to_string())
}

/// The allergy line of a chart; `clinical` is whether the reader sees clinical facts.
pub fn allergy_line(chart: &Chart, clinical: bool) -> AllergyLine {
    if !clinical {
        return AllergyLine::Withheld;
    }
    match &chart.allergies {
        AllergyState::Known(known) => {
            AllergyLine::Known(known.iter().map(|allergy| allergy.agent.clone()).collect())
        }
        AllergyState::NoneKnown => AllergyLine::NoneKnown,
        AllergyState::NotAsked => AllergyLine::NotAsked,
        AllergyState::Unreadable => AllergyLine::Unreadable,
    }
}

/// What the banner borrows from a chart.
#[derive(Debug, Clone)]
pub struct BannerWords {
    sex: String,
    id_tail: Option<String>,
}

impl BannerWords {
    /// The words for a chart.
    pub fn of(lang: Lang, chart: &Chart) -> Self {
        let id_tail = chart.id_number.as_ref().map(records::identity::IdNumber::tail);
        Self {
            sex: sex(lang, chart.sex),
            id_tail,
        }
    }

    /// The banner of a chart. `href` leads to the person's page, `None` on that page itself.
    pub fn banner<'a>(
        &'a self,
        chart: &'a Chart,
        href: Option<String>,
        clinical: bool,
        today: Date,
    ) -> BannerView<'a> {
        let died = chart.deceased.as_ref().map(|died| Died {
            on: died.on.map(|BirthDate(day)| day),
        });
        BannerView {
            href,
            name: &chart.name,
            birth: chart.birth,
            sex: &self.sex,
            archive_no: Some(chart.archive_number.as_str()),
            id_tail: self.id_tail.as_deref(),
            allergies: allergy_line(chart, clinical),
            died,
            clash: chart.needs_choice(),
            others: Vec::new(),
            renew: None,
            today,
        }
    }
}

/// A line of a list of people.
pub fn patient_row(
    lang: Lang,
    line: &PatientLine,
    href: String,
    on_todays_list: bool,
    clinical: bool,
) -> PatientRow {
    PatientRow {
        href,
        name: line.name.clone(),
        sex: sex(lang, line.sex),
        birth: line.birth,
        village_group: line.village_group.clone(),
        id_tail: line.id_tail.clone(),
        phone_tail: line.phone_tail.clone(),
        allergic: clinical.then_some(line.allergies == AllergyBadge::Known),
        died: line.deceased,
        last_visit: line.last_visit,
        clash: line.clash,
        today: on_todays_list,
    }
}

/// How far a visit has come, by the word of its line.
pub fn visit_state(word: &str) -> VisitState {
    match word {
        "open" => VisitState::Open,
        "imported" => VisitState::Imported,
        _ => VisitState::Signed,
    }
}

/// A visit in a person's list; the clinic is named where it is not `here`.
pub fn visit_row(lang: Lang, line: &EncounterLine, href: String, here: Option<&ClinicCode>) -> VisitRow {
    VisitRow {
        href,
        at: line.opened.at,
        doctor: line.doctor.clone(),
        state: visit_state(line.state),
        triage: line.triage.map(|level| (level, triage(lang, level))),
        complaint: line.complaint.clone(),
        diagnosis: line.diagnosis.clone(),
        clinic: line
            .clinic
            .as_ref()
            .filter(|clinic| Some(*clinic) != here)
            .map(ToString::to_string),
    }
}

/// A diagnosis of a visit.
pub fn diagnosis_line(lang: Lang, diagnosis: &Diagnosis) -> DiagnosisLine {
    let certainty = diagnosis.certainty.map_or("", Certainty::word);
    DiagnosisLine {
        code: diagnosis.code.clone(),
        name: diagnosis.name.clone(),
        certainty: certainty.to_owned(),
        certainty_word: code(lang, "icd_verification", certainty),
    }
}

/// The certainties of a diagnosis to choose from: word in documents, words for people; the usual one first.
pub fn certainties(lang: Lang) -> Vec<(String, String)> {
    let order = [Certainty::Confirmed, Certainty::Provisional, Certainty::Refuted];
    order
        .iter()
        .map(|one| (one.word().to_owned(), code(lang, "icd_verification", one.word())))
        .collect()
}

/// An allergy of a chart's list, refuted or not.
pub fn allergy_fact(lang: Lang, allergy: &Allergy) -> FactLine {
    let agent = if allergy.agent.is_empty() {
        lang.t("reading-not-read")
    } else {
        allergy.agent.clone()
    };
    let note = match &allergy.refuted {
        Some(act) => lang.t_with("allergy-refuted", &[("reason", &act.reason)]),
        None => joined(&[&allergy.reaction, &allergy.severity]),
    };
    FactLine {
        words: agent,
        note,
        ended: allergy.refuted.is_some(),
        action: None,
    }
}

/// A problem of a chart's list.
pub fn problem_fact(lang: Lang, problem: &Problem) -> FactLine {
    let since = if problem.onset.is_empty() {
        String::new()
    } else {
        lang.t_with("problem-since", &[("since", &problem.onset)])
    };
    let ended = problem
        .ended
        .as_ref()
        .map(|act| act.reason.clone())
        .unwrap_or_default();
    FactLine {
        words: joined(&[&problem.name, &problem.code]),
        note: joined(&[&since, &problem.status, &ended]),
        ended: problem.ended.is_some(),
        action: None,
    }
}

/// A medicine of a chart's list.
pub fn drug_line(lang: Lang, medication: &Medication) -> DrugLine {
    let frequency = code(lang, "freq", &medication.freq);
    let stopped = medication
        .stopped
        .as_ref()
        .map(|_| lang.t("drug-stopped"))
        .unwrap_or_default();
    DrugLine {
        generic: joined(&[&medication.drug, &medication.spec]),
        brand: String::new(),
        dose: medication.dose.clone(),
        route: code(lang, "route", &medication.route),
        frequency: joined(&[&frequency, &stopped]),
        stop: None,
    }
}

/// The words that are there, with a space between.
fn joined(words: &[&str]) -> String {
    words
        .iter()
        .filter(|word| !word.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_name_in_both_languages() {
        for lang in Lang::ALL {
            for known in Role::ALL {
                assert_ne!(role(lang, *known), known.word(), "{known:?}");
            }
        }
        assert_eq!(code(Lang::Zh, "role", "of-a-newer-release"), "of-a-newer-release");
        assert_eq!(triage(Lang::Zh, 2), "Ⅱ级 危重");
    }

    #[test]
    fn a_diagnosis_can_be_as_certain_as_records_know() {
        for lang in Lang::ALL {
            let offered = certainties(lang);
            assert_eq!(offered.len(), Certainty::ALL.len());
            assert!(offered.iter().all(|(word, shown)| word != shown), "{offered:?}");
        }
    }

    #[test]
    fn empty_words_leave_no_gap() {
        assert_eq!(joined(&["a", "", "b"]), "a b");
    }
}
