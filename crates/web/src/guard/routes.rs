//! Routes and who may ask for them, registered together: a route without an access does not compile, and the
//! finished table can be read by a test.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use records::staff::Action;
use serde::Deserialize;

use super::{Caller, Sessions, SignedIn, Wake, safe_return};
use crate::texts::Lang;
use crate::trouble::Trouble;
use crate::{assets, cookies};

/// Largest body of an ordinary form, in bytes.
const FORM_LIMIT: usize = 1024 * 1024;

/// Who may ask for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: sign-in, language, first start.
    Open,
    /// Everybody who is signed in, also while the screen is locked: unlocking, signing out.
    LockedToo,
    /// Everybody who is signed in.
    SignedIn,
    /// Those whose role allows the action, by the one table in `records`.
    May(Action),
    /// The kiosk screen: no person, a place.
    Kiosk,
}

/// One line of the table of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLine {
    /// Method.
    pub method: Method,
    /// Path pattern.
    pub path: String,
    /// Who may ask.
    pub access: Access,
}

/// Pages with their access.
pub struct Routes<S> {
    router: Router<S>,
    lines: Vec<RouteLine>,
    sessions: Arc<dyn Sessions>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new(sessions: Arc<dyn Sessions>) -> Self {
        Self {
            router: Router::new(),
            lines: Vec::new(),
            sessions,
        }
    }

    /// A page.
    pub fn get<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::GET, path, access, Wake::Person, get(handler))
    }

    /// A form's target. Bodies beyond 1 MiB are refused.
    pub fn post<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.post_up_to(path, access, FORM_LIMIT, handler)
    }

    /// A form's target that takes files of up to `limit` bytes.
    pub fn post_up_to<H, T>(self, path: &str, access: Access, limit: usize, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let target = post(handler).layer(DefaultBodyLimit::max(limit));
        self.add(Method::POST, path, access, Wake::Person, target)
    }

    /// A stream, a socket or a poll that a script opens by itself: it does not keep the screen awake.
    pub fn get_background<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::GET, path, access, Wake::Background, get(handler))
    }

    /// A form's target that a script sends to by itself.
    pub fn post_background<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::POST, path, access, Wake::Background, post(handler))
    }

    /// All routes of another set.
    pub fn merge(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        Self {
            router: self.router.merge(other.router),
            ..self
        }
    }

    fn add(
        mut self,
        method: Method,
        path: &str,
        access: Access,
        wake: Wake,
        target: MethodRouter<S>,
    ) -> Self {
        let sessions = Arc::clone(&self.sessions);
        let guarded = target.route_layer(from_fn(move |request: Request, next: Next| {
            let sessions = Arc::clone(&sessions);
            async move { admit(sessions.as_ref(), access, wake, request, next).await }
        }));
        self.lines.push(RouteLine {
            method,
            path: path.to_owned(),
            access,
        });
        Self {
            router: self.router.route(path, guarded),
            ..self
        }
    }

    /// The router and the table of its routes. Adds what every program has: assets, `/ping` (is the box
    /// there?), `POST /language`, `POST /awake` (a person is reading), and the page for unknown addresses.
    pub fn finish(self) -> (Router<S>, Vec<RouteLine>) {
        let done = self
            .get_background("/ping", Access::Open, || async { StatusCode::NO_CONTENT })
            .post_background("/language", Access::Open, choose_language)
            .post("/awake", Access::SignedIn, || async { StatusCode::NO_CONTENT });
        let router = done
            .router
            .merge(assets::router())
            .fallback(|| async { Trouble::NotFound });
        (router, done.lines)
    }
}

#[derive(Deserialize)]
struct LanguageChoice {
    to: String,
    back: String,
}

async fn choose_language(Form(choice): Form<LanguageChoice>) -> Response {
    let mut response = Redirect::to(safe_return(&choice.back)).into_response();
    if let Some(line) = Lang::from_code(&choice.to).and_then(cookies::keep_lang) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

async fn admit(
    sessions: &dyn Sessions,
    access: Access,
    wake: Wake,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let person = match person_of(sessions, &parts.headers, wake).await {
        Ok(person) => person,
        Err(trouble) => return trouble.into_response(),
    };
    let allowed = match (&person, access) {
        (_, Access::Open) => Ok(()),
        (_, Access::Kiosk) => {
            if sessions.is_kiosk(&Caller::of(&parts)).await {
                Ok(())
            } else {
                Err(Refusal::Forbidden)
            }
        }
        (None, Access::LockedToo | Access::SignedIn | Access::May(_)) => Err(Refusal::NobodyThere),
        (Some(_), Access::LockedToo) => Ok(()),
        (Some(person), Access::SignedIn | Access::May(_)) if person.locked => Err(Refusal::Locked),
        (Some(_), Access::SignedIn) => Ok(()),
        (Some(person), Access::May(action)) => {
            if person.may(action) {
                Ok(())
            } else {
                Err(Refusal::Forbidden)
            }
        }
    };
    match allowed {
        Ok(()) => {
            if let Some(person) = person {
                parts.extensions.insert(person);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refuse(
            &refusal,
            wake,
            &parts.method,
            &parts.headers,
            parts.uri.path_and_query().map(|uri| uri.as_str()),
        ),
    }
}

async fn person_of(
    sessions: &dyn Sessions,
    headers: &HeaderMap,
    wake: Wake,
) -> Result<Option<SignedIn>, Trouble> {
    match cookies::get(headers, cookies::SESSION_COOKIE) {
        Some(token) if !token.is_empty() => sessions
            .look_up(&token, wake)
            .await
            .map_err(|fault| Trouble::broken(&fault)),
        Some(_) | None => Ok(None),
    }
}

enum Refusal {
    NobodyThere,
    Locked,
    Forbidden,
}

/// Leads a person to the sign-in or PIN page and back; scripts get the bare status.
fn refuse(
    refusal: &Refusal,
    wake: Wake,
    method: &Method,
    headers: &HeaderMap,
    here: Option<&str>,
) -> Response {
    let page = match refusal {
        Refusal::Forbidden => return Trouble::Forbidden.into_response(),
        Refusal::NobodyThere => "/sign-in",
        Refusal::Locked => "/unlock",
    };
    let scripted = headers.contains_key("hx-request");
    if wake == Wake::Background && !scripted {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // A part of a page is no address to come back to; neither is a form's target.
    let back = if scripted || *method != Method::GET {
        headers
            .get("hx-current-url")
            .and_then(|url| url.to_str().ok())
            .and_then(path_of)
            .unwrap_or("/")
    } else {
        here.unwrap_or("/")
    };
    let target = format!("{page}?next={}", encode(safe_return(back)));
    if scripted {
        let mut response = StatusCode::UNAUTHORIZED.into_response();
        if let Ok(value) = HeaderValue::try_from(target) {
            response.headers_mut().insert("hx-redirect", value);
        }
        return response;
    }
    Redirect::to(&target).into_response()
}

/// The path of an absolute address.
fn path_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.find('/').map(|at| &rest[at..])
}

/// Percent-encodes what may not stand in a query value.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
