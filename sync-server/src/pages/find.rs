//! Finding people of the whole county: the search box, and the list of all residents.

use axum::extract::Query;
use maud::{Markup, html};
use records::ids::PatientId;
use records::patients::PatientLine;
use records::staff::Action;
use serde::Deserialize;
use shell::errors::Page as Answer;
use web::layout::{Page, heading};
use web::patients::{PatientRow, hits, hits_place, search_box};
use web::words;

use super::visitor::Visitor;

/// Hits that are shown.
const HITS: usize = 50;
/// Lines on a page of the whole list.
const LINES: usize = 100;
/// Longest query, in characters; what is typed beyond it finds nothing anyway.
const QUERY_CHARS_MAX: usize = 64;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

/// `GET /patients`: a page, or only the hits where the script asks.
pub async fn page(visitor: Visitor, Query(wanted): Query<Wanted>) -> Answer {
    let lang = visitor.lang;
    let query: String = wanted.q.trim().chars().take(QUERY_CHARS_MAX).collect();
    let found = found(&visitor, &query, wanted.after.as_deref()).await?;
    if visitor.part {
        return visitor.part(found);
    }
    let title = lang.t("hub-patients-title");
    let body = html! {
        (heading(&title, &html! {}))
        div.stack {
            (search_box(lang, "/patients", &query, true, query.is_empty()))
            (hits_place(&found))
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn found(visitor: &Visitor, query: &str, after: Option<&str>) -> Answer<Markup> {
    if query.is_empty() {
        return all(visitor, after).await;
    }
    let mut lines = visitor.state.store.search_patients(query, HITS + 1).await?;
    let more = lines.len() > HITS;
    lines.truncate(HITS);
    Ok(hits(
        visitor.lang,
        query,
        &rows(visitor, &lines),
        more,
        visitor.today(),
    ))
}

async fn all(visitor: &Visitor, after: Option<&str>) -> Answer<Markup> {
    let lang = visitor.lang;
    let after = after.and_then(|id| id.parse::<PatientId>().ok());
    let mut lines = visitor.state.store.patients_page(after, LINES + 1).await?;
    let next = if lines.len() > LINES {
        lines.get(LINES - 1).map(|line| line.id)
    } else {
        None
    };
    lines.truncate(LINES);
    Ok(html! {
        (hits(lang, "", &rows(visitor, &lines), false, visitor.today()))
        @if after.is_some() || next.is_some() {
            p.pages {
                @if after.is_some() { a.button href="/patients" { (lang.t("list-first")) } }
                @if let Some(next) = next { a.button href={ "/patients?after=" (next) } { (lang.t("list-next")) } }
            }
        }
    })
}

fn rows(visitor: &Visitor, lines: &[PatientLine]) -> Vec<PatientRow> {
    let clinical = visitor.may(Action::ReadClinical);
    let row = |line: &PatientLine| {
        words::patient_row(
            visitor.lang,
            line,
            format!("/patients/{}", line.id),
            false,
            clinical,
        )
    };
    lines.iter().map(row).collect()
}
