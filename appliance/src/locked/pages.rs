//! The pages of a locked box: the start PIN, how the hub is asked, and the county's recovery key for who has lost the PIN.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use card::pin::PinFault;
use maud::{Markup, PreEscaped, html};
use records::text::fold;
use records::time::{ClockSource, WallTime};
use serde::Deserialize;
use shell::errors::Page;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::guard::layers;
use web::layout::{Screen, bare_page, language_switch};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use super::{LockedState, kiosk};
use crate::opener::client::Door;
use crate::opener::protocol::{Answer, Request, Standing, bad_pin};
use crate::router::arrive;
use crate::setup::choose_language;
use crate::state::Transport;

/// Seconds after which a page looks whether the box has started.
const LOOK_AGAIN_SECONDS: u64 = 12;
/// How long a page waits for the opener: less than a page may take at all. The opener goes on.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pages as one listener serves them.
pub fn router(state: LockedState, transport: Transport) -> Router {
    let pages = kiosk_routes()
        .route("/", get(page))
        .route("/open", post(open))
        .route("/recover", get(recovery).post(recover))
        .route("/clock", post(offer_clock))
        .fallback(|| async { Redirect::to("/") });
    served(pages.with_state(state), transport)
}

/// The listener of the box's own screen: the kiosk and nothing else.
pub fn own_screen(state: LockedState) -> Router {
    let pages = kiosk_routes().fallback(|| async { Redirect::to("/kiosk") });
    served(pages.with_state(state), Transport::Loopback)
}

fn kiosk_routes() -> Router<LockedState> {
    Router::new()
        .route("/kiosk", get(kiosk::page))
        .route("/kiosk/person", post(kiosk::set_person))
        .route("/kiosk/values", post(kiosk::save))
        .route("/kiosk/clear", post(kiosk::clear))
        .route("/kiosk/call", post(kiosk::call))
        .route("/language", post(choose_language))
        .route("/ping", get(|| async { StatusCode::NO_CONTENT }))
        .merge(web::assets::router())
}

fn served(pages: Router, transport: Transport) -> Router {
    layers(pages).layer(from_fn(move |request, next| arrive(transport, request, next)))
}

/// What plain HTTP on the local network says: where the pages are.
pub fn signpost(state: LockedState) -> Router {
    let pages = Router::new()
        .route("/ping", get(|| async { StatusCode::NO_CONTENT }))
        .merge(web::assets::router())
        .fallback(elsewhere)
        .with_state(state);
    layers(pages)
}

async fn elsewhere(State(state): State<LockedState>, lang: Lang) -> Markup {
    let title = lang.t("locked-title");
    let body = gate(
        lang,
        &title,
        &html! {
            p { (lang.t("locked-about")) }
            p { (lang.t("locked-address")) " " strong.address { (state.address) } }
        },
    );
    bare_page(lang, Screen::Tablet, &title, false, &body)
}

fn gate(lang: Lang, title: &str, body: &Markup) -> Markup {
    html! {
        div.gate {
            div.gate-head { (web::layout::mark()) div { h1 { (title) } p.quiet { (lang.t("locked-name")) } } }
            (body)
        }
        div.bare-foot { (language_switch(lang, "/")) }
    }
}

fn answer(lang: Lang, faults: &Faults, body: &Markup) -> Response {
    answer_under(lang, &lang.t("locked-title"), faults, body)
}

/// The same under another title.
fn answer_under(lang: Lang, title: &str, faults: &Faults, body: &Markup) -> Response {
    let status = if faults.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let body = gate(lang, title, body);
    let page = bare_page(lang, Screen::Tablet, title, !faults.is_empty(), &body);
    (status, page).into_response()
}

/// Loads the page anew by itself, also without a script.
fn again_after(seconds: u64) -> Markup {
    PreEscaped(format!(
        "<meta http-equiv=\"refresh\" content=\"{seconds}; url=/\">"
    ))
}

/// A tablet's own time.
#[derive(Debug, Deserialize)]
struct TabletClock {
    /// Milliseconds since 1970.
    at: i64,
}

/// `POST /clock`: a tablet offers its time, which dates the readings of a box without one.
async fn offer_clock(
    State(state): State<LockedState>,
    axum::Form(tablet): axum::Form<TabletClock>,
) -> StatusCode {
    if store::Clock::now(state.clock.as_ref()).source == ClockSource::None {
        state.clock.offer(WallTime(tablet.at), ClockSource::Tablet);
    }
    StatusCode::NO_CONTENT
}

