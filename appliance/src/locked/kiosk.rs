//! The kiosk of a locked box: a person says who he is, by his card on a reader or by typing, and types what a device
//! showed. It is sealed at once; nothing is looked up, since nothing can be read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, PreEscaped, html};
use records::faults::FieldFault;
use records::identity::ResidentIdNumber;
use records::ids::FormId;
use records::vitals::{GlucoseTiming, Measured, PersonAge, VitalKind, check_typed, parse_typed};
use shell::errors::Page;
use shell::forms::new_form;
use store::Clock as _;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::guard::Caller;
use web::icons::Icon;
use web::layout::kiosk_page;
use web::texts::Lang;
use web::trouble::Trouble;
use web::vitals::{kind_name, unit_of};

use super::LockedState;
use crate::bays::readings::{Found, to_tray};
use crate::inbox::{Message, NAME_CHARS_MAX};

/// What may be typed: what a person reads off a device without help.
const KINDS: [VitalKind; 4] = [
    VitalKind::BloodPressure,
    VitalKind::Pulse,
    VitalKind::Temperature,
    VitalKind::Glucose,
];
/// Seconds after which a screen that says that all is done is cleared.
const DONE_SECONDS: u32 = 20;

fn screen(lang: Lang, faults: &Faults, body: &Markup) -> Response {
    let status = if faults.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let place = lang.t("locked-name");
    let page = kiosk_page(lang, &place, &lang.t("locked-kiosk"), body, Some("/kiosk/clear"));
    (status, page).into_response()
}

fn picture(icon: Icon) -> Markup {
    html! { div.kiosk-picture aria-hidden="true" { (icon.svg()) } }
}

/// `GET /kiosk`: who is it?
pub(super) async fn page(State(state): State<LockedState>, lang: Lang) -> Response {
    let mut fields = Fields::default();
    if let Some((_, card)) = state.bays.card(None) {
        fields.put("name", card.name);
        fields.put("number", card.number);
    }
    person_screen(lang, &fields, &Faults::none())
}

fn person_screen(lang: Lang, fields: &Fields, faults: &Faults) -> Response {
    let (name, number, submit) = (
        lang.t("field-name"),
        lang.t("field-id-number"),
        lang.t("locked-kiosk-next"),
    );
    let inner = html! {
        (Input::text("name", &name).value(fields.get("name")).markup(lang, faults))
        (Input::text("number", &number).value(fields.get("number")).markup(lang, faults))
    };
    let form = Form {
        action: "/kiosk/person",
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    let body = html! {
        (picture(Icon::Lock))
        h1 { (lang.t("locked-kiosk")) }
        p.kiosk-sentence { (lang.t("locked-kiosk-who")) }
        div.kiosk-form { (form.around(lang, &inner, &html! {})) }
    };
    screen(lang, faults, &body)
}

/// The ID number that was typed; its faults stand in the form.
fn person(lang: Lang, fields: &Fields, faults: &mut Faults) -> Option<ResidentIdNumber> {
    let name = fields.get("name").chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&name) {
        faults.add("name", lang.t("locked-kiosk-name"));
    }
    let number = ResidentIdNumber::parse(fields.get("number")).ok();
    if number.is_none() {
        faults.add("number", lang.t("locked-kiosk-number"));
    }
    number
}

/// `POST /kiosk/person`: what was measured?
pub(super) async fn set_person(lang: Lang, fields: Fields) -> Response {
    let mut faults = Faults::none();
    person(lang, &fields, &mut faults);
    if !faults.is_empty() {
        return person_screen(lang, &fields, &faults);
    }
    values_screen(lang, &fields, &faults)
}

