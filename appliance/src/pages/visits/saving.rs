//! Saving and signing a visit: what its author changed, once a form, and a signature on exactly what was saved.

use axum::extract::Path;
use axum::response::Response;
use maud::html;
use records::encounters::{Encounter, VisitFault, VisitForm, sign};
use records::ids::{FormId, ObservationId};
use records::staff::Action;
use records::tree::Edit;
use shell::errors::Page as Answer;
use shell::forms::new_form;
use store::{AuditAct, CommitError, Committed, Target};
use sync_core::document::Heads;
use web::checks::Checked;
use web::fields::Fields;
use web::moments;
use web::trouble::Trouble;
use web::visits::form::names;

use super::closed::closed_meanwhile;
use super::form::{View, draw_form, note, of_visit, on_form, work_on_diagnoses};
use super::{Open, commit};
use crate::bays::shown;
use crate::pages::typed;
use crate::pages::visitor::{Visitor, go_to};

/// `POST /visits/{id}`: saves, signs, or (without a script) works on the list of diagnoses.
pub async fn save(visitor: Visitor, Path(id): Path<String>, mut fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    let form = fields.form()?;
    if !open.visit.is_open() {
        return closed_meanwhile(&visitor, &open, form, &fields).await;
    }
    if work_on_diagnoses(&mut fields) {
        let content = fields.content();
        visitor
            .state
            .store
            .put_draft(form, visitor.person.staff, &open.href(), &content)
            .await?;
        let kept_at = Some(moments::clock(visitor.now().at));
        let view = View {
            form,
            kept_at,
            fields: &fields,
            checked: &Checked::default(),
            told: html! {},
        };
        return visitor.page(&draw_form(&visitor, &open, &view).await?).await;
    }
    let signing = fields.get("act") == "sign";
    if signing {
        visitor.require(Action::SignVisit)?;
    }
    let base = fields.base::<Heads>()?.ok_or(Trouble::Unreadable)?;
    let shown = visitor
        .state
        .store
        .encounter_at(open.id, &base)
        .await?
        .ok_or(Trouble::Stale)?;
    let note = note(&fields);
    let typed = typed::read(&fields, &open.person.chart, visitor.today());
    let checked = check(&visitor, &open, &fields, (&note, &typed), signing);
    let view = View {
        form,
        kept_at: None,
        fields: &fields,
        checked: &checked,
        told: html! {},
    };
    if !checked.passes() {
        return visitor.refused(draw_form(&visitor, &open, &view).await?).await;
    }
    let saved = match write(&visitor, &open, &shown, base, form, &note, &typed).await {
        Ok(saved) => saved,
        Err(CommitError::DiskFull) => {
            return visitor
                .unsaved(&Trouble::DiskFull, draw_form(&visitor, &open, &view).await?)
                .await;
        }
        Err(other) => return Err(other.into()),
    };
    if let Some(critical) = saved.critical {
        return go_to(&format!("{}/critical/{}/{critical}", open.person.href(), open.id));
    }
    if saved.merged {
        return go_to(&format!("{}?merged=1", open.href()));
    }
    if signing {
        return sign_saved(&visitor, &id, form, saved.heads).await;
    }
    go_to(&format!("{}?saved=1", open.href()))
}

/// Judges the form; for a signature nothing may be missing and no question open.
fn check(
    visitor: &Visitor,
    open: &Open,
    fields: &Fields,
    (note, typed): (&VisitForm, &typed::Typed),
    signing: bool,
) -> Checked {
    let mut faults = if signing {
        note.check_for_signing()
    } else {
        note.check()
    };
    faults.extend(typed.faults.iter().copied());
    let mut checked = Checked::of(visitor.lang, &on_form(faults), fields);
    if signing && open.visit.clashes.iter().any(|clash| clash.policy.needs_choice()) {
        checked.refuse(names::COMPLAINT, visitor.t("visit-clash-first"));
    }
    checked
}

/// What saving did.
struct Saved {
    heads: Heads,
    merged: bool,
    critical: Option<ObservationId>,
}

