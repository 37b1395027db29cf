//! The doors of the hub's desks: sign-in with a password, locking, the PIN, signing out.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use records::staff::StaffMember;
use records::text::fold_search;
use serde::Deserialize;
use store::SignIn;
use web::cookies;
use web::fields::Fields;
use web::forms::Faults;
use web::guard::{Caller, SignedIn, safe_return};
use web::layout::Screen;
use web::sign_in::{self, SignInView, UnlockView};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::Page;
use crate::state::HubState;

/// Where a page was left for the door.
#[derive(Debug, Deserialize)]
pub struct Door {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`.
pub async fn sign_in_page(lang: Lang, Query(door): Query<Door>) -> Page {
    Ok(sign_in_form(
        lang,
        "",
        safe_return(&door.next),
        &Faults::none(),
        StatusCode::OK,
    ))
}

fn sign_in_form(lang: Lang, user: &str, next: &str, faults: &Faults, status: StatusCode) -> Response {
    let place = lang.t("hub-place");
    let view = SignInView {
        screen: Screen::Desk,
        place: &place,
        user,
        next,
        faults,
        note: Some(html! { p.quiet.small { (lang.t("hub-sign-in-clinic")) } }),
    };
    (status, sign_in::page(lang, &view)).into_response()
}

/// `POST /sign-in`.
pub async fn sign_in(
    State(state): State<HubState>,
    lang: Lang,
    caller: Caller,
    headers: HeaderMap,
    fields: Fields,
) -> Page {
    bounded(&state, &caller)?;
    let (user, next) = (fields.get("user"), safe_return(fields.get("next")));
    let mut faults = Faults::none();
    if user.is_empty() {
        faults.add("user", lang.t("sign-in-no-user"));
    }
    if !fields.has("password") {
        faults.add("password", lang.t("sign-in-no-password"));
    }
    if faults.is_empty() {
        let staff = state.store.staff().await?;
        let answer = state
            .store
            .check_password(&login_of(&staff, user), fields.get("password"))
            .await?;
        match answer {
            SignIn::Ok(id) => {
                let token = state.store.new_session(id, &browser_name(&headers)).await?;
                let mut response = Redirect::to(next).into_response();
                let cookie = cookies::begin_session(&token, state.secure).ok_or(Trouble::Unreadable)?;
                response.headers_mut().append(header::SET_COOKIE, cookie);
                return Ok(response);
            }
            refused => faults.add("password", refusal(lang, &refused, "sign-in-wrong")),
        }
    }
    Ok(sign_in_form(
        lang,
        user,
        next,
        &faults,
        StatusCode::UNPROCESSABLE_ENTITY,
    ))
}

/// People sign in by login, or by what they are called where only one of the county is called so.
fn login_of(staff: &[StaffMember], user: &str) -> String {
    let wanted = fold_search(user);
    let county = || staff.iter().filter(|member| member.clinic.is_none());
    if let Some(member) = county().find(|member| fold_search(&member.login) == wanted) {
        return member.id.to_string();
    }
    let mut named = county().filter(|member| fold_search(&member.name) == wanted);
    match (named.next(), named.next()) {
        (Some(only), None) => only.id.to_string(),
        (Some(_) | None, _) => user.to_owned(),
    }
}

fn browser_name(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().to_owned()
}

fn bounded(state: &HubState, caller: &Caller) -> Result<(), Trouble> {
    let tries = state.sign_in.check(&caller.peer, state.clock.uptime());
    tries.map_err(|refused| Trouble::TooMany {
        wait: refused.wait.as_secs().max(1),
    })
}

/// Why a password or PIN was not taken, in words.
pub fn refusal(lang: Lang, refused: &SignIn, wrong: &str) -> String {
    match refused {
        SignIn::Wrong { left } if *left <= 2 => lang.t_n("sign-in-wrong-left", *left),
        SignIn::Locked { wait } => lang.t_n("sign-in-locked", wait.as_secs().div_ceil(60).max(1)),
        SignIn::Ok(_) | SignIn::Wrong { .. } => lang.t(wrong),
    }
}

/// `POST /sign-out`.
pub async fn sign_out(State(state): State<HubState>, person: SignedIn) -> Page {
    leave(&state, &person).await
}

async fn leave(state: &HubState, person: &SignedIn) -> Page {
    state.store.end_session(&person.token).await?;
    let mut response = Redirect::to("/sign-in").into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookies::end_session());
    // Pages that the browser kept in memory go too, so that Back shows nobody.
    response
        .headers_mut()
        .insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

/// Whether the person has a PIN: without one a desk cannot be unlocked, only signed in anew.
async fn has_pin(state: &HubState, person: &SignedIn) -> Page<bool> {
    let member = state.store.staff_member(person.staff).await?;
    Ok(member.is_some_and(|member| !member.pin_hash.is_empty()))
}

/// `POST /lock`: the button, or the desk after three minutes without touch. Who has no PIN is signed out.
pub async fn lock(State(state): State<HubState>, person: SignedIn) -> Page {
    if !has_pin(&state, &person).await? {
        return leave(&state, &person).await;
    }
    state.store.lock_session(&person.token).await?;
    Ok(Redirect::to("/unlock").into_response())
}

/// `GET /unlock`.
pub async fn unlock_page(
    State(state): State<HubState>,
    lang: Lang,
    person: SignedIn,
    Query(door): Query<Door>,
) -> Page {
    let next = safe_return(&door.next);
    if !person.locked {
        return Ok(Redirect::to(next).into_response());
    }
    if !has_pin(&state, &person).await? {
        return leave(&state, &person).await;
    }
    Ok(unlock_form(lang, &person, next, &Faults::none(), StatusCode::OK))
}

fn unlock_form(lang: Lang, person: &SignedIn, next: &str, faults: &Faults, status: StatusCode) -> Response {
    let place = lang.t("hub-place");
    let view = UnlockView {
        screen: Screen::Desk,
        place: &place,
        user: &person.name,
        next,
        faults,
    };
    (status, sign_in::unlock_page(lang, &view)).into_response()
}

/// `POST /unlock`.
pub async fn unlock(
    State(state): State<HubState>,
    lang: Lang,
    caller: Caller,
    person: SignedIn,
    fields: Fields,
) -> Page {
    bounded(&state, &caller)?;
    let next = safe_return(fields.get("next"));
    match state
        .store
        .unlock_session(&person.token, fields.get("pin"))
        .await?
    {
        SignIn::Ok(_) => Ok(Redirect::to(next).into_response()),
        refused => {
            let mut faults = Faults::none();
            faults.add("pin", refusal(lang, &refused, "unlock-wrong"));
            Ok(unlock_form(
                lang,
                &person,
                next,
                &faults,
                StatusCode::UNPROCESSABLE_ENTITY,
            ))
        }
    }
}