/// `GET /`: asks for the PIN.
async fn page(State(state): State<LockedState>, lang: Lang) -> Page {
    standing(&state, lang, &Faults::none()).await
}

/// The page of how the data stand.
async fn standing(state: &LockedState, lang: Lang, faults: &Faults) -> Page {
    match ask_or_wait(state, lang, Request::State).await? {
        Ok(Answer::State { standing }) => Ok(pin_page(state, lang, &standing, faults)),
        Ok(_) => Err(Trouble::Unreadable.into()),
        Err(busy) => Ok(busy),
    }
}

/// Asks the opener, and says in the page that it is busy where it takes longer than a page may.
async fn ask_or_wait(state: &LockedState, lang: Lang, request: Request) -> Page<Result<Answer, Response>> {
    match tokio::time::timeout(PATIENCE, ask(&state.door, request)).await {
        Ok(answer) => Ok(Ok(answer?)),
        Err(_) => Ok(Err(opening(lang))),
    }
}

/// Asks the opener; what it could not do is a fault with a number.
pub(crate) async fn ask(door: &Door, request: Request) -> Page<Answer> {
    match door.ask(request).await {
        Ok(Answer::Failed { why }) => Err(Trouble::broken(&OpenerFault(why)).into()),
        Ok(answer) => Ok(answer),
        Err(error) => Err(Trouble::broken(&error).into()),
    }
}

/// A fault of card or system that the opener met.
#[derive(Debug, thiserror::Error)]
#[error("the opener: {0}")]
struct OpenerFault(String);

fn pin_page(state: &LockedState, lang: Lang, standing: &Standing, faults: &Faults) -> Response {
    if standing.is_open {
        return starting(lang);
    }
    if standing.is_revoked {
        return revoked(lang);
    }
    let body = html! {
        @if standing.by_hub { (state.asking.part(lang)) } @else { p { (lang.t("locked-about")) } }
        @if standing.wait_seconds > 0 {
            (again_after(standing.wait_seconds))
            (waiting(lang, standing))
        } @else {
            (pin_form(lang, faults))
        }
        p.quiet { (lang.t("locked-readings")) }
        offer-clock action="/clock" {}
        p.actions { a.button href="/recover" { (lang.t("locked-lost")) } }
    };
    let title = if standing.by_hub {
        "locked-title-hub"
    } else {
        "locked-title"
    };
    answer_under(lang, &lang.t(title), faults, &body)
}

fn waiting(lang: Lang, standing: &Standing) -> Markup {
    let words = lang.t_with("locked-wait", &[("n", &standing.wait_seconds.to_string())]);
    let wrong = lang.t_with("locked-wrong-count", &[("n", &standing.wrong.to_string())]);
    panel(
        lang,
        Class::Warning,
        &words,
        &html! { p { (wrong) } p { (lang.t("locked-wait-about")) } },
    )
}

fn pin_form(lang: Lang, faults: &Faults) -> Markup {
    let (label, hint, submit) = (
        lang.t("field-start-pin"),
        lang.t("locked-pin-hint"),
        lang.t("locked-open"),
    );
    let field = Input::password("pin", &label)
        .hint(&hint)
        .fills("current-password")
        .focus()
        .markup(lang, faults);
    let form = Form {
        action: "/open",
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    form.around(lang, &field, &html! {})
}

/// A PIN as it counts: the same digits whether they were typed wide or narrow.
pub fn pin_of(fields: &Fields, name: &str) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(fold(fields.get(name)))
}

/// `POST /open`.
async fn open(State(state): State<LockedState>, lang: Lang, fields: Fields) -> Page {
    let mut faults = Faults::none();
    let pin = pin_of(&fields, "pin");
    if pin.is_empty() {
        faults.add("pin", lang.t("locked-pin-empty"));
    } else {
        match ask_or_wait(&state, lang, Request::Open { pin }).await? {
            Ok(Answer::Opened) => return Ok(starting(lang)),
            Ok(Answer::WrongPin { .. }) => faults.add("pin", lang.t("locked-wrong")),
            Ok(_) => {}
            Err(busy) => return Ok(busy),
        }
    }
    standing(&state, lang, &faults).await
}

/// The opener still works at it.
fn opening(lang: Lang) -> Response {
    let body = html! {
        (again_after(LOOK_AGAIN_SECONDS))
        (panel(lang, Class::Must, &lang.t("locked-opening"), &html! { p { (lang.t("locked-opening-about")) } }))
    };
    answer(lang, &Faults::none(), &body)
}

