//! Who a person is, to be changed: name, number, birth, address, telephone. Only what was changed is written.

use maud::{Markup, html};
use records::Fresh;
use records::faults::{FaultKind, FieldFault};
use records::identity::IdNumber;
use records::ids::StaffId;
use records::patients::{Address, Chart, ChartCommand, NewPatient, Sex};
use records::text::fold;
use records::time::{BirthDate, Date, Stamp};
use records::tree::Edit;

use super::facts::sex_word;
use crate::checks::label;
use crate::fields::Fields;
use crate::forms::{Choice, Faults, Input, Tick};
use crate::texts::Lang;

/// What a form asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    person: NewPatient,
    /// A death: none, on an unknown day, or on a day.
    died: Option<Option<BirthDate>>,
    unreadable: Vec<FieldFault>,
}

impl Wanted {
    /// Reads the fields.
    pub fn read(fields: &Fields) -> Self {
        let mut unreadable = Vec::new();
        Self {
            person: read(fields, &mut unreadable),
            died: read_died(fields, &mut unreadable),
            unreadable,
        }
    }

    /// What is wrong with it, against the chart that the form's page showed.
    pub fn faults(&self, shown: &Chart, today: Date) -> Vec<FieldFault> {
        let found = self
            .person
            .check(today)
            .into_iter()
            .filter(|fault| !is_old(fault, &self.person, shown));
        self.unreadable.iter().copied().chain(found).collect()
    }

    /// The edits: a field that its author left alone is not written, whoever changed it since.
    pub fn edits(
        &self,
        shown: &Chart,
        by: StaffId,
        at: Stamp,
        fresh: &mut Fresh<'_>,
    ) -> Result<Vec<Edit>, Vec<FieldFault>> {
        let wanted = &self.person;
        let mut commands = vec![
            ChartCommand::SetName(wanted.name.clone()),
            ChartCommand::SetSex(wanted.sex),
            ChartCommand::SetBirth(wanted.birth),
            ChartCommand::SetIdNumber(wanted.id_number.clone()),
            ChartCommand::SetPhone(wanted.phone.clone()),
            ChartCommand::SetAddress(Address {
                county: keep(&wanted.address.county, &shown.address.county),
                ..wanted.address.clone()
            }),
            ChartCommand::SetEthnicity(wanted.ethnicity.clone()),
            ChartCommand::SetArchiveNumber(wanted.archive_number.clone()),
        ];
        match (self.died, &shown.deceased) {
            (Some(day), before) if before.as_ref().is_none_or(|before| before.on != day) => {
                commands.push(ChartCommand::SetDeceased(day));
            }
            (None, Some(_)) => commands.push(ChartCommand::ClearDeceased),
            (Some(_) | None, _) => {}
        }
        let mut edits = Vec::new();
        for command in commands {
            edits.extend(command.edits(shown, by, at, fresh)?);
        }
        Ok(edits)
    }
}

/// The fields as the chart fills them; `base` are the heads at which it was read.
pub fn of_chart(chart: &Chart, base: &str) -> Fields {
    let mut fields = Fields::default();
    fields.put("base", base);
    fields.put("name", chart.name.clone());
    fields.put("sex", chart.sex.word());
    fields.put(
        "birth",
        chart.birth.map(|birth| birth.to_string()).unwrap_or_default(),
    );
    fields.put(
        "id_number",
        chart
            .id_number
            .as_ref()
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default(),
    );
    fields.put("phone", chart.phone.clone());
    fields.put("ethnicity", chart.ethnicity.clone());
    fields.put("archive_no", chart.archive_number.clone());
    let address = &chart.address;
    for (name, value) in [
        ("county", &address.county),
        ("town", &address.town),
        ("village", &address.village),
        ("group", &address.group),
        ("house", &address.house),
    ] {
        fields.put(name, value.clone());
    }
    if let Some(deceased) = &chart.deceased {
        fields.put("died", "yes");
        fields.put(
            "died_on",
            deceased.on.map(|on| on.to_string()).unwrap_or_default(),
        );
    }
    fields
}

