//! First start, in five steps that can each be taken up again: language, clinic, first doctor, hub, tablet; in six where
//! a person opens the data, with the start PIN behind the doctor.
//!
//! Until somebody works here, the first three steps are open to whoever stands before the box; the doctor who is
//! entered there is signed in and goes on.

use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use records::clinics::Clinic;
use records::ids::ClinicCode;
use records::text::fold;
use shell::errors::Page;
use shell::session::{browser_name, set_cookie};
use shell::station::Station as _;
use store::AuditAct;
use web::account::secret_faults;
use web::checks::secret_sentence;
use web::fields::Fields;
use web::forms::{Area, Choice, Faults, Form, Input};
use web::guard::Caller;
use web::layout::{Screen, bare_page, language_switch};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::founding::{self, Mark, NewDoctor};
use crate::hub_link::JoinFault;
use crate::locked::pages::{new_pin, read_new_pin};
use crate::pages::is_fresh;
use crate::pages::staff::{read_member, secrets, who};
use crate::pages::start_pin;
use crate::pages::visitor::{Visitor, go_to};
use crate::state::{AppState, Transport};

/// Longest token file, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// A step of first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Language,
    Clinic,
    Doctor,
    Pin,
    Hub,
    Tablet,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Language,
        Self::Clinic,
        Self::Doctor,
        Self::Pin,
        Self::Hub,
        Self::Tablet,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Language => "/start/language",
            Self::Clinic => "/start/clinic",
            Self::Doctor => "/start/doctor",
            Self::Pin => "/start/pin",
            Self::Hub => "/start/hub",
            Self::Tablet => "/start/tablet",
        }
    }

    fn title(self, lang: Lang) -> String {
        match self {
            Self::Language => lang.t("start-language"),
            Self::Clinic => lang.t("start-clinic"),
            Self::Doctor => lang.t("start-doctor"),
            Self::Pin => lang.t("start-pin"),
            Self::Hub => lang.t("start-hub"),
            Self::Tablet => lang.t("start-tablet"),
        }
    }
}

/// In which language, and whether a person opens the data of this box.
#[derive(Debug, Clone, Copy)]
struct Way {
    lang: Lang,
    by_person: bool,
}

impl Way {
    fn of(state: &AppState, lang: Lang) -> Self {
        let by_person = state.door().is_some();
        Self { lang, by_person }
    }

    /// The steps of this box.
    fn steps(self) -> Vec<Step> {
        let all = Step::ALL.into_iter();
        all.filter(|step| self.by_person || *step != Step::Pin).collect()
    }
}

/// Facts about what was done so far.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    language: bool,
    clinic: bool,
    doctor: bool,
    pin: bool,
    hub: bool,
    done: bool,
}

async fn progress(state: &AppState) -> Page<Progress> {
    let store = &state.store;
    Ok(Progress {
        language: founding::is_marked(store, Mark::Language).await?,
        clinic: store.clinic_document().await?.is_some(),
        doctor: !is_fresh(state).await?,
        pin: start_pin::is_set_or_needless(state).await?,
        hub: founding::is_marked(store, Mark::Hub).await? || state.link.is_joined().await?,
        done: founding::is_marked(store, Mark::Done).await?,
    })
}

impl Progress {
    fn next(self) -> Option<Step> {
        let done = [
            self.language,
            self.clinic,
            self.doctor,
            self.pin,
            self.hub,
            self.done,
        ];
        Step::ALL
            .into_iter()
            .zip(done)
            .find(|(_, done)| !done)
            .map(|(step, _)| step)
    }
}

/// `GET /start`: the step that comes next.
pub async fn begin(State(state): State<AppState>) -> Page {
    go_to(progress(&state).await?.next().map_or("/", Step::path))
}

/// Lets the first three steps be taken only until somebody works here.
async fn only_fresh(state: &AppState) -> Page<()> {
    if is_fresh(state).await? {
        Ok(())
    } else {
        Err(Trouble::Forbidden.into())
    }
}

