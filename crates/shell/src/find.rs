//! Finding people: the search box, the list of all residents, and those whose records need a person.

use std::collections::BTreeSet;

use axum::extract::Query;
use maud::{Markup, html};
use records::ids::PatientId;
use records::patients::PatientLine;
use records::staff::Action;
use serde::Deserialize;
use web::layout::{Page, heading};
use web::patients::{PatientRow, hits, hits_place, search_box};
use web::words;

use crate::errors::Page as Answer;
use crate::station::Station;
use crate::visitor::Visitor;

/// Longest query, in characters; what is typed beyond it finds nothing anyway.
const QUERY_CHARS_MAX: usize = 64;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    q: String,
    after: Option<String>,
    /// `clash`: only people with two records of one thing.
    show: Option<String>,
}

/// `GET /patients`: a page, or only the hits where the script asks.
///
/// # Errors
///
/// The store failed.
pub async fn page<S: Station>(visitor: Visitor<S>, Query(wanted): Query<Wanted>) -> Answer {
    let lang = visitor.lang;
    let query: String = wanted.q.trim().chars().take(QUERY_CHARS_MAX).collect();
    let found = match wanted.show.as_deref() {
        Some("clash") if query.is_empty() => clashing(&visitor).await?,
        _ => found(&visitor, &query, wanted.after.as_deref()).await?,
    };
    if visitor.part {
        return visitor.part(found);
    }
    let title = lang.t(S::PATIENTS_TITLE);
    let body = html! {
        (heading(&title, &S::list_actions(&visitor)))
        div.stack {
            (search_box(lang, "/patients", &query, true, query.is_empty()))
            (hits_place(&found))
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn found<S: Station>(visitor: &Visitor<S>, query: &str, after: Option<&str>) -> Answer<Markup> {
    if query.is_empty() {
        return all(visitor, after).await;
    }
    let mut lines = visitor.state.store().search_patients(query, S::HITS + 1).await?;
    let more = lines.len() > S::HITS;
    lines.truncate(S::HITS);
    let today = S::todays(visitor).await?;
    // Stable: within today's people and within the others the store's order stays.
    lines.sort_by_key(|line| !today.contains(&line.id));
    let rows = rows(visitor, &lines, &today);
    Ok(hits(visitor.lang, query, &rows, more, visitor.today()))
}

async fn all<S: Station>(visitor: &Visitor<S>, after: Option<&str>) -> Answer<Markup> {
    let lang = visitor.lang;
    let after = after.and_then(|id| id.parse::<PatientId>().ok());
    let mut lines = visitor.state.store().patients_page(after, S::LINES + 1).await?;
    let next = if lines.len() > S::LINES {
        lines.get(S::LINES - 1).map(|line| line.id)
    } else {
        None
    };
    lines.truncate(S::LINES);
    let rows = rows(visitor, &lines, &S::todays(visitor).await?);
    Ok(html! {
        (hits(lang, "", &rows, false, visitor.today()))
        @if after.is_some() || next.is_some() {
            p.pages {
                @if after.is_some() { a.button href="/patients" { (lang.t("list-first")) } }
                @if let Some(next) = next { a.button href={ "/patients?after=" (next) } { (lang.t("list-next")) } }
            }
        }
    })
}

/// People about whom two records differ.
async fn clashing<S: Station>(visitor: &Visitor<S>) -> Answer<Markup> {
    let mut lines = visitor.state.store().clashing(S::LINES + 1).await?;
    let more = lines.len() > S::LINES;
    lines.truncate(S::LINES);
    let rows = rows(visitor, &lines, &S::todays(visitor).await?);
    Ok(html! {
        p.hint { (visitor.t("status-clash-do")) }
        (hits(visitor.lang, "", &rows, more, visitor.today()))
    })
}

fn rows<S: Station>(
    visitor: &Visitor<S>,
    lines: &[PatientLine],
    today: &BTreeSet<PatientId>,
) -> Vec<PatientRow> {
    lines
        .iter()
        .map(|line| row(visitor, line, today.contains(&line.id)))
        .collect()
}

/// A person as a line that leads to their page.
pub fn row<S: Station>(visitor: &Visitor<S>, line: &PatientLine, on_todays_list: bool) -> PatientRow {
    let clinical = visitor.may(Action::ReadClinical);
    words::patient_row(
        visitor.lang,
        line,
        format!("/patients/{}", line.id),
        on_todays_list,
        clinical,
    )
}
