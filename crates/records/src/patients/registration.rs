//! Registering a person.

use super::allergies::{self, NewAllergy};
use super::chart::{Address, Household, Insurance};
use super::{BIRTH_YEAR_MIN, FIELD_CHARS_MAX, NAME_CHARS_MAX, Sex};
use crate::faults::{FaultKind, FieldFault, too_long};
use crate::identity::{ArchiveNumber, IdNumber};
use crate::ids::{EntryId, StaffId};
use crate::text::{fold, fold_name, fold_phone};
use crate::time::{BirthDate, Date, Stamp};
use crate::tree::Edit;

/// What was said about allergies at registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllergyAnswer {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// Asked, none known.
    NoneKnown,
    /// Asked, these.
    Known(Vec<NewAllergy>),
}

/// A person to register, as typed or read from a card. Empty means unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewPatient {
    /// Name.
    pub name: String,
    /// Sex.
    pub sex: Sex,
    /// Birth date.
    pub birth: Option<BirthDate>,
    /// Identity number as typed.
    pub id_number: String,
    /// Telephone number.
    pub phone: String,
    /// Another telephone number.
    pub second_phone: String,
    /// Address.
    pub address: Address,
    /// Ethnic group.
    pub ethnicity: String,
    /// Health archive number.
    pub archive_number: String,
    /// Household.
    pub household: Household,
    /// Insurance.
    pub insurance: Insurance,
    /// Allergies.
    pub allergies: AllergyAnswer,
}

impl NewPatient {
    /// Judges the form. A number whose check fails, and one that contradicts birth date or sex, are soft faults: asked
    /// once, then kept.
    pub fn check(&self, today: Date) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        check_name(&self.name, &mut faults);
        check_birth(self.birth, today, &mut faults);
        check_id_number(&self.id_number, self.sex, self.birth, today, &mut faults);
        check_phone("phone", &self.phone, &mut faults);
        check_phone("phone2", &self.second_phone, &mut faults);
        check_address(&self.address, &mut faults);
        check_archive_number(&self.archive_number, &mut faults);
        too_long("ethnicity", &self.ethnicity, FIELD_CHARS_MAX, &mut faults);
        check_household(&self.household, &mut faults);
        check_insurance(&self.insurance, &mut faults);
        if let AllergyAnswer::Known(list) = &self.allergies {
            if list.is_empty() {
                faults.push(FieldFault::new("allergy_agent", FaultKind::Missing));
            }
            list.iter().for_each(|allergy| allergy.check(&mut faults));
        }
        faults
    }

    /// The edits that write a new chart. Sex and birth date that the form leaves open come from a checked number.
    pub fn edits(&self, by: Option<StaffId>, at: Stamp, fresh: &mut crate::Fresh<'_>) -> Vec<Edit> {
        let number = IdNumber::read(&self.id_number);
        let checked = number.as_ref().and_then(IdNumber::checked);
        let sex = match (self.sex, checked) {
            (Sex::Unknown, Some(number)) => number.sex(),
            (said, _) => said,
        };
        let birth = self.birth.or_else(|| checked.map(|number| number.birth_date()));
        let mut edits = vec![
            Edit::put(&["person", "name"], fold_name(&self.name)),
            Edit::put(&["person", "sex"], sex.word()),
        ];
        let mut put = |container: &str, key: &str, text: String| {
            if !text.is_empty() {
                edits.push(Edit::put(&[container, key], text));
            }
        };
        put(
            "person",
            "birth",
            birth.map(|birth| birth.to_string()).unwrap_or_default(),
        );
        put(
            "person",
            "id_number",
            number
                .map(|number| number.as_str().to_owned())
                .unwrap_or_default(),
        );
        put("person", "phone", fold_phone(&self.phone));
        put("person", "phone2", fold_phone(&self.second_phone));
        put("person", "ethnicity", fold(&self.ethnicity));
        put("person", "archive_no", fold(&self.archive_number));
        for (key, text) in address_fields(&self.address) {
            put("address", key, fold(text));
        }
        for (key, text) in household_fields(&self.household) {
            put("household", key, fold(text));
        }
        for (key, text) in insurance_fields(&self.insurance) {
            put("insurance", key, fold(text));
        }
        match &self.allergies {
            AllergyAnswer::NotAsked => {}
            AllergyAnswer::NoneKnown => edits.push(allergies::none_known(by, at, EntryId(fresh()))),
            AllergyAnswer::Known(list) => {
                edits.extend(list.iter().map(|allergy| allergy.edit(by, at, EntryId(fresh()))));
            }
        }
        edits
    }
}

