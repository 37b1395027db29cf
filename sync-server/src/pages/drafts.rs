//! Drafts of forms: a local row per form, kept on each change, never synchronised.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use records::ids::FormId;
use web::fields::Fields;
use web::moments;
use web::trouble::Trouble;

use super::new_form;
use super::visitor::Visitor;
use crate::errors::Page;

/// A form as it is opened: anew, or with what the person typed before.
pub struct Opened {
    /// The form's id.
    pub form: FormId,
    /// The fields of the draft.
    pub kept: Option<Fields>,
    /// When it was kept, as `hh:mm`.
    pub at: Option<String>,
}

/// Opens a page's form: the person's last draft of that page, else a new one.
pub async fn open(visitor: &Visitor, page: &str) -> Page<Opened> {
    let drafts = visitor.state.store.drafts_of(visitor.person.staff).await?;
    let found = drafts
        .into_iter()
        .filter(|draft| draft.page == page)
        .max_by_key(|draft| draft.at);
    let kept = found.and_then(|draft| Some((Fields::from_content(&draft.content)?, draft.form, draft.at)));
    Ok(match kept {
        Some((fields, form, at)) => Opened {
            form,
            kept: Some(fields),
            at: Some(moments::clock(at)),
        },
        None => Opened {
            form: new_form(),
            kept: None,
            at: None,
        },
    })
}

/// `POST /drafts/{form}`: answers when it is on the disk, with the time.
pub async fn keep(visitor: Visitor, Path(form): Path<String>, fields: Fields) -> Page<Response> {
    let form: FormId = form.parse().map_err(|_| Trouble::NotFound)?;
    let page = fields.get("page");
    if !page.starts_with('/') || page.len() > 200 {
        return Err(Trouble::Unreadable.into());
    }
    let store = &visitor.state.store;
    let kept = store
        .put_draft(form, visitor.person.staff, page, &fields.content())
        .await?;
    // A form that was saved already keeps no draft: the last keystrokes' message may come after it.
    let status = if kept { StatusCode::OK } else { StatusCode::GONE };
    Ok((status, moments::clock(visitor.now().at)).into_response())
}