async fn write(
    visitor: &Visitor,
    open: &Open,
    shown: &Encounter,
    base: Heads,
    form: FormId,
    note: &VisitForm,
    typed: &typed::Typed,
) -> Result<Saved, CommitError> {
    let at = visitor.now();
    let staff = visitor.person.staff;
    let store = &visitor.state.store;
    let texts = |fault: VisitFault| match fault {
        VisitFault::Closed | VisitFault::StillOpen => CommitError::Refused("the visit is closed"),
        VisitFault::Fields(_) => CommitError::Refused("fields that were checked before"),
    };
    let edits = note
        .edits_against(shown, staff, at, &mut rand::random)
        .map_err(texts)?;
    let (readings, ids, critical) = typed::edits(visitor, &open.person.chart, &typed.measured, at);
    let all: Vec<Edit> = edits.iter().cloned().chain(readings).collect();
    // Readings that a device brought meanwhile are no second author.
    let merged = VisitForm::of(shown) != VisitForm::of(&open.visit);
    let target = || Target::Existing(open.id.doc());
    let mut first = commit(
        visitor,
        target(),
        Some(base.clone()),
        all,
        AuditAct::VisitSave,
        Some(form),
    );
    first.lane = shown::lane(critical);
    let done = store.commit(first).await?;
    if !done.already {
        return Ok(Saved {
            heads: heads_of(&done),
            merged,
            critical: ids.first().copied().filter(|_| critical),
        });
    }
    // The form was applied before. Pressed twice, nothing of it is new; sent again with other words (by Back, or by a
    // second tab of the same draft) its words still count. Readings were taken the first time.
    let now = store
        .encounter(open.id)
        .await?
        .ok_or(CommitError::UnknownDocument(open.id.doc()))?;
    let news = note
        .edits_against(&now.value, staff, at, &mut rand::random)
        .map_err(texts)?;
    if news.is_empty() {
        return Ok(Saved {
            heads: now.heads,
            merged: false,
            critical: None,
        });
    }
    let again = commit(
        visitor,
        target(),
        Some(base),
        edits,
        AuditAct::VisitSave,
        Some(new_form()),
    );
    let done = store.commit(again).await?;
    Ok(Saved {
        heads: heads_of(&done),
        merged: true,
        critical: None,
    })
}

fn heads_of(done: &Committed) -> Heads {
    done.heads.first().cloned().unwrap_or_default()
}

/// Signs what was just saved: a change of its own on exactly those heads.
async fn sign_saved(visitor: &Visitor, id: &str, form: FormId, heads: Heads) -> Answer<Response> {
    let open = Open::of(visitor, id).await?;
    if open.heads != heads {
        return go_to(&format!("{}?merged=1", open.href()));
    }
    let at = visitor.now();
    // The signature's form is its own: the saving form is spent.
    let signed = sign(
        &open.visit,
        visitor.person.staff,
        &visitor.person.name,
        at,
        sign_form(form),
    );
    let edits = match signed {
        Ok(edits) => edits,
        Err(VisitFault::Closed | VisitFault::StillOpen) => return go_to(&open.href()),
        Err(VisitFault::Fields(faults)) => {
            let fields = of_visit(&open);
            let checked = Checked::of(visitor.lang, &on_form(faults), &fields);
            let view = View {
                form: new_form(),
                kept_at: None,
                fields: &fields,
                checked: &checked,
                told: html! {},
            };
            return visitor.refused(draw_form(visitor, &open, &view).await?).await;
        }
    };
    let target = Target::Existing(open.id.doc());
    let signing = commit(
        visitor,
        target,
        Some(heads),
        edits,
        AuditAct::VisitSign,
        Some(sign_form(form)),
    );
    visitor.state.store.commit(signing).await?;
    go_to(&open.href())
}

/// The id of the signature that belongs to a form: the same for the same form, so that two presses sign once.
fn sign_form(form: FormId) -> FormId {
    let mut id = form.0;
    id.iter_mut().for_each(|byte| *byte ^= 0x5a);
    FormId(id)
}