pub(super) fn address_fields(address: &Address) -> [(&'static str, &str); 5] {
    [
        ("county", &address.county),
        ("town", &address.town),
        ("village", &address.village),
        ("group", &address.group),
        ("house", &address.house),
    ]
}

pub(super) fn household_fields(household: &Household) -> [(&'static str, &str); 3] {
    [
        ("id", &household.id),
        ("householder", &household.householder),
        ("relation", &household.relation),
    ]
}

pub(super) fn insurance_fields(insurance: &Insurance) -> [(&'static str, &str); 2] {
    [("kind", &insurance.kind), ("number", &insurance.number)]
}

pub(super) fn check_name(name: &str, faults: &mut Vec<FieldFault>) {
    let folded = fold_name(name);
    if folded.is_empty() {
        faults.push(FieldFault::new("name", FaultKind::Missing));
    }
    too_long("name", &folded, NAME_CHARS_MAX, faults);
}

pub(super) fn check_birth(birth: Option<BirthDate>, today: Date, faults: &mut Vec<FieldFault>) {
    if birth.is_some_and(|birth| birth.0 > today) {
        faults.push(FieldFault::new("birth", FaultKind::InFuture));
    }
    if birth.is_some_and(|birth| birth.0.year() < BIRTH_YEAR_MIN) {
        faults.push(FieldFault::new("birth", FaultKind::Impossible));
    }
}

pub(super) fn check_id_number(
    typed: &str,
    sex: Sex,
    birth: Option<BirthDate>,
    today: Date,
    faults: &mut Vec<FieldFault>,
) {
    let folded = fold(typed);
    too_long(
        "id_number",
        &folded,
        crate::identity::UNVERIFIED_CHARS_MAX,
        faults,
    );
    match IdNumber::read(&folded) {
        None => {}
        Some(IdNumber::Unverified(_)) => faults.push(FieldFault::new("id_number", FaultKind::Unverified)),
        Some(IdNumber::Checked(number)) => {
            let other_sex = sex != Sex::Unknown && sex != number.sex();
            let other_birth = birth.is_some_and(|birth| birth != number.birth_date());
            if number.birth_date().0 > today {
                faults.push(FieldFault::new("id_number", FaultKind::Unverified));
            } else if other_sex || other_birth {
                faults.push(FieldFault::new("id_number", FaultKind::Contradiction));
            }
        }
    }
}

pub(super) fn check_phone(field: &'static str, phone: &str, faults: &mut Vec<FieldFault>) {
    let folded = fold_phone(phone);
    let digits = folded.strip_prefix('+').unwrap_or(&folded);
    if digits.len() > 20 {
        faults.push(FieldFault::new(field, FaultKind::TooLong));
    } else if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        faults.push(FieldFault::new(field, FaultKind::NotANumber));
    }
}

pub(super) fn check_address(address: &Address, faults: &mut Vec<FieldFault>) {
    for (field, text) in address_fields(address) {
        too_long(field, text, FIELD_CHARS_MAX, faults);
    }
}

pub(super) fn check_household(household: &Household, faults: &mut Vec<FieldFault>) {
    for (_, text) in household_fields(household) {
        too_long("household", text, FIELD_CHARS_MAX, faults);
    }
}

pub(super) fn check_insurance(insurance: &Insurance, faults: &mut Vec<FieldFault>) {
    for (_, text) in insurance_fields(insurance) {
        too_long("insurance", text, FIELD_CHARS_MAX, faults);
    }
}

pub(super) fn check_archive_number(number: &str, faults: &mut Vec<FieldFault>) {
    if !fold(number).is_empty() && ArchiveNumber::parse(number).is_err() {
        faults.push(FieldFault::new("archive_no", FaultKind::Unverified));
    }
    too_long("archive_no", number, FIELD_CHARS_MAX, faults);
}
