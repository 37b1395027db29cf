//! An ECG recording read at the county. Its samples travel after everything else: until they are here the page says
//! so and shows what is known.

use axum::extract::Path;
use maud::html;
use records::ids::{DocId, EcgId};
use shell::errors::Page as Answer;
use shell::person::Person;
use store::AuditAct;
use web::layout::Page;
use web::people::Names;
use web::people::facts::person_line;
use web::people::recording::{EcgRead, paper, recording};
use web::trouble::Trouble;

use super::device_name;
use super::visitor::Visitor;
use super::visits::travelled;

/// `GET /ecgs/{doc}/{ecg}`.
pub async fn page(visitor: Visitor, Path((doc, id)): Path<(String, String)>) -> Answer {
    let doc: DocId = doc.parse().map_err(|_| Trouble::NotFound)?;
    let id: EcgId = id.parse().map_err(|_| Trouble::NotFound)?;
    let lang = visitor.lang;
    let today = visitor.today();
    let store = &visitor.state.store;
    let (patient, meta) = store.ecg(doc, id).await?.ok_or(Trouble::NotFound)?;
    let person = Person::read(&visitor, patient).await?;
    visitor.viewed(AuditAct::ViewEcg, patient, Some(doc)).await?;
    let names = Names::of(&store.staff().await?);
    let device = device_name(&meta.device);
    let samples = store.blob(meta.blob).await?;
    let arrived = samples.is_some();
    let drawn = {
        let (meta, device) = (meta.clone(), device.clone());
        let named = person_line(lang, &person.chart, visitor.state.notice.is_some());
        let draw = move || samples.and_then(|samples| paper(lang, &meta, &named, &device, today, &samples));
        tokio::task::spawn_blocking(draw).await
    };
    let drawn = drawn.map_err(|error| Trouble::broken(&error))?;
    let read = EcgRead {
        lang,
        today,
        meta: &meta,
        names: &names,
        device: &device,
        paper: drawn.as_ref(),
        synthetic: visitor.state.notice.is_some(),
    };
    let body = html! {
        @if arrived { (recording(&read)) } @else {
            div #waiting hx-get=(visitor.here) hx-trigger={ "live-patient-" (patient) " from:body, live-tick from:body" } hx-select="#waiting, .ecg-print" hx-swap="outerHTML" hx-sync="this:replace" {
                (recording(&read))
                p { span.tag.tag-warn { (lang.t("hub-samples-travel")) } " " (lang.t("hub-samples-travel-about")) }
            }
        }
        (travelled(&visitor, meta.taken.at, doc).await?)
        p.actions.no-print { a.button href=(person.href()) { (lang.t("back-to-patient")) } }
    };
    let page = Page::new(lang.t("ecg-title"), body).about(person.banner(&visitor, false));
    let page = if drawn.is_some() { page.landscape() } else { page };
    visitor.page(&page).await
}
