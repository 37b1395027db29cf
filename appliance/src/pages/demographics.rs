//! Changing who a person is: name, number, birth, address, telephone. Only what was changed is written.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::identity::IdNumber;
use records::ids::FormId;
use records::patients::{Address, Chart, ChartCommand, NewPatient, Sex};
use records::text::fold;
use records::time::BirthDate;
use records::tree::Edit;
use store::AuditAct;
use web::forms::{Faults, Form, Input, Tick};
use web::layout::{Page, heading};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::{Page as Answer, PageError};
use crate::pages::drafts::{self, Opened};
use crate::pages::faults::{Checked, label};
use crate::pages::fields::{Fields, heads_text};
use crate::pages::person::Person;
use crate::pages::register::{address_inputs, read_address, read_birth, sex_choice};
use crate::pages::visitor::{Visitor, go_to};

/// `GET /patients/{id}/edit`.
pub async fn page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let Opened { form, kept, at } = drafts::open(&visitor, &here(&person)).await?;
    let fields = kept.unwrap_or_else(|| of_chart(&person));
    visitor
        .page(&draw(&visitor, &person, form, at, &fields, &Checked::default()))
        .await
}

fn here(person: &Person) -> String {
    format!("{}/edit", person.href())
}

/// The form as the chart fills it.
fn of_chart(person: &Person) -> Fields {
    let chart = &person.chart;
    let mut fields = Fields::default();
    fields.put("base", heads_text(&person.heads));
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

fn draw(
    visitor: &Visitor,
    person: &Person,
    form: FormId,
    kept_at: Option<String>,
    fields: &Fields,
    checked: &Checked,
) -> Page {
    let lang = visitor.lang;
    let title = lang.t("demographics-title");
    let action = here(person);
    let back = person.href();
    let submit = lang.t("save");
    let around = Form {
        action: &action,
        id: Some(form.to_string()),
        base: Some(fields.get("base").to_owned()),
        draft: true,
        draft_from: kept_at,
        faults: Some(&checked.faults),
        doubts: &checked.doubts,
        confirmed: &checked.confirmed,
        submit: &submit,
        back: Some(&back),
        ..Form::default()
    };
    let inner =
        html! { input type="hidden" name="page" value=(action); (inputs(lang, fields, &checked.faults)) };
    let body = html! { (heading(&title, &html! {})) section.card.narrow { (around.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

fn inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
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

/// `POST /patients/{id}/edit`.
pub async fn change(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let form = fields.form()?;
    // What the form's page showed: a field that its author left alone is not written, whoever changed it since.
    let base = fields.base()?.ok_or(Trouble::Unreadable)?;
    let shown = visitor
        .state
        .store
        .chart_at(person.id, &base)
        .await?
        .ok_or(Trouble::Stale)?;
    let mut faults = Vec::new();
    let wanted = read(&fields, &mut faults);
    let died = read_died(&fields, &mut faults);
    faults.extend(
        wanted
            .check(visitor.today())
            .into_iter()
            .filter(|fault| !is_old(fault, &wanted, &shown)),
    );
    let checked = Checked::of(visitor.lang, &faults, &fields);
    let draw = || draw(&visitor, &person, form, None, &fields, &checked);
    if !checked.passes() {
        return visitor.refused(draw()).await;
    }
    let edits = match edits(&visitor, &shown, &wanted, died) {
        Ok(edits) => edits,
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            return visitor
                .refused(self::draw(&visitor, &person, form, None, &fields, &checked))
                .await;
        }
    };
    if edits.is_empty() {
        visitor.state.store.drop_draft(form).await?;
        return go_to(&person.href());
    }
    match person
        .write(&visitor, AuditAct::ChartChange, edits, &fields)
        .await
    {
        Err(PageError(Trouble::DiskFull)) => visitor.unsaved(&Trouble::DiskFull, draw()).await,
        Err(other) => Err(other),
        Ok(_) => go_to(&person.href()),
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

fn edits(
    visitor: &Visitor,
    shown: &Chart,
    wanted: &NewPatient,
    died: Option<Option<BirthDate>>,
) -> Result<Vec<Edit>, Vec<FieldFault>> {
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
    match (died, &shown.deceased) {
        (Some(day), before) if before.as_ref().is_none_or(|before| before.on != day) => {
            commands.push(ChartCommand::SetDeceased(day));
        }
        (None, Some(_)) => commands.push(ChartCommand::ClearDeceased),
        (Some(_) | None, _) => {}
    }
    let mut edits = Vec::new();
    for command in commands {
        edits.extend(command.edits(shown, visitor.person.staff, visitor.now(), &mut rand::random)?);
    }
    Ok(edits)
}

/// The form does not show the county: what stands there stays.
fn keep(sent: &str, stands: &str) -> String {
    if sent.is_empty() {
        stands.to_owned()
    } else {
        sent.to_owned()
    }
}
