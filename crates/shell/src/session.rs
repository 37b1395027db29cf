//! The doors: sign-in with a password, locking, the PIN, signing out.

use axum::extract::{Query, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
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
use web::sign_in::{self, SignInView, UnlockView};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::account::ACCOUNT;
use crate::errors::Page;
use crate::station::Station;

/// Where a page was left for the door.
#[derive(Debug, Deserialize)]
pub struct Door {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`.
///
/// # Errors
///
/// The store failed.
pub async fn sign_in_page<S: Station>(
    State(station): State<S>,
    lang: Lang,
    Query(door): Query<Door>,
) -> Page {
    if let Some(first) = station.before_sign_in().await? {
        return Ok(Redirect::to(first).into_response());
    }
    let next = safe_return(&door.next);
    sign_in_form(&station, lang, ("", next), &Faults::none()).await
}

/// The form with what was typed and where it leads; with faults it is a refusal.
async fn sign_in_form<S: Station>(
    station: &S,
    lang: Lang,
    (user, next): (&str, &str),
    faults: &Faults,
) -> Page {
    let place = station.place(lang).await?;
    let view = SignInView {
        screen: S::SCREEN,
        place: &place,
        user,
        next,
        faults,
        note: S::DOOR_NOTE.map(|key| html! { p.quiet.small { (lang.t(key)) } }),
    };
    Ok((status_of(faults), sign_in::page(lang, &view)).into_response())
}

fn status_of(faults: &Faults) -> StatusCode {
    if faults.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

/// `POST /sign-in`.
///
/// # Errors
///
/// Too many tries, or the store failed.
pub async fn sign_in<S: Station>(
    State(station): State<S>,
    lang: Lang,
    caller: Caller,
    extensions: Extensions,
    headers: HeaderMap,
    fields: Fields,
) -> Page {
    bounded(&station, &caller)?;
    let store = station.store();
    let (user, next) = (fields.get("user"), safe_return(fields.get("next")));
    let mut faults = Faults::none();
    if user.is_empty() {
        faults.add("user", lang.t("sign-in-no-user"));
    }
    if !fields.has("password") {
        faults.add("password", lang.t("sign-in-no-password"));
    }
    if !faults.is_empty() {
        return sign_in_form(&station, lang, (user, next), &faults).await;
    }
    let login = login_of(&station, &store.staff().await?, user);
    match store.check_password(&login, fields.get("password")).await? {
        SignIn::Ok(staff) => {
            station.signed_in(&fields).await;
            let token = store.new_session(staff, &browser_name(&headers)).await?;
            // A password that somebody else set is changed first.
            let member = store.staff_member(staff).await?;
            let given = member.is_some_and(|member| member.must_change);
            let mut response = Redirect::to(if given { ACCOUNT } else { next }).into_response();
            let secure = station.is_secure(&extensions);
            set_cookie(&mut response, cookies::begin_session(&token, secure))?;
            Ok(response)
        }
        refused => {
            faults.add("password", refusal(lang, &refused, "sign-in-wrong"));
            sign_in_form(&station, lang, (user, next), &faults).await
        }
    }
}

/// People sign in by login, or by what they are called where only one who works here is called so.
fn login_of<S: Station>(station: &S, staff: &[StaffMember], user: &str) -> String {
    let wanted = fold_search(user);
    let here = || staff.iter().filter(|member| station.works_here(member));
    if let Some(member) = here().find(|member| fold_search(&member.login) == wanted) {
        return member.id.to_string();
    }
    let mut named = here().filter(|member| fold_search(&member.name) == wanted);
    match (named.next(), named.next()) {
        (Some(only), None) => only.id.to_string(),
        (Some(_) | None, _) => user.to_owned(),
    }
}

/// What the browser calls itself: the make of the tablet stands in it.
pub fn browser_name(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().to_owned()
}

fn bounded<S: Station>(station: &S, caller: &Caller) -> Result<(), Trouble> {
    let tries = station.tries().check(&caller.peer, station.clock().uptime());
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
///
/// # Errors
///
/// The store failed.
pub async fn sign_out<S: Station>(State(station): State<S>, person: SignedIn) -> Page {
    leave(&station, &person).await
}

async fn leave<S: Station>(station: &S, person: &SignedIn) -> Page {
    station.store().end_session(&person.token).await?;
    let mut response = Redirect::to("/sign-in").into_response();
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookies::end_session());
    // Pages that the browser kept in memory go too, so that Back shows nobody.
    headers.insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

/// Whether the person has a PIN: without one a screen cannot be unlocked, only signed in anew.
async fn has_pin<S: Station>(station: &S, person: &SignedIn) -> Page<bool> {
    let member = station.store().staff_member(person.staff).await?;
    Ok(member.is_some_and(|member| !member.pin_hash.is_empty()))
}

/// `POST /lock`: the button, or the screen after three minutes without touch. Who has no PIN is signed out.
///
/// # Errors
///
/// The store failed.
pub async fn lock<S: Station>(State(station): State<S>, person: SignedIn) -> Page {
    if !has_pin(&station, &person).await? {
        return leave(&station, &person).await;
    }
    station.store().lock_session(&person.token).await?;
    Ok(Redirect::to("/unlock").into_response())
}

/// `GET /unlock`.
///
/// # Errors
///
/// The store failed.
pub async fn unlock_page<S: Station>(
    State(station): State<S>,
    lang: Lang,
    person: SignedIn,
    Query(door): Query<Door>,
) -> Page {
    let next = safe_return(&door.next);
    if !person.locked {
        return Ok(Redirect::to(next).into_response());
    }
    if !has_pin(&station, &person).await? {
        return leave(&station, &person).await;
    }
    unlock_form(&station, lang, (&person, next), &Faults::none()).await
}

async fn unlock_form<S: Station>(
    station: &S,
    lang: Lang,
    (person, next): (&SignedIn, &str),
    faults: &Faults,
) -> Page {
    let place = station.place(lang).await?;
    let view = UnlockView {
        screen: S::SCREEN,
        place: &place,
        user: &person.name,
        next,
        faults,
    };
    Ok((status_of(faults), sign_in::unlock_page(lang, &view)).into_response())
}

/// `POST /unlock`.
///
/// # Errors
///
/// Too many tries, or the store failed.
pub async fn unlock<S: Station>(
    State(station): State<S>,
    lang: Lang,
    caller: Caller,
    person: SignedIn,
    fields: Fields,
) -> Page {
    bounded(&station, &caller)?;
    let next = safe_return(fields.get("next"));
    let answer = station.store().unlock_session(&person.token, fields.get("pin"));
    match answer.await? {
        SignIn::Ok(_) => Ok(Redirect::to(next).into_response()),
        refused => {
            let mut faults = Faults::none();
            faults.add("pin", refusal(lang, &refused, "unlock-wrong"));
            unlock_form(&station, lang, (&person, next), &faults).await
        }
    }
}

/// Puts a cookie on an answer.
///
/// # Errors
///
/// There is no such line: what it was made of cannot stand in a header.
pub fn set_cookie(response: &mut Response, line: Option<HeaderValue>) -> Result<(), Trouble> {
    let line = line.ok_or(Trouble::Unreadable)?;
    response.headers_mut().append(header::SET_COOKIE, line);
    Ok(())
}
