//! Registering a resident: typed, or in one step by the identity card on the reader.

use axum::response::Response;
use device_drivers::idcard_sam::IdCard;
use maud::{Markup, html};
use records::faults::FieldFault;
use records::identity::ResidentIdNumber;
use records::ids::{DocId, DocKind, FormId, PatientId};
use records::patients::{Address, AllergyAnswer, NewAllergy, NewPatient, PatientLine, Sex};
use records::text::fold_name;
use records::time::BirthDate;
use shell::drafts;
use shell::errors::{Page as Answer, PageError};
use shell::find::row;
use store::{AuditAct, Commit, CommitError, Lane, LocalEffect, Target, Write};
use web::checks::{Checked, label};
use web::fields::Fields;
use web::forms::{Choice, Faults, Form, Input};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::people::demographics::{address_inputs, read_address, read_birth, sex_choice};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::pages::visitor::{Visitor, go_to};

/// The page's own address, under which its draft is kept.
const HERE: &str = "/patients/new";
/// Namesakes that are offered.
const TWINS: usize = 5;
/// Allergies that one field may name.
const ALLERGIES: usize = 10;

/// `GET /patients/new`.
pub async fn page(visitor: Visitor) -> Answer {
    let opened = drafts::open(&visitor, HERE).await?;
    let fields = opened.kept.unwrap_or_default();
    let view = View {
        form: opened.form,
        kept_at: opened.at,
        fields: &fields,
        checked: &Checked::default(),
        twins: &[],
    };
    visitor.page(&draw(&visitor, &view).await?).await
}

/// The form as it is drawn.
struct View<'a> {
    form: FormId,
    kept_at: Option<String>,
    fields: &'a Fields,
    checked: &'a Checked,
    twins: &'a [PatientLine],
}

async fn draw(visitor: &Visitor, view: &View<'_>) -> Answer<Page> {
    let lang = visitor.lang;
    let title = lang.t("register-title");
    let submit = lang.t("register-do");
    let form = Form {
        action: HERE,
        id: Some(view.form.to_string()),
        draft: true,
        draft_from: view.kept_at.clone(),
        faults: Some(&view.checked.faults),
        doubts: &view.checked.doubts,
        confirmed: &view.checked.confirmed,
        submit: &submit,
        back: Some("/patients"),
        ..Form::default()
    };
    let fields = html! {
        input type="hidden" name="page" value=(HERE);
        @if !view.twins.is_empty() { (twins(visitor, view.twins)) }
        (inputs(lang, view.fields, &view.checked.faults))
    };
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            (card_panel(visitor).await?)
            section.card { (form.around(lang, &fields, &html! {})) }
        }
    };
    Ok(Page::new(title.clone(), body))
}

fn inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let text = |name: &'static str| (label(lang, name), fields.get(name).to_owned());
    let (name, name_value) = text("name");
    let (number, number_value) = text("id_number");
    let (birth, birth_value) = text("birth");
    let (phone, phone_value) = text("phone");
    let (number_hint, birth_hint) = (lang.t("field-id-number-hint"), lang.t("field-birth-hint"));
    html! {
        (Input::text("name", &name).value(&name_value).markup(lang, faults))
        (Input::text("id_number", &number).value(&number_value).hint(&number_hint).optional().markup(lang, faults))
        (sex_choice(lang, fields.get("sex"), faults))
        (Input::digits("birth", &birth).value(&birth_value).hint(&birth_hint).optional().markup(lang, faults))
        (Input::telephone("phone", &phone).value(&phone_value).optional().markup(lang, faults))
        (address_inputs(lang, fields, faults))
        (allergy_inputs(lang, fields, faults))
    }
}

fn allergy_inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let (question, agent, hint) = (
        lang.t("allergies-title"),
        lang.t("register-allergy-agent"),
        lang.t("register-allergy-hint"),
    );
    let options = [
        ("", lang.t("register-allergies-not")),
        ("none", lang.t("register-allergies-none")),
        ("known", lang.t("register-allergies-known")),
    ];
    let options = options.map(|(value, words)| (value.to_owned(), words)).to_vec();
    html! {
        (Choice::new("allergies", &question, options).chosen(Some(fields.get("allergies"))).markup(lang, faults))
        (Input::text("allergy_agent", &agent).value(fields.get("allergy_agent")).hint(&hint).optional().markup(lang, faults))
    }
}

