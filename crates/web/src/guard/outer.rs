//! The layers around a finished router.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::timeout::TimeoutLayer;

use super::headers;
use crate::texts::Lang;
use crate::trouble::Trouble;

/// Time in which an answer must begin. Streams go on after it.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Wraps a router by everything that each answer needs.
pub fn layers(router: Router) -> Router {
    router
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
            Trouble::panicked().into_response()
        }))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            ANSWER_LIMIT,
        ))
        .layer(CsrfLayer::new())
        .layer(from_fn(log))
        .layer(from_fn(draw_errors))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn(headers::add))
}

/// Makes panics leave only their place in the log: their message may quote what a person entered.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place = %place, "panic");
    }));
}

/// Notes method, route pattern, status and time; never the address itself, whose query may hold a name.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let began = std::time::Instant::now();
    let response = next.run(request).await;
    tracing::debug!(
        method = %method,
        route = route.as_deref().unwrap_or("none"),
        status = response.status().as_u16(),
        millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// Turns a [`Trouble`], or an error without a page of its own, into a page in the person's language.
async fn draw_errors(request: Request, next: Next) -> Response {
    let lang = Lang::of_headers(request.headers());
    let asked = request.headers().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let told = response.extensions_mut().remove::<Trouble>();
    let foreign = response
        .extensions()
        .get::<ProtectionError>()
        .map(|_| Trouble::ForeignSite);
    let Some(trouble) = told.or(foreign).or_else(|| without_page(&response)) else {
        return response;
    };
    let mut drawn = trouble.answer(lang, &asked);
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            drawn.headers_mut().append(name, value.clone());
        }
    }
    drawn
}

/// Answers of extractors are English plain text, those of layers empty; JSON and HTML speak for themselves.
fn without_page(response: &Response) -> Option<Trouble> {
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let spoken = kind.starts_with("text/html") || kind.starts_with("application/");
    if spoken {
        None
    } else {
        Trouble::of_status(response.status())
    }
}