fn page(way: Way, step: Step, faults: &Faults, body: &Markup) -> Markup {
    let (lang, steps) = (way.lang, way.steps());
    let title = step.title(lang);
    let at = steps.iter().position(|one| *one == step).unwrap_or(0);
    let (n, of) = ((at + 1).to_string(), steps.len().to_string());
    let body = html! {
        div.gate {
            div.gate-head {
                (web::layout::mark())
                div {
                    p.quiet { (lang.t("start-title")) " · " (lang.t_with("start-step", &[("n", &n), ("of", &of)])) }
                    h1 { (title) }
                }
            }
            ol.start-steps aria-hidden="true" {
                @for (place, one) in steps.iter().enumerate() {
                    li.done[place < at] aria-current=[(place == at).then_some("step")] { (one.title(lang)) }
                }
            }
            (body)
        }
        div.bare-foot { (language_switch(lang, step.path())) }
    };
    bare_page(lang, Screen::Tablet, &title, !faults.is_empty(), &body)
}

fn answer(way: Way, step: Step, faults: &Faults, body: &Markup) -> Page {
    let status = if faults.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    Ok((status, page(way, step, faults, body)).into_response())
}

/// `GET /start/language`.
pub async fn language(State(state): State<AppState>, lang: Lang) -> Page {
    only_fresh(&state).await?;
    let way = Way::of(&state, lang);
    let options = Lang::ALL
        .map(|one| (one.code().to_owned(), lang.t(language_name(one))))
        .to_vec();
    let (label, submit) = (lang.t("start-language-which"), lang.t("start-next"));
    let none = Faults::none();
    let fields = Choice::new("language", &label, options)
        .chosen(Some(lang.code()))
        .markup(lang, &none);
    let form = Form {
        action: "/start/language",
        submit: &submit,
        ..Form::default()
    };
    let body = html! {
        p.lead { (lang.t_with("start-welcome", &[("n", &way.steps().len().to_string())])) }
        (form.around(lang, &fields, &html! {}))
        p.quiet { (lang.t("start-restore")) }
    };
    answer(way, Step::Language, &none, &body)
}

fn language_name(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => "language-zh",
        Lang::En => "language-en",
    }
}

/// `POST /start/language`.
pub async fn choose_language(State(state): State<AppState>, fields: Fields) -> Page {
    only_fresh(&state).await?;
    let lang = Lang::from_code(fields.get("language")).unwrap_or_default();
    founding::mark(&state.store, Mark::Language).await?;
    let mut response = Redirect::to("/start").into_response();
    set_cookie(&mut response, web::cookies::keep_lang(lang))?;
    Ok(response)
}

/// `GET /start/clinic`.
pub async fn clinic(State(state): State<AppState>, lang: Lang) -> Page {
    only_fresh(&state).await?;
    let mut fields = Fields::default();
    if let Some(code) = state.store.clinic().await? {
        fields.put("code", code.as_str());
    }
    clinic_form(Way::of(&state, lang), &fields, &Faults::none())
}