/// The county revoked this box: whom to call, and the way in with the county's word.
fn revoked(lang: Lang) -> Response {
    let body = html! {
        (panel(lang, Class::Forbidden, &lang.t("locked-revoked"), &html! { p { (lang.t("locked-revoked-about")) } }))
        p.actions { a.button href="/recover" { (lang.t("locked-recover")) } }
    };
    let title = lang.t("locked-title-hub");
    on_with(answer_under(lang, &title, &Faults::none(), &body))
}

/// Leads a page that looks again by itself to the whole of this one.
fn on_with(mut response: Response) -> Response {
    let front = axum::http::HeaderValue::from_static("/");
    response.headers_mut().insert("hx-redirect", front);
    response
}

/// The data are open, and the box's own program takes the place of this one.
fn starting(lang: Lang) -> Response {
    let body = html! {
        (again_after(LOOK_AGAIN_SECONDS))
        (panel(lang, Class::Done, &lang.t("locked-opened"), &html! { p { (lang.t("locked-opened-about")) } }))
        p.actions { a.button.button-main href="/" { (lang.t("locked-go-on")) } }
    };
    let title = lang.t("locked-title-open");
    on_with(answer_under(lang, &title, &Faults::none(), &body))
}

/// `GET /recover`.
async fn recovery(lang: Lang) -> Response {
    recovery_page(lang, &Faults::none())
}

fn recovery_page(lang: Lang, faults: &Faults) -> Response {
    let (key, submit) = (lang.t("field-recovery-key"), lang.t("locked-recover"));
    let hint = lang.t("locked-recover-hint");
    let inner = html! {
        (Input::password("key", &key).hint(&hint).fills("off").focus().markup(lang, faults))
        (new_pin(lang, faults))
    };
    let form = Form {
        action: "/recover",
        faults: Some(faults),
        submit: &submit,
        back: Some("/"),
        ..Form::default()
    };
    let body = html! { p { (lang.t("locked-recover-about")) } (form.around(lang, &inner, &html! {})) };
    answer(lang, faults, &body)
}

/// The fields of a new start PIN, which is typed twice.
pub fn new_pin(lang: Lang, faults: &Faults) -> Markup {
    let (new, again) = (lang.t("field-new-start-pin"), lang.t("field-new-start-pin-again"));
    let hint = lang.t("start-pin-hint");
    html! {
        (Input::password("new", &new).hint(&hint).fills("new-password").markup(lang, faults))
        (Input::password("again", &again).fills("new-password").markup(lang, faults))
    }
}

/// A new PIN, where it was typed twice the same; whether it is a good one the opener says.
pub fn read_new_pin(lang: Lang, fields: &Fields, faults: &mut Faults) -> zeroize::Zeroizing<String> {
    let (new, again) = (pin_of(fields, "new"), pin_of(fields, "again"));
    if let Err(fault) = card::pin::StartPin::chosen(&new) {
        faults.add("new", pin_sentence(lang, fault));
    } else if new != again {
        faults.add("again", lang.t("start-pin-not-same"));
    }
    new
}

/// What is wrong with a new PIN.
pub fn pin_sentence(lang: Lang, fault: PinFault) -> String {
    match fault {
        PinFault::TooShort => lang.t("start-pin-short"),
        PinFault::TooLong => lang.t("start-pin-long"),
        PinFault::TooPlain => lang.t("start-pin-plain"),
    }
}

/// `POST /recover`.
async fn recover(State(state): State<LockedState>, lang: Lang, fields: Fields) -> Page {
    let mut faults = Faults::none();
    let key = zeroize::Zeroizing::new(fields.get("key").to_owned());
    if key.is_empty() {
        faults.add("key", lang.t("locked-recover-hint"));
    }
    let pin = read_new_pin(lang, &fields, &mut faults);
    if faults.is_empty() {
        match ask_or_wait(&state, lang, Request::Recover { key, pin }).await? {
            Ok(Answer::Opened | Answer::Done) => return Ok(starting(lang)),
            Ok(Answer::BadPin { why }) => faults.add("new", pin_sentence(lang, bad_pin(&why))),
            Ok(_) => faults.add("key", lang.t("locked-wrong-key")),
            Err(busy) => return Ok(busy),
        }
    }
    Ok(recovery_page(lang, &faults))
}
