//! A request of somebody who is signed in, with what every page needs: who, in which language, where.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use records::ids::{DocId, PatientId};
use records::staff::Action;
use records::time::{Date, Stamp};
use store::{AuditAct, By};
use web::guard::SignedIn;
use web::icons::Icon;
use web::layout::{Frame, NavItem, Page};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::PageError;
use crate::station::Station;

/// Who asks, and how an answer is drawn for them.
#[derive(Clone)]
pub struct Visitor<S> {
    /// The box or hub.
    pub state: S,
    /// Language of the screen.
    pub lang: Lang,
    /// The person.
    pub person: SignedIn,
    /// Path and query that were asked for.
    pub here: String,
    /// Whether a script asked for a part of a page.
    pub part: bool,
}

impl<S: Station> FromRequestParts<S> for Visitor<S> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let person = SignedIn::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let here = parts.uri.path_and_query();
        let visitor = Self {
            state: state.clone(),
            lang: Lang::of_headers(&parts.headers),
            person,
            here: here.map_or_else(|| "/".to_owned(), ToString::to_string),
            part: parts.headers.contains_key("hx-request"),
        };
        match S::lead_elsewhere(&visitor).await {
            Ok(None) => Ok(visitor),
            Ok(Some(elsewhere)) => Err(elsewhere),
            Err(error) => Err(error.into_response()),
        }
    }
}

impl<S: Station> Visitor<S> {
    /// The text with this key.
    pub fn t(&self, key: &str) -> String {
        self.lang.t(key)
    }

    /// The time now.
    pub fn now(&self) -> Stamp {
        self.state.clock().now()
    }

    /// The civil date in China now.
    pub fn today(&self) -> Date {
        self.now().at.china_date()
    }

    /// The person as the writer of a record.
    pub fn by(&self) -> By {
        By::Staff(self.person.staff)
    }

    /// Whether the person's role allows this.
    pub fn may(&self, action: Action) -> bool {
        self.person.may(action)
    }

    /// Refuses what the person's role does not allow.
    ///
    /// # Errors
    ///
    /// [`Trouble::Forbidden`].
    pub fn require(&self, action: Action) -> Result<(), PageError> {
        if self.may(action) {
            Ok(())
        } else {
            Err(Trouble::Forbidden.into())
        }
    }

    /// Notes that the person looked at a record of a patient.
    ///
    /// # Errors
    ///
    /// The note was not kept.
    pub async fn viewed(
        &self,
        act: AuditAct,
        patient: PatientId,
        doc: Option<DocId>,
    ) -> Result<(), PageError> {
        let store = self.state.store();
        Ok(store.audit_view(self.by(), act, Some(patient), doc).await?)
    }

    /// The frame around the content of a page.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn frame(&self) -> Result<Frame, PageError> {
        S::frame(self).await
    }

    /// Answers with a page.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn page(&self, page: &Page) -> Result<Response, PageError> {
        Ok(self.frame().await?.page(page).into_response())
    }

    /// Answers with a page on which a form was refused.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn refused(&self, page: Page) -> Result<Response, PageError> {
        self.answer_with(StatusCode::UNPROCESSABLE_ENTITY, page).await
    }

    /// Answers with a page on which a form could not be saved: what stood in the way, above what was typed.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn unsaved(&self, trouble: &Trouble, mut page: Page) -> Result<Response, PageError> {
        let typed = page.body.take();
        page.body = Some(html! { (trouble.panel(self.lang)) @if let Some(typed) = typed { (typed) } });
        self.answer_with(trouble.status(), page).await
    }

    /// Answers with a page under the status of what came in between; the page itself says what that was.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn overtaken(&self, page: Page) -> Result<Response, PageError> {
        self.answer_with(StatusCode::CONFLICT, page).await
    }

    async fn answer_with(&self, status: StatusCode, page: Page) -> Result<Response, PageError> {
        let markup = self.frame().await?.page(&page.faulty(true));
        Ok((status, markup).into_response())
    }

    /// Answers with a part of a page.
    ///
    /// # Errors
    ///
    /// None; the type is that of every answer.
    pub fn part(&self, markup: Markup) -> Result<Response, PageError> {
        Ok(markup.into_response())
    }
}

/// An entry of the menu: what one has to be allowed for it, address, words, icon, count.
pub type MenuEntry = (Option<Action>, &'static str, String, Icon, u64);

/// The entries of the menu that the visitor may use.
pub fn menu<S: Station>(visitor: &Visitor<S>, entries: impl IntoIterator<Item = MenuEntry>) -> Vec<NavItem> {
    let allowed = entries
        .into_iter()
        .filter(|(action, ..)| action.is_none_or(|action| visitor.may(action)));
    allowed
        .map(|(_, href, label, icon, count)| NavItem {
            href,
            label,
            icon,
            count,
        })
        .collect()
}

/// Leads on to another page after a form was taken.
///
/// # Errors
///
/// None; the type is that of every answer.
pub fn go_to(address: &str) -> Result<Response, PageError> {
    Ok(Redirect::to(address).into_response())
}
