//! Changes of clinics that the county did not take.

use maud::html;
use records::staff::Action;
use shell::aside::{Aside, list};
use shell::errors::Page as Answer;
use web::layout::{Page, heading};
use web::people::doc_kind;

use super::visitor::Visitor;

/// Changes that the page shows.
const SHOWN: usize = 200;

/// `GET /status/aside`.
pub async fn page(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let names = super::clinics::clinic_names(store).await?;
    let mut rows = Vec::new();
    for change in store.parked_changes(SHOWN).await? {
        let mut person = None;
        if let Some(id) = change.patient.filter(|_| visitor.may(Action::FindPatients)) {
            let line = store.patient_line(id).await?;
            person = line.map(|line| (format!("/patients/{id}"), line.name));
        }
        let clinic = change
            .clinic
            .as_ref()
            .map(|code| (format!("/clinics/{code}"), names.get(code)));
        rows.push(Aside {
            what: doc_kind(lang, change.doc.kind()),
            person,
            clinic,
            since: lang.t("aside-written"),
            at: change.written,
            reason: change.reason,
            text: None,
        });
    }
    let title = lang.t("aside-title");
    let body = html! {
        (heading(&title, &html! { a.button href="/status" { (lang.t("aside-back")) } }))
        p.quiet { (lang.t("aside-about-hub")) }
        div.stack { (list(lang, &rows, visitor.today())) }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}