fn values_screen(lang: Lang, fields: &Fields, faults: &Faults) -> Response {
    let (hint, submit) = (lang.t("typed-bp-hint"), lang.t("locked-kiosk-save"));
    let form_id = Some(fields.get("form"))
        .filter(|id| !id.is_empty())
        .map_or_else(|| new_form().to_string(), str::to_owned);
    let inner = html! {
        @for name in ["name", "number"] { input type="hidden" name=(name) value=(fields.get(name)); }
        @for kind in KINDS {
            @let label = kind_name(lang, kind);
            @let input = if kind == VitalKind::BloodPressure { Input::text(kind.word(), &label).hint(&hint) } else { Input::decimal(kind.word(), &label) };
            (input.unit(unit_of(lang, kind)).value(fields.get(kind.word())).optional().markup(lang, faults))
        }
    };
    let form = Form {
        action: "/kiosk/values",
        id: Some(form_id),
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    let body = html! {
        h1 { (lang.t("locked-kiosk-what")) }
        div.kiosk-form { (form.around(lang, &inner, &html! {})) }
        form method="post" action="/kiosk/clear" { button.button.button-back type="submit" { (lang.t("kiosk-leave")) } }
    };
    screen(lang, faults, &body)
}

/// What was typed, with what is wrong with it. A value that is rare is taken: the doctor sees it before anybody acts.
fn values(fields: &Fields, person: &PersonAge) -> (Vec<Measured>, Vec<FieldFault>) {
    let (mut measured, mut faults) = (Vec::new(), Vec::new());
    for kind in KINDS.into_iter().filter(|kind| fields.has(kind.word())) {
        match parse_typed(kind, fields.get(kind.word()), GlucoseTiming::Random) {
            Ok(one) => {
                let found = check_typed(&one, person);
                let hard = found.iter().find(|fault| !fault.kind.is_soft());
                faults.extend(hard.map(|fault| FieldFault::new(kind.word(), fault.kind)));
                measured.push(one);
            }
            Err(fault) => faults.push(fault),
        }
    }
    (measured, faults)
}

/// `POST /kiosk/values`: seals what was typed.
pub(super) async fn save(
    State(state): State<LockedState>,
    lang: Lang,
    caller: Caller,
    fields: Fields,
) -> Page {
    let tries = state.limits.kiosk.check(&caller.peer, state.clock.uptime());
    tries.map_err(|refused| Trouble::TooMany {
        wait: refused.wait.as_secs().max(1),
    })?;
    let mut faults = Faults::none();
    let Some(number) = person(lang, &fields, &mut faults) else {
        return Ok(person_screen(lang, &fields, &faults));
    };
    let now = state.clock.now();
    let age = PersonAge::on(Some(number.birth_date()), number.sex(), now.at.china_date());
    let (measured, wrong) = values(&fields, &age);
    for fault in wrong {
        faults.add(fault.field, web::checks::sentence(lang, fault));
    }
    if measured.is_empty() && faults.is_empty() {
        faults.add("bp", lang.t("typed-nothing"));
    }
    if !faults.is_empty() {
        return Ok(values_screen(lang, &fields, &faults));
    }
    let form = fields.form()?;
    for (place, one) in measured.into_iter().enumerate() {
        let found = Found {
            measured: one,
            marks: Vec::new(),
            subject: None,
            from_memory: false,
        };
        let content = to_tray(&found, "", "", now);
        let message = Message::new("", fields.get("name"), number.as_str(), content);
        if !state.keep(item_of(form, place), &message).await? {
            return Ok(full(lang));
        }
    }
    Ok(done(lang))
}

/// The id of one value of a form: a form that is sent twice is kept once.
fn item_of(form: FormId, place: usize) -> [u8; 16] {
    let mut id = form.0;
    // Ids are random throughout: a count in the last byte keeps them apart.
    id[15] = id[15].wrapping_add(place as u8);
    id
}

fn done(lang: Lang) -> Response {
    told(
        lang,
        Icon::Check,
        &lang.t("locked-kiosk-done"),
        &lang.t("locked-kiosk-done-about"),
    )
}

fn full(lang: Lang) -> Response {
    told(
        lang,
        Icon::Tray,
        &lang.t("locked-kiosk-full"),
        &lang.t("locked-kiosk-full-about"),
    )
}

fn told(lang: Lang, icon: Icon, title: &str, about: &str) -> Response {
    let body = html! {
        (PreEscaped(format!("<meta http-equiv=\"refresh\" content=\"{DONE_SECONDS}; url=/kiosk\">")))
        (picture(icon))
        h1 { (title) }
        p.kiosk-sentence { (about) }
        div.kiosk-choices { a.button.button-go href="/kiosk" { (lang.t("kiosk-understood")) } }
    };
    screen(lang, &Faults::none(), &body)
}

/// `POST /kiosk/clear`: nobody is there any more.
pub(super) async fn clear() -> Redirect {
    Redirect::to("/kiosk")
}

/// `POST /kiosk/call`: the red button, which reaches no tablet now.
pub(super) async fn call(lang: Lang) -> Response {
    told(
        lang,
        Icon::Bell,
        &lang.t("locked-kiosk-call"),
        &lang.t("locked-kiosk-call-about"),
    )
}
