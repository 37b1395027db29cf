//! What is wrong with a form, in words: hard faults refuse it, soft ones ask once and keep the answer.

use std::collections::BTreeSet;

use records::faults::{FaultKind, FieldFault};

use crate::fields::Fields;
use crate::forms::{Doubt, Faults};
use crate::texts::Lang;

/// The outcome of checking a form.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// What refuses it.
    pub faults: Faults,
    /// What asks.
    pub doubts: Vec<Doubt>,
    /// What was asked before and confirmed.
    pub confirmed: Vec<String>,
}

impl Checked {
    /// Sorts what the rules found. Soft faults that the person has confirmed are settled.
    pub fn of(lang: Lang, found: &[FieldFault], fields: &Fields) -> Self {
        let confirmed: BTreeSet<String> = fields.confirmed();
        let mut checked = Self {
            confirmed: confirmed.iter().cloned().collect(),
            ..Self::default()
        };
        for fault in found {
            // A confirmation is for one value: the same field with another value asks again.
            let typed = fields.get(fault.field);
            let answer = format!("{}={typed}", fault.field);
            if !fault.kind.is_soft() {
                checked.faults.add(fault.field, sentence(lang, *fault));
            } else if !confirmed.contains(&answer) {
                let question = question(lang, *fault, typed);
                checked.doubts.push(Doubt {
                    field: answer,
                    question,
                });
            }
        }
        checked
    }

    /// Adds a fault that only the page can find.
    pub fn refuse(&mut self, field: &str, sentence: String) {
        self.faults.add(field, sentence);
    }

    /// Whether the form can be saved.
    pub fn passes(&self) -> bool {
        self.faults.is_empty() && self.doubts.is_empty()
    }
}

/// What is wrong with a field, as a whole sentence.
pub fn sentence(lang: Lang, fault: FieldFault) -> String {
    let field = label(lang, fault.field);
    let with = |key: &str| lang.t_with(key, &[("field", &field)]);
    match fault.kind {
        FaultKind::Missing => with("fault-missing"),
        FaultKind::TooLong => with("fault-too-long"),
        FaultKind::NotANumber => with("fault-not-a-number"),
        FaultKind::NotADate => with("fault-not-a-date"),
        FaultKind::InFuture => with("fault-in-future"),
        FaultKind::Impossible => with("fault-impossible"),
        FaultKind::UnknownCode => with("fault-unknown-code"),
        FaultKind::Contradiction => with("fault-contradiction"),
        FaultKind::Unusual => with("fault-unusual"),
        FaultKind::Unverified => with("fault-unverified"),
    }
}

/// What is wrong with a field of a person's account.
pub fn secret_sentence(lang: Lang, fault: FieldFault) -> String {
    match (fault.field, fault.kind) {
        ("password", FaultKind::Impossible) => lang.t("password-weak"),
        ("pin", FaultKind::Impossible) => lang.t("pin-weak"),
        ("present", _) => lang.t("account-present-missing"),
        ("password", FaultKind::Missing) => lang.t("account-nothing"),
        _ => sentence(lang, fault),
    }
}

fn question(lang: Lang, fault: FieldFault, typed: &str) -> String {
    let field = label(lang, fault.field);
    let with = |key: &str| lang.t_with(key, &[("field", &field), ("value", typed)]);
    match fault.kind {
        FaultKind::Unverified => with("doubt-unverified"),
        FaultKind::Contradiction => with("doubt-contradiction"),
        FaultKind::Unusual => with("doubt-unusual"),
        FaultKind::Missing
        | FaultKind::TooLong
        | FaultKind::NotANumber
        | FaultKind::NotADate
        | FaultKind::InFuture
        | FaultKind::Impossible
        | FaultKind::UnknownCode => sentence(lang, fault),
    }
}

/// The label of a field, the same above it and in what is said about it.
pub fn label(lang: Lang, field: &str) -> String {
    match field {
        "name" => lang.t("field-name"),
        "sex" => lang.t("field-sex"),
        "birth" => lang.t("field-birth"),
        "id_number" => lang.t("field-id-number"),
        "phone" => lang.t("field-phone"),
        "county" => lang.t("field-county"),
        "town" => lang.t("field-town"),
        "village" => lang.t("field-village"),
        "group" => lang.t("field-group"),
        "house" => lang.t("field-house"),
        "archive_no" => lang.t("field-archive-no"),
        "ethnicity" => lang.t("field-ethnicity"),
        "triage" | "triage_level" | "level" => lang.t("visit-level"),
        "triage_reason" => lang.t("visit-triage-reason"),
        "complaint" => lang.t("visit-complaint"),
        "history" => lang.t("visit-history"),
        "examination" => lang.t("visit-examination"),
        "diagnoses" | "diagnosis_wanted" => lang.t("visit-diagnoses"),
        "advice" => lang.t("visit-advice"),
        "reason" => lang.t("field-reason"),
        "text" => lang.t("field-amendment"),
        "bp" => lang.t("vital-bp"),
        "systolic" => lang.t("field-systolic"),
        "diastolic" => lang.t("field-diastolic"),
        "pulse" => lang.t("vital-pulse"),
        "temp" => lang.t("vital-temp"),
        "spo2" => lang.t("vital-spo2"),
        "resp" => lang.t("vital-resp"),
        "height" => lang.t("vital-height"),
        "weight" => lang.t("vital-weight"),
        "glucose" => lang.t("vital-glucose"),
        "waist" => lang.t("vital-waist"),
        "phone2" => lang.t("field-phone"),
        "died_on" | "deceased" => lang.t("field-died-on"),
        "allergy_agent" => lang.t("register-allergy-agent"),
        "allergy_reaction" => lang.t("field-reaction"),
        "onset" => lang.t("field-onset"),
        "spec" => lang.t("field-spec"),
        "since" => lang.t("field-since"),
        "problem" => lang.t("field-problem"),
        "drug" => lang.t("field-drug"),
        "dose" => lang.t("field-dose"),
        "route" => lang.t("field-route"),
        "freq" => lang.t("field-frequency"),
        "login" => lang.t("field-login"),
        "password" => lang.t("field-password"),
        "pin" => lang.t("field-pin"),
        "roles" => lang.t("field-roles"),
        "code" => lang.t("field-code"),
        "clinic_name" => lang.t("field-clinic-name"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::of(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
        .unwrap()
    }

    #[test]
    fn each_kind_of_fault_has_its_sentence() {
        for kind in FaultKind::ALL {
            for lang in Lang::ALL {
                let checked = Checked::of(
                    lang,
                    &[FieldFault::new("birth", kind)],
                    &fields(&[("birth", "x")]),
                );
                assert_eq!(checked.doubts.is_empty(), !kind.is_soft());
                let said = format!("{:?}{:?}", checked.faults, checked.doubts);
                assert!(
                    !said.contains('⟦') && said.contains(&label(lang, "birth")),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn an_answer_holds_for_the_value_that_was_asked_about() {
        let unusual = [FieldFault::new("systolic", FaultKind::Unusual)];
        let asked = Checked::of(Lang::Zh, &unusual, &fields(&[("systolic", "230")]));
        let answer = asked.doubts[0].field.clone();
        let yes = [
            ("systolic", "230"),
            ("confirming", answer.as_str()),
            ("confirm", "yes"),
        ];
        assert!(Checked::of(Lang::Zh, &unusual, &fields(&yes)).passes());
        let other = [("systolic", "250"), ("confirmed", answer.as_str())];
        assert!(!Checked::of(Lang::Zh, &unusual, &fields(&other)).passes());
    }
}
