//! A request of somebody who is signed in at a desk, with what every page needs: who, in which language, where.

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
use web::layout::{Frame, NavItem, Page, Screen};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::PageError;
use crate::state::HubState;

/// Address of the page on which a one-time password is changed.
const ACCOUNT: &str = "/account";

/// Who asks, and how an answer is drawn for them.
#[derive(Clone)]
pub struct Visitor {
    /// The hub.
    pub state: HubState,
    /// Language of the screen.
    pub lang: Lang,
    /// The person.
    pub person: SignedIn,
    /// Path and query that were asked for.
    pub here: String,
    /// Whether a script asked for a part of a page.
    pub part: bool,
}

impl FromRequestParts<HubState> for Visitor {
    type Rejection = Response;

    /// Whoever got their password from somebody else changes it before anything else.
    async fn from_request_parts(parts: &mut Parts, state: &HubState) -> Result<Self, Response> {
        let person = SignedIn::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let member = state.store.staff_member(person.staff).await;
        let member = member.map_err(|error| PageError::from(error).into_response())?;
        let must_change = member.is_none_or(|member| member.must_change);
        if must_change && parts.uri.path() != ACCOUNT {
            return Err(Redirect::to(ACCOUNT).into_response());
        }
        let here = parts.uri.path_and_query();
        Ok(Self {
            state: state.clone(),
            lang: Lang::of_headers(&parts.headers),
            person,
            here: here.map_or_else(|| "/".to_owned(), ToString::to_string),
            part: parts.headers.contains_key("hx-request"),
        })
    }
}

impl Visitor {
    /// The text with this key.
    pub fn t(&self, key: &str) -> String {
        self.lang.t(key)
    }

    /// The time now.
    pub fn now(&self) -> Stamp {
        self.state.clock.now()
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
    pub fn require(&self, action: Action) -> Result<(), PageError> {
        if self.may(action) {
            Ok(())
        } else {
            Err(Trouble::Forbidden.into())
        }
    }

    /// Notes that the person looked at a record of a patient.
    pub async fn viewed(
        &self,
        act: AuditAct,
        patient: PatientId,
        doc: Option<DocId>,
    ) -> Result<(), PageError> {
        Ok(self
            .state
            .store
            .audit_view(self.by(), act, Some(patient), doc)
            .await?)
    }

    /// The frame around the content of a page.
    pub async fn frame(&self) -> Result<Frame, PageError> {
        Ok(Frame {
            lang: self.lang,
            screen: Screen::Desk,
            place: self.t("hub-place"),
            user: Some(self.person.name.clone()),
            nav: self.nav(),
            light: Some(super::status::light_of(&self.state).await?),
            here: self.here.clone(),
            live: Some("/live"),
            notice: self.state.notice.as_deref().map(str::to_owned),
        })
    }

    fn nav(&self) -> Vec<NavItem> {
        let lang = self.lang;
        let entries = [
            (
                Some(Action::FindPatients),
                "/patients",
                lang.t("hub-nav-patients"),
                Icon::People,
            ),
            (
                Some(Action::SeeClinics),
                "/clinics",
                lang.t("hub-nav-clinics"),
                Icon::Clinics,
            ),
            (
                Some(Action::ManageStaff),
                "/staff",
                lang.t("hub-nav-staff"),
                Icon::Person,
            ),
            (
                Some(Action::ReadAudit),
                "/audit",
                lang.t("hub-nav-audit"),
                Icon::Shield,
            ),
            (None, ACCOUNT, lang.t("hub-nav-account"), Icon::Lock),
        ];
        let allowed = entries
            .into_iter()
            .filter(|(action, ..)| action.is_none_or(|action| self.may(action)));
        allowed
            .map(|(_, href, label, icon)| NavItem {
                href,
                label,
                icon,
                count: 0,
            })
            .collect()
    }

    /// Answers with a page.
    pub async fn page(&self, page: &Page) -> Result<Response, PageError> {
        Ok(self.frame().await?.page(page).into_response())
    }

    /// Answers with a page on which a form was refused.
    pub async fn refused(&self, page: Page) -> Result<Response, PageError> {
        let markup = self.frame().await?.page(&page.faulty(true));
        Ok((StatusCode::UNPROCESSABLE_ENTITY, markup).into_response())
    }

    /// Answers with a page whose form could not be saved, with what was typed still in it.
    pub async fn unsaved(&self, trouble: &Trouble, mut page: Page) -> Result<Response, PageError> {
        let typed = page.body.take();
        page.body = Some(html! { (trouble.panel(self.lang)) @if let Some(typed) = typed { (typed) } });
        let markup = self.frame().await?.page(&page.faulty(true));
        Ok((trouble.status(), markup).into_response())
    }

    /// Answers with a part of a page.
    pub fn part(&self, markup: Markup) -> Result<Response, PageError> {
        Ok(markup.into_response())
    }
}

/// Leads on to another page after a form was taken.
pub fn go_to(address: &str) -> Result<Response, PageError> {
    Ok(Redirect::to(address).into_response())
}

/// `GET /`: the page where the person's work begins.
pub async fn front(visitor: Visitor) -> Result<Response, PageError> {
    let nav = visitor.nav();
    go_to(nav.first().map_or(ACCOUNT, |first| first.href))
}