/// Reads the form. A birth date that is no date is a fault of its own.
fn read(fields: &Fields) -> (NewPatient, Vec<FieldFault>) {
    let mut faults = Vec::new();
    let agents: Vec<NewAllergy> = fields
        .get("allergy_agent")
        .split([',', '，', '、', ';', '；'])
        .map(str::trim)
        .filter(|agent| !agent.is_empty())
        .take(ALLERGIES)
        .map(|agent| NewAllergy {
            agent: agent.to_owned(),
            ..NewAllergy::default()
        })
        .collect();
    let allergies = match fields.get("allergies") {
        "none" if agents.is_empty() => AllergyAnswer::NoneKnown,
        // A named agent counts, whatever is ticked: a danger is never dropped.
        "known" => AllergyAnswer::Known(agents),
        _ if !agents.is_empty() => AllergyAnswer::Known(agents),
        _ => AllergyAnswer::NotAsked,
    };
    let patient = NewPatient {
        name: fields.get("name").to_owned(),
        sex: Sex::from_word(fields.get("sex")).unwrap_or_default(),
        birth: read_birth(fields, &mut faults),
        id_number: fields.get("id_number").to_owned(),
        phone: fields.get("phone").to_owned(),
        address: read_address(fields),
        allergies,
        ..NewPatient::default()
    };
    (patient, faults)
}

/// `POST /patients/new`.
pub async fn register(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let form = fields.form()?;
    let (patient, mut faults) = read(&fields);
    faults.extend(patient.check(visitor.today()));
    let checked = Checked::of(visitor.lang, &faults, &fields);
    let mut twins = Vec::new();
    if checked.passes() && !is_same_form(&visitor, form).await? {
        twins = find_twins(&visitor, &patient).await?;
        let settled = fields.confirmed();
        twins.retain(|twin| !settled.contains(&format!("twin={}", twin.id)));
    }
    let view = View {
        form,
        kept_at: None,
        fields: &fields,
        checked: &checked,
        twins: &twins,
    };
    if !checked.passes() || !twins.is_empty() {
        return visitor.refused(draw(&visitor, &view).await?).await;
    }
    match write(&visitor, &patient, Some(form)).await {
        Ok(patient) => go_to(&format!("/patients/{patient}")),
        Err(CommitError::DiskFull) => {
            visitor
                .unsaved(&Trouble::DiskFull, draw(&visitor, &view).await?)
                .await
        }
        Err(other) => Err(other.into()),
    }
}

/// Whether this form has registered its person already: nobody is asked about that person's own chart.
async fn is_same_form(visitor: &Visitor, form: FormId) -> Answer<bool> {
    Ok(visitor.state.store.form_applied(form).await?)
}

async fn write(
    visitor: &Visitor,
    patient: &NewPatient,
    form: Option<FormId>,
) -> Result<PatientId, CommitError> {
    let owner = visitor
        .state
        .store
        .clinic()
        .await?
        .ok_or(CommitError::Refused("no clinic"))?;
    let edits = patient.edits(Some(visitor.person.staff), visitor.now(), &mut rand::random);
    let commit = Commit {
        writes: vec![Write::new(
            Target::New {
                kind: DocKind::Chart,
                owner,
            },
            edits,
        )],
        blobs: Vec::new(),
        by: visitor.by(),
        act: AuditAct::Register,
        lane: Lane::P2,
        form,
        settle: form.map(LocalEffect::DropDraft).into_iter().collect(),
    };
    let done = visitor.state.store.commit(commit).await?;
    done.docs
        .first()
        .copied()
        .and_then(DocId::patient)
        .ok_or(CommitError::Refused("no chart"))
}

/// People who may be the one that is to be registered.
async fn find_twins(visitor: &Visitor, patient: &NewPatient) -> Answer<Vec<PatientLine>> {
    let store = &visitor.state.store;
    let mut twins = Vec::new();
    if let Ok(number) = ResidentIdNumber::parse(&patient.id_number) {
        twins.extend(lines_of_number(visitor, &number).await?);
    }
    let birth = patient.birth.or_else(|| {
        ResidentIdNumber::parse(&patient.id_number)
            .ok()
            .map(|number| number.birth_date())
    });
    let name = fold_name(&patient.name);
    for line in store.search_patients(&patient.name, TWINS * 4).await? {
        let same = fold_name(&line.name) == name && birth.is_some() && line.birth == birth;
        if same && twins.iter().all(|twin| twin.id != line.id) {
            twins.push(line);
        }
    }
    twins.truncate(TWINS);
    Ok(twins)
}