fn clinic_form(way: Way, fields: &Fields, faults: &Faults) -> Page {
    let lang = way.lang;
    let (name, code) = (lang.t("field-clinic-name"), lang.t("field-code"));
    let (name_hint, code_hint) = (lang.t("start-clinic-hint"), lang.t("start-code-hint"));
    let submit = lang.t("start-next");
    let inner = html! {
        (Input::text("clinic_name", &name).hint(&name_hint).value(fields.get("clinic_name")).focus().markup(lang, faults))
        (Input::text("code", &code).hint(&code_hint).value(fields.get("code")).markup(lang, faults))
    };
    let form = Form {
        action: "/start/clinic",
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    answer(way, Step::Clinic, faults, &form.around(lang, &inner, &html! {}))
}

/// `POST /start/clinic`.
pub async fn set_clinic(State(state): State<AppState>, lang: Lang, fields: Fields) -> Page {
    only_fresh(&state).await?;
    let code: Result<ClinicCode, _> = fold(fields.get("code")).parse();
    let clinic = Clinic {
        name: fields.get("clinic_name").to_owned(),
        code: code.clone().ok(),
        language: lang.code().to_owned(),
        ..Clinic::default()
    };
    let mut faults = Faults::none();
    for fault in clinic.check() {
        faults.add(fault.field, web::checks::sentence(lang, fault));
    }
    if code.is_err() {
        faults.add("code", lang.t("start-code-hint"));
    }
    if !faults.is_empty() {
        return clinic_form(Way::of(&state, lang), &fields, &faults);
    }
    founding::found_clinic(&state.store, &clinic).await?;
    go_to("/start")
}

/// `GET /start/doctor`.
pub async fn doctor(State(state): State<AppState>, lang: Lang) -> Page {
    only_fresh(&state).await?;
    doctor_form(Way::of(&state, lang), &Fields::default(), &Faults::none())
}

fn doctor_form(way: Way, fields: &Fields, faults: &Faults) -> Page {
    let lang = way.lang;
    let submit = lang.t("start-next");
    let inner =
        html! { offer-clock name="clock" {} (who(lang, fields, faults)) (secrets(lang, faults, false)) };
    let form = Form {
        action: "/start/doctor",
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    let body = html! { p { (lang.t("start-doctor-about")) } (form.around(lang, &inner, &html! {})) };
    answer(way, Step::Doctor, faults, &body)
}

/// `POST /start/doctor`: the first doctor, who looks after the clinic too until somebody else does.
pub async fn set_doctor(
    State(state): State<AppState>,
    lang: Lang,
    transport: Transport,
    caller: Caller,
    headers: HeaderMap,
    fields: Fields,
) -> Page {
    only_fresh(&state).await?;
    let tries = state.limits.sign_in.check(&caller.peer, state.clock.uptime());
    tries.map_err(|refused| Trouble::TooMany {
        wait: refused.wait.as_secs().max(1),
    })?;
    if state.store.clinic_document().await?.is_none() {
        return go_to("/start");
    }
    let mut faults = Faults::none();
    let (name, login, _) = read_member(lang, &fields, &[], &mut faults);
    for fault in secret_faults(fields.get("password"), fields.get("pin"), false) {
        faults.add(fault.field, secret_sentence(lang, fault));
    }
    if !faults.is_empty() {
        return doctor_form(Way::of(&state, lang), &fields, &faults);
    }
    state.signed_in(&fields).await;
    let (password, pin) = (fields.get("password").to_owned(), fields.get("pin").to_owned());
    let staff = founding::add_first_doctor(
        &state.store,
        &NewDoctor {
            name,
            login,
            password,
            pin,
        },
    )
    .await?;
    let token = state.store.new_session(staff, &browser_name(&headers)).await?;
    let mut response = Redirect::to("/start").into_response();
    set_cookie(
        &mut response,
        web::cookies::begin_session(&token, transport == Transport::Lan),
    )?;
    Ok(response)
}

/// `GET /start/pin`: the start PIN, where a person opens the data.
pub async fn pin(visitor: Visitor) -> Page {
    pin_form(&visitor, &Faults::none()).await
}

async fn pin_form(visitor: &Visitor, faults: &Faults) -> Page {
    let lang = visitor.lang;
    let submit = lang.t("start-next");
    let form = Form {
        action: "/start/pin",
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    let inner = new_pin(lang, faults);
    let about = start_pin::about(&visitor.state, lang).await?;
    let body = html! { p { (about) } (form.around(lang, &inner, &html! {})) };
    answer(Way::of(&visitor.state, lang), Step::Pin, faults, &body)
}

/// `POST /start/pin`.
pub async fn set_pin(visitor: Visitor, fields: Fields) -> Page {
    let mut faults = Faults::none();
    let new = read_new_pin(visitor.lang, &fields, &mut faults);
    if faults.is_empty() && !start_pin::is_set_or_needless(&visitor.state).await? {
        start_pin::set(&visitor, String::new().into(), new, &mut faults).await?;
    }
    if !faults.is_empty() {
        return pin_form(&visitor, &faults).await;
    }
    go_to("/start")
}

/// `GET /start/hub`.
pub async fn hub(visitor: Visitor) -> Page {
    let way = Way::of(&visitor.state, visitor.lang);
    if visitor.state.link.is_joined().await? {
        return hub_joined(way);
    }
    let mut fields = Fields::default();
    fields.put("url", visitor.state.link.url().unwrap_or_default());
    hub_form(way, &fields, &Faults::none())
}

fn hub_joined(way: Way) -> Page {
    let lang = way.lang;
    let body = html! {
        (panel(lang, Class::Done, &lang.t("start-hub-joined"), &html! {}))
        form method="post" action="/start/hub/later" { button.button.button-main type="submit" { (lang.t("start-next")) } }
    };
    answer(way, Step::Hub, &Faults::none(), &body)
}

fn hub_form(way: Way, fields: &Fields, faults: &Faults) -> Page {
    let lang = way.lang;
    let (url, token, file) = (
        lang.t("start-hub-url"),
        lang.t("start-hub-token"),
        lang.t("start-hub-file"),
    );
    let (url_hint, token_hint) = (lang.t("start-hub-url-hint"), lang.t("start-hub-token-hint"));
    let submit = lang.t("start-hub-join");
    let inner = html! {
        (Input::text("url", &url).hint(&url_hint).value(fields.get("url")).markup(lang, faults))
        (Area::new("token", &token, fields.get("token")).hint(&token_hint).rows(3).markup(lang, faults))
        (Input::file("file", &file, ".txt,.token,text/plain").optional().markup(lang, faults))
    };
    let form = Form {
        action: "/start/hub",
        faults: Some(faults),
        submit: &submit,
        files: true,
        ..Form::default()
    };
    let body = html! {
        p { (lang.t("start-hub-about")) }
        (form.around(lang, &inner, &html! {}))
        form method="post" action="/start/hub/later" { button.button type="submit" { (lang.t("start-hub-later")) } }
    };
    answer(way, Step::Hub, faults, &body)
}

/// `POST /start/hub`: joins with a one-time token, pasted or in a file.
pub async fn join(visitor: Visitor, multipart: Multipart) -> Page {
    let lang = visitor.lang;
    let fields = read_parts(multipart).await?;
    let token = if fields.has("file") {
        fields.get("file")
    } else {
        fields.get("token")
    };
    let mut faults = Faults::none();
    if !fields.get("url").starts_with("https://") {
        faults.add("url", lang.t("start-hub-url-hint"));
    }
    if token.is_empty() {
        faults.add("token", lang.t("start-hub-no-token"));
    }
    if faults.is_empty()
        && let Err(fault) = visitor.state.link.join(fields.get("url"), token, None).await
    {
        let (field, words) = join_fault(lang, &fault);
        faults.add(field, words);
    }
    if !faults.is_empty() {
        return hub_form(Way::of(&visitor.state, lang), &fields, &faults);
    }
    visitor
        .state
        .store
        .audit_note(visitor.by(), AuditAct::Enroll, None)
        .await?;
    founding::mark(&visitor.state.store, Mark::Hub).await?;
    go_to("/start/hub")
}

fn join_fault(lang: Lang, fault: &JoinFault) -> (&'static str, String) {
    match fault {
        JoinFault::BadAddress => ("url", lang.t("start-hub-url-hint")),
        JoinFault::Unreached => ("url", lang.t("join-unreached")),
        JoinFault::NotThisHub => ("url", lang.t("join-not-this-hub")),
        JoinFault::BadToken => ("token", lang.t("join-bad-token")),
        JoinFault::TokenUsed => ("token", lang.t("join-token-used")),
        JoinFault::OtherClinic => ("token", lang.t("join-other-clinic")),
        JoinFault::Refused => ("token", lang.t("join-refused")),
    }
}

async fn read_parts(mut multipart: Multipart) -> Page<Fields> {
    let mut pairs = Vec::new();
    while let Some(part) = multipart.next_field().await.map_err(|_| Trouble::Unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        let text = part.text().await.map_err(|_| Trouble::Unreadable)?;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Trouble::TooLarge.into());
        }
        pairs.push((name, text));
    }
    Ok(Fields::of(pairs)?)
}

/// `POST /start/hub/later`: goes on without.
pub async fn hub_later(visitor: Visitor) -> Page {
    founding::mark(&visitor.state.store, Mark::Hub).await?;
    go_to("/start")
}

/// `GET /start/tablet`.
pub async fn tablet(visitor: Visitor) -> Page {
    let lang = visitor.lang;
    let has_key = visitor.state.store.recovery_key().await?.is_some();
    let body = html! {
        p { (lang.t("start-tablet-about")) }
        p.actions {
            a.button.button-main href="/setup" { (lang.t("start-tablet-setup")) }
            a.button href="/setup/check" { (lang.t("start-tablet-check")) }
        }
        @if !has_key {
            section.card.stack {
                h2 { (lang.t("keeping-key")) }
                p { (lang.t("keeping-key-about")) }
                form method="post" action="/keeping/recovery-key" target="_blank" { button.button type="submit" { (lang.t("keeping-key-new")) } }
            }
        }
        form method="post" action="/start/tablet" { button.button type="submit" { (lang.t("start-finish")) } }
    };
    answer(
        Way::of(&visitor.state, lang),
        Step::Tablet,
        &Faults::none(),
        &body,
    )
}

/// `POST /start/tablet`: first start is over.
pub async fn finish(visitor: Visitor) -> Page<Response> {
    founding::finish(&visitor.state.store).await?;
    go_to("/")
}
