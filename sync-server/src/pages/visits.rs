//! A visit as the clinic wrote it, read at the county; with the times of writing and of arrival.

use axum::extract::Path;
use maud::{Markup, html};
use records::ids::{DocId, EncounterId};
use records::staff::Action;
use shell::errors::Page as Answer;
use shell::person::Person;
use store::{AuditAct, Commit, Read, Target, Write};
use web::fields::Fields;
use web::icons::Icon;
use web::layout::Page;
use web::moments;
use web::people::visit::{VisitRead, visit};
use web::people::{Names, clashes};
use web::trouble::Trouble;

use super::clinics::clinic_names;
use super::device_name;
use super::visitor::{Visitor, go_to};

/// `GET /visits/{id}`.
pub async fn page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id: EncounterId = id.parse().map_err(|_| Trouble::NotFound)?;
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let Read { value, .. } = store.encounter(id).await?.ok_or(Trouble::NotFound)?;
    let patient = value.patient.ok_or(Trouble::NotFound)?;
    let person = Person::read(&visitor, patient).await?;
    visitor
        .viewed(AuditAct::ViewVisit, patient, Some(id.doc()))
        .await?;
    let names = Names::of(&store.staff().await?);
    let clinics = clinic_names(store).await?;
    let clinic = value
        .clinic
        .as_ref()
        .map(|code| clinics.get(code))
        .unwrap_or_default();
    let questions = if visitor.may(Action::ResolveClash) {
        clashes::questions(lang, &value.clashes, &format!("/visits/{id}/clash"))
    } else {
        Vec::new()
    };
    let read = VisitRead {
        lang,
        today: visitor.today(),
        id,
        visit: &value,
        chart: &person.chart,
        names: &names,
        clinic: &clinic,
        device: device_name,
        actions: &html! {
            button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) }
            a.button href=(person.href()) { (lang.t("back-to-patient")) }
        },
        questions: &questions,
    };
    let body = html! { (visit(&read)) (travelled(&visitor, value.opened.at, id.doc()).await?) };
    visitor
        .page(&Page::new(lang.t("visit-title"), body).about(person.banner(&visitor, false)))
        .await
}

/// When a record was written at the clinic, and when it and the last change to it arrived here.
pub async fn travelled(visitor: &Visitor, written: records::time::WallTime, doc: DocId) -> Answer<Markup> {
    let lang = visitor.lang;
    let arrivals = visitor.state.store.arrivals(doc).await?;
    let when = |at| moments::day_and_clock(lang, at, visitor.today());
    let first = arrivals.first().map(|arrival| when(arrival.at));
    let last = arrivals
        .last()
        .filter(|_| arrivals.len() > 1)
        .map(|arrival| when(arrival.at));
    Ok(html! {
        p.quiet.travelled {
            (lang.t("hub-written-at")) " " span.num { (when(written)) }
            @if let Some(first) = first { " · " (lang.t("hub-arrived-at")) " " span.num { (first) } }
            @if let Some(last) = last { " · " (lang.t("hub-last-arrived-at")) " " span.num { (last) } }
        }
    })
}

/// `POST /visits/{id}/clash`: which of two values counts.
pub async fn choose(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer {
    let id: EncounterId = id.parse().map_err(|_| Trouble::NotFound)?;
    let store = &visitor.state.store;
    let Read { value, heads } = store.encounter(id).await?.ok_or(Trouble::NotFound)?;
    if let Some((clash, chosen)) = clashes::chosen(&value.clashes, &fields) {
        let staff = visitor.person.staff;
        let edits = records::conflicts::resolve(clash, chosen, staff, visitor.now(), &mut rand::random);
        if let Some(edits) = edits {
            let write = Write {
                target: Target::Existing(id.doc()),
                base: Some(heads),
                edits,
            };
            let commit = Commit::new(visitor.by(), AuditAct::ClashResolve, vec![write]);
            store.commit(commit).await?;
        }
    }
    go_to(&format!("/visits/{id}"))
}
