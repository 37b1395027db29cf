//! Changes of a chart: each a command by a named person, turned into edits of exactly what it changes.

use super::allergies::{self, NewAllergy};
use super::chart::{Address, Blood, Chart, Household, Insurance};
use super::registration::{
    address_fields, check_address, check_archive_number, check_birth, check_household, check_id_number,
    check_insurance, check_name, check_phone, household_fields, insurance_fields,
};
use super::{FIELD_CHARS_MAX, Sex};
use crate::conflicts;
use crate::entries::Entry;
use crate::faults::{FaultKind, FieldFault, any_hard, too_long};
use crate::identity::IdNumber;
use crate::ids::{EntryId, StaffId};
use crate::text::{fold, fold_name, fold_phone, tidy};
use crate::time::{BirthDate, Stamp};
use crate::tree::{Edit, Path, Scalar};

/// A change of a chart.
#[derive(Debug, Clone, PartialEq)]
pub enum ChartCommand {
    /// Another name.
    SetName(String),
    /// Another sex.
    SetSex(Sex),
    /// Another birth date.
    SetBirth(Option<BirthDate>),
    /// Another identity number, as typed; empty takes it away.
    SetIdNumber(String),
    /// Another telephone number.
    SetPhone(String),
    /// Another second telephone number.
    SetSecondPhone(String),
    /// Another address.
    SetAddress(Address),
    /// Another ethnic group.
    SetEthnicity(String),
    /// Another archive number.
    SetArchiveNumber(String),
    /// Another household.
    SetHousehold(Household),
    /// Another insurance.
    SetInsurance(Insurance),
    /// Another blood group.
    SetBlood(Blood),
    /// Another family doctor.
    SetFamilyDoctor(String),
    /// The person has died, on this day if it is known.
    SetDeceased(Option<BirthDate>),
    /// It was an error that the person has died.
    ClearDeceased,
    /// A further allergy.
    AddAllergy(NewAllergy),
    /// Asked, no allergies known.
    SetNoKnownAllergy,
    /// An allergy turned out to be none.
    RefuteAllergy {
        /// Which.
        id: EntryId,
        /// Why; must not be empty.
        reason: String,
    },
    /// A further problem.
    AddProblem {
        /// ICD-10 code; may be empty.
        code: String,
        /// Name.
        name: String,
        /// Year, or year and month, of onset; may be empty.
        onset: String,
    },
    /// A problem is over.
    EndProblem {
        /// Which.
        id: EntryId,
        /// Why; may be empty.
        reason: String,
    },
    /// A further medicine.
    AddMedication {
        /// Generic name.
        drug: String,
        /// Strength; may be empty.
        spec: String,
        /// Single dose; may be empty.
        dose: String,
        /// Route; may be empty.
        route: String,
        /// Frequency; may be empty.
        freq: String,
        /// Since when; may be empty.
        since: String,
    },
    /// A medicine was stopped.
    StopMedication {
        /// Which.
        id: EntryId,
        /// Why; must not be empty.
        reason: String,
    },
    /// Of two values of a field this one counts.
    ResolveClash {
        /// The field.
        path: Path,
        /// The value that counts.
        chosen: Scalar,
    },
}

