//! Visits: opening one, its page, and what is shared by the form, saving and the closed visit.
//!
//! A form says on which heads it was filled. What its page showed then is read again from the document, so only what
//! its author changed is written; where two tabs changed the same field both values survive as a question.

pub mod closed;
pub mod form;
pub mod saving;

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use records::encounters::{Encounter, open_visit};
use records::ids::{DocId, DocKind, EncounterId, FormId};
use records::staff::Action;
use records::tree::Edit;
use serde::Deserialize;
use shell::drafts;
use shell::errors::Page as Answer;
use shell::person::Person;
use store::{AuditAct, Commit, Lane, LocalEffect, Read, Target, Write};
use sync_core::document::Heads;
use web::checks::Checked;
use web::fields::Fields;
use web::moments;
use web::panels::{Class, panel};
use web::people::clashes::questions as questions_about;
use web::trouble::Trouble;

use crate::pages::visitor::{Visitor, go_to};
use closed::{Amending, draw_closed};
use form::{View, draw_form, of_visit};

/// A visit that is open on the screen, with its patient.
struct Open {
    id: EncounterId,
    visit: Encounter,
    heads: Heads,
    person: Person,
}

impl Open {
    /// Reads a visit for somebody who is noted as having looked.
    async fn of(visitor: &Visitor, id: &str) -> Answer<Self> {
        let open = Self::read(visitor, id).await?;
        visitor
            .viewed(AuditAct::ViewVisit, open.person.id, Some(open.id.doc()))
            .await?;
        Ok(open)
    }

    /// Reads a visit without a note: whoever answers with something of it makes the note.
    async fn read(visitor: &Visitor, id: &str) -> Answer<Self> {
        let id: EncounterId = id.parse().map_err(|_| Trouble::NotFound)?;
        let Read { value: visit, heads } = visitor
            .state
            .store
            .encounter(id)
            .await?
            .ok_or(Trouble::NotFound)?;
        let patient = visit.patient.ok_or(Trouble::NotFound)?;
        Ok(Self {
            id,
            visit,
            heads,
            person: Person::read(visitor, patient).await?,
        })
    }

    fn href(&self) -> String {
        format!("/visits/{}", self.id)
    }
}

/// `POST /patients/{id}/visits`: goes on with the visit of today that is open, else begins one.
pub async fn open(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    open_for(&visitor, &person, fields.form()?).await
}

/// Opens a visit for a person and leads to it.
pub async fn open_for(visitor: &Visitor, person: &Person, form: FormId) -> Answer<Response> {
    visitor.require(Action::WriteVisit)?;
    let at = visitor.now();
    let store = &visitor.state.store;
    if let Some(visit) = store.open_encounter_of(person.id, at.at.china_date()).await? {
        return go_to(&format!("/visits/{visit}"));
    }
    let clinic = visitor.state.clinic().await?;
    let edits = open_visit(person.id, &clinic, visitor.person.staff, &visitor.person.name, at);
    let target = Target::New {
        kind: DocKind::Encounter,
        owner: clinic,
    };
    let done = store
        .commit(commit(
            visitor,
            target,
            None,
            edits,
            AuditAct::VisitOpen,
            Some(form),
        ))
        .await?;
    let visit = done
        .docs
        .first()
        .copied()
        .and_then(DocId::encounter)
        .ok_or(Trouble::NotFound)?;
    go_to(&format!("/visits/{visit}"))
}

fn commit(
    visitor: &Visitor,
    target: Target,
    base: Option<Heads>,
    edits: Vec<Edit>,
    act: AuditAct,
    form: Option<FormId>,
) -> Commit {
    Commit {
        writes: vec![Write { target, base, edits }],
        blobs: Vec::new(),
        by: visitor.by(),
        act,
        lane: Lane::P2,
        form,
        settle: form.map(LocalEffect::DropDraft).into_iter().collect(),
    }
}

/// What is asked of a visit's page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    saved: Option<String>,
    merged: Option<String>,
}

/// `GET /visits/{id}`.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let open = Open::of(&visitor, &id).await?;
    let told = told(&visitor, &asked);
    if !open.visit.is_open() || !visitor.may(Action::WriteVisit) {
        return visitor
            .page(&draw_closed(&visitor, &open, &told, &Amending::new()).await?)
            .await;
    }
    let opened = drafts::open(&visitor, &open.href()).await?;
    let fields = opened.kept.unwrap_or_else(|| of_visit(&open));
    let view = View {
        form: opened.form,
        kept_at: opened.at,
        fields: &fields,
        checked: &Checked::default(),
        told,
    };
    visitor.page(&draw_form(&visitor, &open, &view).await?).await
}

/// What a redirect to the page says about the form before it.
fn told(visitor: &Visitor, asked: &Asked) -> Markup {
    let lang = visitor.lang;
    html! {
        @if asked.merged.is_some() {
            (panel(lang, Class::Must, &lang.t("visit-merged"), &html! { p { (lang.t("visit-merged-do")) } }))
        } @else if asked.saved.is_some() {
            (panel(lang, Class::Done, &lang.t_with("visit-saved", &[("at", &moments::clock(visitor.now().at))]), &html! {}))
        }
    }
}

fn questions(visitor: &Visitor, open: &Open) -> Vec<Markup> {
    if !visitor.may(Action::ResolveClash) {
        return Vec::new();
    }
    questions_about(
        visitor.lang,
        &open.visit.clashes,
        &format!("{}/clash", open.href()),
    )
}
