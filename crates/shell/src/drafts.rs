//! Drafts: what is typed is kept on the disk while it is typed, a row a form that never travels, and is found again
//! after a reload, a sign-out or a power cut.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use records::ids::FormId;
use web::fields::Fields;
use web::moments;
use web::trouble::Trouble;

use crate::errors::Page;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// Longest address of a page that keeps drafts, in bytes.
const PAGE_BYTES_MAX: usize = 200;

/// `POST /drafts/{form}`: answers when it is on the disk, with the time, as the draft's line shows it.
///
/// # Errors
///
/// The form or its page is none, or the store failed.
pub async fn keep<S: Station>(visitor: Visitor<S>, Path(form): Path<String>, fields: Fields) -> Page {
    let form: FormId = form.parse().map_err(|_| Trouble::NotFound)?;
    let page = fields.get("page");
    if !page.starts_with('/') || page.len() > PAGE_BYTES_MAX {
        return Err(Trouble::Unreadable.into());
    }
    let store = visitor.state.store();
    let kept = store
        .put_draft(form, visitor.person.staff, page, &fields.content())
        .await?;
    // A form that was saved already keeps no draft: the last keystrokes' message may come after it.
    let status = if kept { StatusCode::OK } else { StatusCode::GONE };
    Ok((status, moments::clock(visitor.now().at)).into_response())
}

/// `POST /drafts/{form}/drop`: the author throws it away.
///
/// # Errors
///
/// The form is none, or the store failed.
pub async fn throw_away<S: Station>(
    visitor: Visitor<S>,
    Path(form): Path<String>,
    fields: Fields,
) -> Page<Response> {
    let form: FormId = form.parse().map_err(|_| Trouble::NotFound)?;
    let store = visitor.state.store();
    let draft = store.draft(form).await?;
    if draft.is_some_and(|draft| draft.staff == visitor.person.staff) {
        store.drop_draft(form).await?;
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
///
/// # Errors
///
/// The store failed.
pub async fn open<S: Station>(visitor: &Visitor<S>, page: &str) -> Page<Opened> {
    // Newest first.
    let drafts = visitor.state.store().drafts_of(visitor.person.staff).await?;
    let found = drafts.into_iter().find(|draft| draft.page == page);
    let kept = found.and_then(|draft| Some((Fields::from_content(&draft.content)?, draft)));
    Ok(match kept {
        Some((kept, draft)) => Opened {
            form: draft.form,
            kept: Some(kept),
            at: Some(moments::clock(draft.at)),
        },
        None => Opened {
            form: crate::forms::new_form(),
            kept: None,
            at: None,
        },
    })
}
