//! The doors of the box: sign-in with a password, locking, the PIN, signing out.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use records::text::fold_search;
use records::time::{ClockSource, WallTime};
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
use crate::pages::{is_fresh, place};
use crate::state::{AppState, Transport};

/// Where a page was left for the door.
#[derive(Debug, Deserialize)]
pub struct Door {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`.
pub async fn sign_in_page(State(state): State<AppState>, lang: Lang, Query(door): Query<Door>) -> Page {
    if is_fresh(&state).await? {
        return Ok(Redirect::to("/start").into_response());
    }
    sign_in_form(
        &state,
        lang,
        "",
        safe_return(&door.next),
        &Faults::none(),
        StatusCode::OK,
    )
    .await
}

async fn sign_in_form(
    state: &AppState,
    lang: Lang,
    user: &str,
    next: &str,
    faults: &Faults,
    status: StatusCode,
) -> Page {
    let place = place(state, lang).await?;
    let view = SignInView {
        screen: Screen::Tablet,
        place: &place,
        user,
        next,
        faults,
        note: None,
    };
    Ok((status, sign_in::page(lang, &view)).into_response())
}

/// `POST /sign-in`.
pub async fn sign_in(
    State(state): State<AppState>,
    lang: Lang,
    transport: Transport,
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
    if !faults.is_empty() {
        return sign_in_form(
            &state,
            lang,
            user,
            next,
            &faults,
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
    }
    let login = login_of(&state, user).await?;
    match state.store.check_password(&login, fields.get("password")).await? {
        SignIn::Ok(staff) => {
            offer_clock(&state, &fields).await;
            let token = state.store.new_session(staff, &tablet_name(&headers)).await?;
            // A password that somebody else set is changed first.
            let given = state
                .store
                .staff_member(staff)
                .await?
                .is_some_and(|member| member.must_change);
            let mut response = Redirect::to(if given { "/account" } else { next }).into_response();
            set_cookie(
                &mut response,
                cookies::begin_session(&token, transport == Transport::Lan),
            )?;
            Ok(response)
        }
        refused => {
            faults.add("password", refusal(lang, &refused, "sign-in-wrong"));
            sign_in_form(
                &state,
                lang,
                user,
                next,
                &faults,
                StatusCode::UNPROCESSABLE_ENTITY,
            )
            .await
        }
    }
}

/// People sign in by what they are called, too, where only one is called so.
async fn login_of(state: &AppState, user: &str) -> Page<String> {
    let wanted = fold_search(user);
    let staff = state.store.staff().await?;
    if staff.iter().any(|member| fold_search(&member.login) == wanted) {
        return Ok(user.to_owned());
    }
    let mut named = staff.iter().filter(|member| fold_search(&member.name) == wanted);
    Ok(match (named.next(), named.next()) {
        (Some(only), None) => only.id.to_string(),
        (Some(_) | None, _) => user.to_owned(),
    })
}

/// What the browser calls itself: the make of the tablet stands in it.
pub fn tablet_name(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().to_owned()
}

/// A tablet that signs in offers its own time; only a script can fill the field.
pub async fn offer_clock(state: &AppState, fields: &Fields) {
    if let Ok(at) = fields.get("clock").parse::<i64>() {
        state.offer_time(WallTime(at), ClockSource::Tablet).await;
    }
}

fn bounded(state: &AppState, caller: &Caller) -> Result<(), Trouble> {
    let tries = state.limits.sign_in.check(&caller.peer, state.clock.uptime());
    tries.map_err(|refused| Trouble::TooMany {
        wait: refused.wait.as_secs().max(1),
    })
}

/// Why a password or PIN was not taken, in words.
fn refusal(lang: Lang, refused: &SignIn, wrong: &str) -> String {
    match refused {
        SignIn::Wrong { left } if *left <= 2 => lang.t_n("sign-in-wrong-left", *left),
        SignIn::Locked { wait } => lang.t_n("sign-in-locked", wait.as_secs().div_ceil(60).max(1)),
        SignIn::Ok(_) | SignIn::Wrong { .. } => lang.t(wrong),
    }
}

/// `POST /sign-out`.
pub async fn sign_out(State(state): State<AppState>, person: SignedIn) -> Page {
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

/// `POST /lock`: the button, or the tablet after three minutes without touch.
pub async fn lock(State(state): State<AppState>, person: SignedIn) -> Page {
    state.store.lock_session(&person.token).await?;
    Ok(Redirect::to("/unlock").into_response())
}

/// `GET /unlock`.
pub async fn unlock_page(
    State(state): State<AppState>,
    lang: Lang,
    person: SignedIn,
    Query(door): Query<Door>,
) -> Page {
    let next = safe_return(&door.next);
    if !person.locked {
        return Ok(Redirect::to(next).into_response());
    }
    unlock_form(&state, lang, &person, next, &Faults::none(), StatusCode::OK).await
}

async fn unlock_form(
    state: &AppState,
    lang: Lang,
    person: &SignedIn,
    next: &str,
    faults: &Faults,
    status: StatusCode,
) -> Page {
    let place = place(state, lang).await?;
    let view = UnlockView {
        screen: Screen::Tablet,
        place: &place,
        user: &person.name,
        next,
        faults,
    };
    Ok((status, sign_in::unlock_page(lang, &view)).into_response())
}

/// `POST /unlock`.
pub async fn unlock(
    State(state): State<AppState>,
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
            unlock_form(
                &state,
                lang,
                &person,
                next,
                &faults,
                StatusCode::UNPROCESSABLE_ENTITY,
            )
            .await
        }
    }
}

/// Puts a cookie on an answer.
pub fn set_cookie(response: &mut Response, line: Option<HeaderValue>) -> Result<(), Trouble> {
    let line = line.ok_or(Trouble::Unreadable)?;
    response.headers_mut().append(header::SET_COOKIE, line);
    Ok(())
}