fn twins(visitor: &Visitor, twins: &[PatientLine]) -> Markup {
    let lang = visitor.lang;
    let body = html! {
        p { (lang.t("register-twin-open")) }
        (web::patients::lines(lang, &twins.iter().map(|twin| row(visitor, twin, false)).collect::<Vec<_>>(), visitor.today()))
        @for twin in twins { input type="hidden" name="confirming" value={ "twin=" (twin.id) }; }
        p.actions { button.button type="submit" name="confirm" value="yes" { (lang.t("register-twin-other")) } }
    };
    panel(lang, Class::Warning, &lang.t("register-twin"), &body)
}

/// `GET /patients/new/card`: the panel about the card on the reader, which renews itself.
pub async fn card_part(visitor: Visitor) -> Answer {
    let panel = card_panel(&visitor).await?;
    if visitor.part {
        visitor.part(panel)
    } else {
        go_to(HERE)
    }
}

async fn card_panel(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let card = visitor.state.bays.card(None).map(|(_, card)| card);
    let known = match &card {
        Some(card) => known_person(visitor, card).await?,
        None => None,
    };
    Ok(html! {
        section #card.card.stack hx-get="/patients/new/card" hx-trigger="live-bay from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" aria-live="polite" {
            @match (&card, &known) {
                (Some(_), Some(known)) => {
                    h2 { (Icon::Card.svg()) " " (lang.t("register-card-known")) }
                    (web::patients::lines(lang, &[row(visitor, known, false)], visitor.today()))
                }
                (Some(card), None) => {
                    h2 { (Icon::Card.svg()) " " (lang.t("register-card")) }
                    p.lead { strong { (card.name) } " " (card.birth.map_or_else(|| card.birth_text.clone(), |birth| birth.to_string())) }
                    form method="post" action="/patients/new/card" {
                        input type="hidden" name="form" value=(shell::forms::new_form());
                        input type="hidden" name="number_tail" value=(tail(&card.number));
                        button.button.button-main type="submit" { (lang.t("register-card-do")) }
                    }
                }
                (None, _) => p.quiet { (Icon::Card.svg()) " " (lang.t("register-card-none")) },
            }
        }
    })
}

fn tail(number: &str) -> &str {
    number
        .char_indices()
        .rev()
        .nth(3)
        .map_or(number, |(at, _)| &number[at..])
}

async fn known_person(visitor: &Visitor, card: &IdCard) -> Answer<Option<PatientLine>> {
    let Ok(number) = ResidentIdNumber::parse(&card.number) else {
        return Ok(None);
    };
    Ok(lines_of_number(visitor, &number).await?.into_iter().next())
}

/// The people who are held under a number.
pub async fn lines_of_number(visitor: &Visitor, number: &ResidentIdNumber) -> Answer<Vec<PatientLine>> {
    let store = &visitor.state.store;
    let mut lines = Vec::new();
    for patient in store.patients_with_id_number(number.as_str()).await? {
        lines.extend(store.patient_line(patient).await?);
    }
    Ok(lines)
}

/// `POST /patients/new/card`: the card's holder is registered, or found.
pub async fn register_card(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let form = fields.form()?;
    let card = visitor.state.bays.card(None).map(|(_, card)| card);
    // The card that was seen when the button was pressed, not the one that lies there now.
    let Some(card) = card.filter(|card| tail(&card.number) == fields.get("number_tail")) else {
        let mut checked = Checked::default();
        checked.refuse("name", visitor.t("register-card-gone"));
        let view = View {
            form,
            kept_at: None,
            fields: &Fields::default(),
            checked: &checked,
            twins: &[],
        };
        return visitor.refused(draw(&visitor, &view).await?).await;
    };
    if let Some(known) = known_person(&visitor, &card).await? {
        return go_to(&format!("/patients/{}", known.id));
    }
    let patient = of_card(&card);
    let patient = write(&visitor, &patient, Some(form))
        .await
        .map_err(PageError::from)?;
    go_to(&format!("/patients/{patient}"))
}

/// The person of a card.
pub fn of_card(card: &IdCard) -> NewPatient {
    let sex = Sex::ALL
        .into_iter()
        .find(|sex| sex.code() == card.sex_code)
        .unwrap_or_default();
    let ethnicity = card
        .ethnicity_code
        .as_deref()
        .and_then(records::tables::ethnic_group)
        .map(|group| group.zh.clone());
    NewPatient {
        name: card.name.clone(),
        sex,
        birth: card.birth.map(BirthDate),
        id_number: card.number.clone(),
        address: Address {
            house: card.current_address().unwrap_or_default().to_owned(),
            ..Address::default()
        },
        ethnicity: ethnicity.unwrap_or_default(),
        ..NewPatient::default()
    }
}
