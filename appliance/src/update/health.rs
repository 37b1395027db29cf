//! The box's look at itself: told on loopback only, asked after each start by the program that settles trials.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use card::starting::Health;
use serde_json::json;

use crate::state::{AppState, Transport};

/// Longest wait for a connection, and for each read.
const WAIT: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const ANSWER_MAX: u64 = 64 << 10;
/// The setting that a healthy store can write.
const MARK: &str = "health.looked";

/// `GET /health`: whether the store reads and writes and the bays keep what they hear. The hub is no part of it.
pub async fn page(State(state): State<AppState>, transport: Transport) -> Response {
    if transport != Transport::Loopback {
        return StatusCode::NOT_FOUND.into_response();
    }
    let store = store(&state).await.err();
    let bays = state.bays.is_stuck().then_some("readings are not saved");
    let status = if store.is_none() && bays.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "store": store, "bays": bays });
    (status, axum::Json(body)).into_response()
}

async fn store(state: &AppState) -> Result<(), String> {
    let said = |error: store::StoreError| error.to_string();
    state.store.clinic().await.map_err(said)?;
    let now = state.clock.now().at.0;
    state.store.put_setting(MARK, &json!(now)).await.map_err(said)
}

/// Asks a box that runs on this machine: its health, and whether its first page answers.
pub fn ask(pages: SocketAddr) -> Health {
    match get(pages, "/health") {
        Ok((200, _)) => ask_page(pages),
        other => judged(other),
    }
}

/// The same without the store, which writes when it is asked.
pub fn ask_page(pages: SocketAddr) -> Health {
    judged(get(pages, "/sign-in").map(|(status, _)| (status, String::new())))
}

/// Whether anything answers as a box there, however it is.
pub fn is_there(pages: SocketAddr) -> bool {
    matches!(get(pages, "/ping"), Ok((204, _)))
}

fn judged(answer: io::Result<(u16, String)>) -> Health {
    match answer {
        Ok((200..=399, _)) => Health::Well,
        Ok((status, body)) => Health::Ill(reason(status, &body)),
        Err(error) => Health::Ill(format!("the page does not answer: {error}")),
    }
}

/// What a failed look says: the store's and the bays' words.
fn reason(status: u16, body: &str) -> String {
    let told: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let parts = ["store", "bays"].map(|part| told[part].as_str().map(|words| format!("{part}: {words}")));
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        format!("the page answers {status}")
    } else {
        parts.join("; ")
    }
}

fn get(pages: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut line = TcpStream::connect_timeout(&pages, WAIT)?;
    line.set_read_timeout(Some(WAIT))?;
    line.set_write_timeout(Some(WAIT))?;
    write!(
        line,
        "GET {path} HTTP/1.0\r\nHost: localhost:{}\r\n\r\n",
        pages.port()
    )?;
    let mut answer = Vec::new();
    line.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((status, body.to_owned()))
}
