//! Who a person is and what stands in the chart, in words.

use maud::{Markup, html};
use records::ecgs::EcgMeta;
use records::ids::DocId;
use records::patients::{AllergyState, Chart, Sex};

use crate::patients::{DrugLine, EcgRow, FactLine};
use crate::texts::Lang;
use crate::words;

/// The word for a sex, also where it is unknown.
pub fn sex_word(lang: Lang, sex: Sex) -> String {
    match sex {
        Sex::Male => lang.t("sex-male"),
        Sex::Female => lang.t("sex-female"),
        Sex::Unknown => lang.t("sex-unknown"),
    }
}

/// Allergies with those that were refuted, or the words for having none.
pub fn allergy_facts(lang: Lang, chart: &Chart) -> Vec<FactLine> {
    let state = |words: String| {
        vec![FactLine {
            words,
            note: String::new(),
            ended: false,
            action: None,
        }]
    };
    let mut facts = match &chart.allergies {
        AllergyState::Known(known) => known
            .iter()
            .map(|allergy| words::allergy_fact(lang, allergy))
            .collect(),
        AllergyState::NoneKnown => state(lang.t("allergies-none")),
        AllergyState::NotAsked => state(lang.t("allergies-not-asked")),
        AllergyState::Unreadable => vec![FactLine {
            words: lang.t("allergies-unreadable"),
            note: lang.t("allergies-unreadable-do"),
            ended: false,
            action: None,
        }],
    };
    facts.extend(
        chart
            .refuted_allergies
            .iter()
            .map(|allergy| words::allergy_fact(lang, allergy)),
    );
    facts
}

/// Problems that have not ended.
pub fn problem_facts(lang: Lang, chart: &Chart) -> Vec<FactLine> {
    let standing = chart.problems.iter().filter(|one| one.ended.is_none());
    standing.map(|one| words::problem_fact(lang, one)).collect()
}

/// Medicines that have not been stopped.
pub fn drug_lines(lang: Lang, chart: &Chart) -> Vec<DrugLine> {
    let standing = chart.medications.iter().filter(|one| one.stopped.is_none());
    standing.map(|one| words::drug_line(lang, one)).collect()
}

/// An ECG as a line.
pub fn ecg_row(doc: DocId, ecg: &EcgMeta) -> EcgRow {
    EcgRow {
        href: format!("/ecgs/{doc}/{}", ecg.id),
        at: ecg.taken.at,
        heart_rate: ecg.heart_rate.map(records::units::Bpm::get),
        withdrawn: ecg.withdrawn.is_some(),
    }
}

/// Who a print is about: no full number.
pub fn print_head(lang: Lang, chart: &Chart) -> Markup {
    html! { p { strong { (chart.name) } " " (told_apart_by(lang, chart)) } }
}

/// The same as one line of text for a sheet that stands alone; data of a demonstration say so.
pub fn person_line(lang: Lang, chart: &Chart, synthetic: bool) -> String {
    let person = format!("{} {}", chart.name, told_apart_by(lang, chart));
    if synthetic {
        format!("{} · {person}", lang.t("demo-data"))
    } else {
        person
    }
}

/// What tells a person from namesakes: sex, birth date, end of the ID number.
fn told_apart_by(lang: Lang, chart: &Chart) -> String {
    let birth = chart.birth.map(|birth| birth.to_string());
    let number = chart.id_number.as_ref();
    let number = number.map(|number| format!("{} {}", lang.t("banner-id-tail"), number.tail()));
    let parts = [Some(sex_word(lang, chart.sex)), birth, number];
    let known: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    known.join(" ")
}

/// Label and value of what is known of the person; numbers are masked.
pub fn facts(lang: Lang, chart: &Chart) -> Vec<(String, String)> {
    let address = &chart.address;
    let parts = [
        &address.county,
        &address.town,
        &address.village,
        &address.group,
        &address.house,
    ];
    let address: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let unknown = lang.t("unknown");
    let said = |text: &str| {
        if text.is_empty() {
            unknown.clone()
        } else {
            text.to_owned()
        }
    };
    let number = match &chart.id_number {
        None => unknown.clone(),
        Some(number) if number.checked().is_some() => number.masked(),
        Some(number) => format!("{} ({})", number.masked(), lang.t("register-unverified")),
    };
    vec![
        (lang.t("field-sex"), sex_word(lang, chart.sex)),
        (lang.t("field-id-number"), number),
        (lang.t("field-phone"), said(&chart.phone)),
        (lang.t("patient-address"), said(&address.join(" "))),
        (lang.t("field-ethnicity"), chart.ethnicity.clone()),
        (lang.t("field-archive-no"), chart.archive_number.clone()),
        (lang.t("patient-family-doctor"), chart.family_doctor.clone()),
        (lang.t("patient-householder"), chart.household.householder.clone()),
    ]
}
