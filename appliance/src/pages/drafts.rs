//! Drafts: what is typed is kept at the box while it is typed, and is found again after a reload, a sign-out or a
//! power cut.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use records::ids::FormId;
use web::fields::Fields;
use web::moments;
use web::trouble::Trouble;

use crate::errors::Page;
use crate::pages::visitor::{Visitor, go_to};

/// `POST /drafts/{form}`: answers with the time, as the draft's line shows it.
pub async fn keep(visitor: Visitor, Path(form): Path<String>, fields: Fields) -> Page {
    let form: FormId = form.parse().map_err(|_| Trouble::NotFound)?;
    let page = fields.get("page");
    if !page.starts_with('/') || page.len() > 200 {
        return Err(Trouble::Unreadable.into());
    }
    let kept = visitor
        .state
        .store
        .put_draft(form, visitor.person.staff, page, &fields.content())
        .await?;
    // A form that was saved already keeps no draft: the last keystrokes' message may come after it.
    let status = if kept { StatusCode::OK } else { StatusCode::GONE };
    Ok((status, moments::clock(visitor.now().at)).into_response())
}

/// `POST /drafts/{form}/drop`: the author throws it away.
pub async fn throw_away(visitor: Visitor, Path(form): Path<String>, fields: Fields) -> Page<Response> {
    let form: FormId = form.parse().map_err(|_| Trouble::NotFound)?;
    let mine = visitor
        .state
        .store
        .draft(form)
        .await?
        .filter(|draft| draft.staff == visitor.person.staff);
    if mine.is_some() {
        visitor.state.store.drop_draft(form).await?;
    }
    go_to(web::guard::safe_return(fields.get("next")))
}

/// A form as it is opened on a page: a new one, or the draft that its author left there.
pub struct Opened {
    /// The form's id.
    pub form: FormId,
    /// The fields of the draft.
    pub kept: Option<Fields>,
    /// When the draft was kept, as `hh:mm`.
    pub at: Option<String>,
}

/// Opens the form of a page (the page's own path names it).
pub async fn open(visitor: &Visitor, page: &str) -> Page<Opened> {
    let drafts = visitor.state.store.drafts_of(visitor.person.staff).await?;
    let found = drafts.into_iter().find(|draft| draft.page == page);
    Ok(
        match found.and_then(|draft| Some((Fields::from_content(&draft.content)?, draft))) {
            Some((kept, draft)) => Opened {
                form: draft.form,
                kept: Some(kept),
                at: Some(moments::clock(draft.at)),
            },
            None => Opened {
                form: crate::pages::fields::new_form(),
                kept: None,
                at: None,
            },
        },
    )
}