impl ChartCommand {
    /// Judges the command. `at` gives the day that dates are compared with.
    pub fn check(&self, chart: &Chart, at: Stamp) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let today = at.at.china_date();
        match self {
            Self::SetName(name) => check_name(name, &mut faults),
            Self::SetBirth(birth) => check_birth(*birth, today, &mut faults),
            Self::SetIdNumber(typed) => check_id_number(typed, chart.sex, chart.birth, today, &mut faults),
            Self::SetPhone(phone) => check_phone("phone", phone, &mut faults),
            Self::SetSecondPhone(phone) => check_phone("phone2", phone, &mut faults),
            Self::SetAddress(address) => check_address(address, &mut faults),
            Self::SetEthnicity(text) => short("ethnicity", text, &mut faults),
            Self::SetArchiveNumber(text) => check_archive_number(text, &mut faults),
            Self::SetHousehold(household) => check_household(household, &mut faults),
            Self::SetInsurance(insurance) => check_insurance(insurance, &mut faults),
            Self::SetBlood(blood) => {
                short("blood_group", &blood.group, &mut faults);
                short("rhesus", &blood.rhesus, &mut faults);
            }
            Self::SetFamilyDoctor(name) => short("family_doctor", name, &mut faults),
            Self::SetDeceased(Some(day)) if day.0 > today => {
                faults.push(FieldFault::new("deceased", FaultKind::InFuture));
            }
            Self::SetSex(_) | Self::SetDeceased(_) | Self::ClearDeceased | Self::SetNoKnownAllergy => {}
            Self::AddAllergy(allergy) => allergy.check(&mut faults),
            Self::ResolveClash { path, chosen } => {
                let clash = chart.clashes.iter().find(|clash| clash.path == *path);
                known(
                    "chosen",
                    clash.is_some_and(|clash| clash.values.contains(chosen)),
                    &mut faults,
                );
            }
            Self::RefuteAllergy { .. }
            | Self::AddProblem { .. }
            | Self::EndProblem { .. }
            | Self::AddMedication { .. }
            | Self::StopMedication { .. } => self.check_entry(chart, &mut faults),
        }
        faults
    }

    fn check_entry(&self, chart: &Chart, faults: &mut Vec<FieldFault>) {
        match self {
            Self::RefuteAllergy { id, reason } => {
                needed("reason", reason, faults);
                known("allergy", chart.has_allergy(*id), faults);
            }
            Self::AddProblem { code, name, onset } => {
                needed("problem", name, faults);
                short("code", code, faults);
                short("onset", onset, faults);
            }
            Self::EndProblem { id, reason } => {
                short("reason", reason, faults);
                known(
                    "problem",
                    chart.problems.iter().any(|problem| problem.id == *id),
                    faults,
                );
            }
            Self::AddMedication {
                drug,
                spec,
                dose,
                route,
                freq,
                since,
            } => {
                needed("drug", drug, faults);
                let others = [
                    ("spec", spec),
                    ("dose", dose),
                    ("route", route),
                    ("freq", freq),
                    ("since", since),
                ];
                others
                    .into_iter()
                    .for_each(|(field, text)| short(field, text, faults));
            }
            Self::StopMedication { id, reason } => {
                needed("reason", reason, faults);
                let found = chart.medications.iter().any(|medication| medication.id == *id);
                known("medication", found, faults);
            }
            Self::SetName(_)
            | Self::SetSex(_)
            | Self::SetBirth(_)
            | Self::SetIdNumber(_)
            | Self::SetPhone(_)
            | Self::SetSecondPhone(_)
            | Self::SetAddress(_)
            | Self::SetEthnicity(_)
            | Self::SetArchiveNumber(_)
            | Self::SetHousehold(_)
            | Self::SetInsurance(_)
            | Self::SetBlood(_)
            | Self::SetFamilyDoctor(_)
            | Self::SetDeceased(_)
            | Self::ClearDeceased
            | Self::SetNoKnownAllergy
            | Self::AddAllergy(_)
            | Self::ResolveClash { .. } => {}
        }
    }

    /// The edits of the command: only of fields that it changes, so that what it leaves alone cannot clash. Faults
    /// that refuse are returned; soft ones were asked by the page before.
    pub fn edits(
        &self,
        chart: &Chart,
        by: StaffId,
        at: Stamp,
        fresh: &mut crate::Fresh<'_>,
    ) -> Result<Vec<Edit>, Vec<FieldFault>> {
        let faults = self.check(chart, at);
        if any_hard(&faults) {
            return Err(faults);
        }
        let mut edits = Vec::new();
        match self {
            Self::ResolveClash { path, chosen } => {
                let clash = chart.clashes.iter().find(|clash| clash.path == *path);
                edits.extend(
                    clash
                        .and_then(|clash| conflicts::resolve(clash, chosen, by, at, fresh))
                        .unwrap_or_default(),
                );
            }
            Self::AddAllergy(allergy) => edits.push(allergy.edit(Some(by), at, EntryId(fresh()))),
            Self::SetNoKnownAllergy => edits.push(allergies::none_known(Some(by), at, EntryId(fresh()))),
            Self::RefuteAllergy { id, reason } => edits.push(act("refuted", *id, reason, by, at)),
            Self::EndProblem { id, reason } => edits.push(act("ended", *id, reason, by, at)),
            Self::StopMedication { id, reason } => edits.push(act("stopped", *id, reason, by, at)),
            Self::AddProblem { code, name, onset } => {
                let entry = fact(by, at, &[("code", code), ("name", name), ("onset", onset)]);
                edits.push(entry.write("problems", &EntryId(fresh()).to_string()));
            }
            Self::AddMedication {
                drug,
                spec,
                dose,
                route,
                freq,
                since,
            } => {
                let doses = [("drug", drug), ("spec", spec), ("dose", dose)];
                let uses = [("route", route), ("freq", freq), ("since", since)];
                let entry = fact(by, at, &[doses, uses].concat());
                edits.push(entry.write("medications", &EntryId(fresh()).to_string()));
            }
            Self::SetName(_)
            | Self::SetSex(_)
            | Self::SetBirth(_)
            | Self::SetIdNumber(_)
            | Self::SetPhone(_)
            | Self::SetSecondPhone(_)
            | Self::SetAddress(_)
            | Self::SetEthnicity(_)
            | Self::SetArchiveNumber(_)
            | Self::SetHousehold(_)
            | Self::SetInsurance(_)
            | Self::SetBlood(_)
            | Self::SetFamilyDoctor(_)
            | Self::SetDeceased(_)
            | Self::ClearDeceased => self.field_edits(chart, &mut edits),
        }
        Ok(edits)
    }

    fn field_edits(&self, chart: &Chart, edits: &mut Vec<Edit>) {
        let mut put = |container: &str, key: &str, old: &str, new: String| {
            if old != new {
                edits.push(Edit::put(&[container, key], new));
            }
        };
        let date = |day: Option<BirthDate>| day.map(|day| day.to_string()).unwrap_or_default();
        match self {
            Self::SetName(name) => put("person", "name", &chart.name, fold_name(name)),
            Self::SetSex(sex) => put("person", "sex", chart.sex.word(), sex.word().to_owned()),
            Self::SetBirth(birth) => put("person", "birth", &date(chart.birth), date(*birth)),
            Self::SetIdNumber(typed) => {
                let old = chart.id_number.as_ref().map_or("", IdNumber::as_str);
                let new = IdNumber::read(typed).map(|number| number.as_str().to_owned());
                put("person", "id_number", old, new.unwrap_or_default());
            }
            Self::SetPhone(phone) => put("person", "phone", &chart.phone, fold_phone(phone)),
            Self::SetSecondPhone(phone) => put("person", "phone2", &chart.second_phone, fold_phone(phone)),
            Self::SetAddress(address) => {
                let both = address_fields(&chart.address)
                    .into_iter()
                    .zip(address_fields(address));
                both.for_each(|((key, old), (_, new))| put("address", key, old, fold(new)));
            }
            Self::SetHousehold(household) => {
                let both = household_fields(&chart.household)
                    .into_iter()
                    .zip(household_fields(household));
                both.for_each(|((key, old), (_, new))| put("household", key, old, fold(new)));
            }
            Self::SetInsurance(insurance) => {
                let both = insurance_fields(&chart.insurance)
                    .into_iter()
                    .zip(insurance_fields(insurance));
                both.for_each(|((key, old), (_, new))| put("insurance", key, old, fold(new)));
            }
            Self::SetBlood(blood) => {
                put("blood", "group", &chart.blood.group, fold(&blood.group));
                put("blood", "rhesus", &chart.blood.rhesus, fold(&blood.rhesus));
            }
            Self::SetEthnicity(text) => put("person", "ethnicity", &chart.ethnicity, fold(text)),
            Self::SetArchiveNumber(text) => put("person", "archive_no", &chart.archive_number, fold(text)),
            Self::SetFamilyDoctor(name) => put("care", "doctor", &chart.family_doctor, fold_name(name)),
            Self::SetDeceased(day) => {
                let old = chart
                    .deceased
                    .as_ref()
                    .map_or(String::new(), |deceased| deceased_text(deceased.on));
                put("person", "deceased", &old, deceased_text(*day));
            }
            Self::ClearDeceased => {
                let old = if chart.deceased.is_some() { "deceased" } else { "" };
                put("person", "deceased", old, String::new());
            }
            Self::AddAllergy(_)
            | Self::SetNoKnownAllergy
            | Self::RefuteAllergy { .. }
            | Self::AddProblem { .. }
            | Self::EndProblem { .. }
            | Self::AddMedication { .. }
            | Self::StopMedication { .. }
            | Self::ResolveClash { .. } => {}
        }
    }
}

/// A day, or the word that the day is unknown.
fn deceased_text(day: Option<BirthDate>) -> String {
    day.map_or_else(|| "unknown".to_owned(), |day| day.to_string())
}

/// An entry of tidied texts.
fn fact(by: StaffId, at: Stamp, texts: &[(&str, &String)]) -> Entry {
    texts.iter().fold(Entry::by(Some(by), at), |entry, (key, text)| {
        entry.text(key, &tidy(text))
    })
}

fn act(container: &str, id: EntryId, reason: &str, by: StaffId, at: Stamp) -> Edit {
    Entry::by(Some(by), at)
        .text("reason", &tidy(reason))
        .write(container, &id.to_string())
}

fn short(field: &'static str, text: &str, faults: &mut Vec<FieldFault>) {
    too_long(field, text, FIELD_CHARS_MAX, faults);
}

fn needed(field: &'static str, text: &str, faults: &mut Vec<FieldFault>) {
    if tidy(text).is_empty() {
        faults.push(FieldFault::new(field, FaultKind::Missing));
    }
    short(field, text, faults);
}

fn known(field: &'static str, found: bool, faults: &mut Vec<FieldFault>) {
    if !found {
        faults.push(FieldFault::new(field, FaultKind::UnknownCode));
    }
}