/// The fields of the form.
pub fn inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let [name, number, birth, phone, ethnicity, archive] =
        ["name", "id_number", "birth", "phone", "ethnicity", "archive_no"].map(|field| label(lang, field));
    let (birth_hint, died, died_on) = (
        lang.t("field-birth-hint"),
        lang.t("field-died"),
        lang.t("field-died-on"),
    );
    html! {
        (Input::text("name", &name).value(fields.get("name")).markup(lang, faults))
        (Input::text("id_number", &number).value(fields.get("id_number")).optional().markup(lang, faults))
        (sex_choice(lang, fields.get("sex"), faults))
        (Input::digits("birth", &birth).value(fields.get("birth")).hint(&birth_hint).optional().markup(lang, faults))
        (Input::telephone("phone", &phone).value(fields.get("phone")).optional().markup(lang, faults))
        (address_inputs(lang, fields, faults))
        div.pair {
            (Input::text("ethnicity", &ethnicity).value(fields.get("ethnicity")).optional().markup(lang, faults))
            (Input::text("archive_no", &archive).value(fields.get("archive_no")).optional().markup(lang, faults))
        }
        div.pair {
            (Tick { name: "died", label: &died, ticked: fields.has("died") }.markup(faults))
            (Input::digits("died_on", &died_on).value(fields.get("died_on")).hint(&birth_hint).optional().markup(lang, faults))
        }
    }
}

/// The choice of a sex.
pub fn sex_choice(lang: Lang, chosen: &str, faults: &Faults) -> Markup {
    let options = Sex::ALL
        .map(|sex| (sex.word().to_owned(), sex_word(lang, sex)))
        .to_vec();
    let sex = label(lang, "sex");
    let chosen = Some(chosen).filter(|chosen| !chosen.is_empty());
    Choice::new("sex", &sex, options)
        .chosen(chosen)
        .optional()
        .markup(lang, faults)
}

/// The fields of an address.
pub fn address_inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    html! {
        div.pair {
            @for name in ["town", "village", "group", "house"] {
                @let words = label(lang, name);
                (Input::text(name, &words).value(fields.get(name)).optional().markup(lang, faults))
            }
        }
    }
}

fn read(fields: &Fields, faults: &mut Vec<FieldFault>) -> NewPatient {
    NewPatient {
        name: fields.get("name").to_owned(),
        sex: Sex::from_word(fields.get("sex")).unwrap_or_default(),
        birth: read_birth(fields, faults),
        id_number: fields.get("id_number").to_owned(),
        phone: fields.get("phone").to_owned(),
        address: Address {
            county: fields.get("county").to_owned(),
            ..read_address(fields)
        },
        ethnicity: fields.get("ethnicity").to_owned(),
        archive_number: fields.get("archive_no").to_owned(),
        ..NewPatient::default()
    }
}

/// The birth date of a form.
pub fn read_birth(fields: &Fields, faults: &mut Vec<FieldFault>) -> Option<BirthDate> {
    let typed = fold(fields.get("birth"));
    if typed.is_empty() {
        return None;
    }
    let birth = typed.parse().ok();
    if birth.is_none() {
        faults.push(FieldFault::new("birth", FaultKind::NotADate));
    }
    birth
}

/// The address of a form.
pub fn read_address(fields: &Fields) -> Address {
    let text = |name: &str| fields.get(name).to_owned();
    Address {
        county: text("county"),
        town: text("town"),
        village: text("village"),
        group: text("group"),
        house: text("house"),
    }
}

/// The death that the form says: none, on an unknown day, or on a day.
fn read_died(fields: &Fields, faults: &mut Vec<FieldFault>) -> Option<Option<BirthDate>> {
    let typed = fold(fields.get("died_on"));
    if typed.is_empty() {
        return fields.has("died").then_some(None);
    }
    match typed.parse() {
        Ok(day) => Some(Some(day)),
        Err(_) => {
            faults.push(FieldFault::new("died_on", FaultKind::NotADate));
            None
        }
    }
}

/// Whether a doubt is about what stood in the chart before: it was answered then.
fn is_old(fault: &FieldFault, wanted: &NewPatient, shown: &Chart) -> bool {
    let number = IdNumber::read(&wanted.id_number);
    let same_person = wanted.sex == shown.sex && wanted.birth == shown.birth && number == shown.id_number;
    match fault.field {
        "id_number" => fault.kind.is_soft() && same_person,
        "archive_no" => fault.kind.is_soft() && fold(&wanted.archive_number) == shown.archive_number,
        _ => false,
    }
}

/// The form does not show the county: what stands there stays.
fn keep(sent: &str, stands: &str) -> String {
    if sent.is_empty() {
        stands.to_owned()
    } else {
        sent.to_owned()
    }
}
