//! The start PIN of a box whose data a person opens: set at first start, changed here by who manages the clinic.

use axum::response::Response;
use maud::html;
use shell::errors::Page as Answer;
use store::AuditAct;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;
use zeroize::Zeroizing;

use crate::locked::pages::{ask, new_pin, pin_of, pin_sentence, read_new_pin};
use crate::opener::protocol::{Answer as Said, Request, Standing, bad_pin};
use crate::pages::visitor::{Visitor, go_to};
use crate::state::AppState;

/// Where it is changed.
pub(super) const PATH: &str = "/start-pin";

/// How the data stand; `None` where no PIN is wanted on this box.
async fn standing(state: &AppState) -> Answer<Option<Standing>> {
    let Some(door) = state.door() else {
        return Ok(None);
    };
    match ask(&door, Request::State).await? {
        Said::State { standing } => Ok(Some(standing)),
        _ => Err(Trouble::Unreadable.into()),
    }
}

/// Whether the start PIN was set, or none is wanted on this box.
pub(super) async fn is_set_or_needless(state: &AppState) -> Answer<bool> {
    Ok(standing(state).await?.is_none_or(|standing| standing.has_pin))
}

/// What the PIN of this box is for, in words.
pub(super) async fn about(state: &AppState, lang: Lang) -> Answer<String> {
    let by_hub = standing(state).await?.is_some_and(|standing| standing.by_hub);
    Ok(if by_hub {
        lang.t("start-pin-about-hub")
    } else {
        lang.t("start-pin-about")
    })
}

/// Sets the start PIN; what is wrong with it stands in the faults.
pub(super) async fn set(
    visitor: &Visitor,
    old: Zeroizing<String>,
    new: Zeroizing<String>,
    faults: &mut Faults,
) -> Answer<()> {
    let lang = visitor.lang;
    let door = visitor.state.door().ok_or(Trouble::NotFound)?;
    match ask(&door, Request::SetPin { old, new }).await? {
        Said::Done => {
            let store = &visitor.state.store;
            store.audit_note(visitor.by(), AuditAct::StartPin, None).await?;
        }
        Said::BadPin { why } => faults.add("new", pin_sentence(lang, bad_pin(&why))),
        Said::WrongPin { .. } => faults.add("old", lang.t("locked-wrong")),
        Said::Wait { wait_seconds } => {
            faults.add(
                "old",
                lang.t_with("locked-wait", &[("n", &wait_seconds.to_string())]),
            );
        }
        _ => return Err(Trouble::Unreadable.into()),
    }
    Ok(())
}

/// `GET /start-pin`. A box that opens its data by itself has none to change.
pub async fn page(visitor: Visitor) -> Answer {
    if visitor.state.door().is_none() {
        return go_to("/more");
    }
    let page = draw(&visitor, &Faults::none(), false);
    visitor.page(&page).await
}

fn draw(visitor: &Visitor, faults: &Faults, is_done: bool) -> Page {
    let lang = visitor.lang;
    let title = lang.t("start-pin-change");
    let (old, submit) = (lang.t("field-old-start-pin"), lang.t("save"));
    let form = Form {
        action: PATH,
        faults: Some(faults),
        submit: &submit,
        back: Some("/more"),
        ..Form::default()
    };
    let inner = html! {
        (Input::password("old", &old).fills("current-password").markup(lang, faults))
        (new_pin(lang, faults))
    };
    let body = html! {
        (heading(&title, &html! {}))
        @if is_done { (panel(lang, Class::Done, &lang.t("start-pin-changed"), &html! {})) }
        section.card.narrow { p { (lang.t("start-pin-change-about")) } (form.around(lang, &inner, &html! {})) }
    };
    Page::new(title.clone(), body).faulty(!faults.is_empty())
}

/// `POST /start-pin`.
pub async fn change(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let mut faults = Faults::none();
    let new = read_new_pin(visitor.lang, &fields, &mut faults);
    if faults.is_empty() {
        set(&visitor, pin_of(&fields, "old"), new, &mut faults).await?;
    }
    if !faults.is_empty() {
        return visitor.refused(draw(&visitor, &faults, false)).await;
    }
    let page = draw(&visitor, &faults, true);
    visitor.page(&page).await
}
