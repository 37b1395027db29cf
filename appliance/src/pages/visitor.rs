//! A request of somebody who is signed in, with what every page needs: who, in which language, where.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use records::ids::{ClinicCode, DocId, PatientId};
use records::staff::Action;
use records::time::{Date, Stamp};
use store::{AuditAct, By};
use web::guard::SignedIn;
use web::icons::Icon;
use web::layout::{Frame, NavItem, Page, Screen};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::PageError;
use crate::state::AppState;

/// Who asks, and how an answer is drawn for them.
#[derive(Clone)]
pub struct Visitor {
    /// The box.
    pub state: AppState,
    /// Language of the screen.
    pub lang: Lang,
    /// The person.
    pub person: SignedIn,
    /// Path and query that were asked for.
    pub here: String,
    /// Whether a script asked for a part of a page.
    pub part: bool,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Trouble> {
        let person = SignedIn::from_request_parts(parts, state).await?;
        let here = parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Self {
            state: state.clone(),
            lang: Lang::of_headers(&parts.headers),
            person,
            here,
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

    /// The clinic that the box belongs to.
    pub async fn clinic(&self) -> Result<ClinicCode, PageError> {
        self.state
            .store
            .clinic()
            .await?
            .ok_or(PageError(Trouble::NotFound))
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
        let waiting = self.state.store.tray_waiting().await?;
        Ok(Frame {
            lang: self.lang,
            screen: Screen::Tablet,
            place: crate::pages::place(&self.state, self.lang).await?,
            user: Some(self.person.name.clone()),
            nav: self.nav(waiting),
            light: Some(self.state.light().await?),
            here: self.here.clone(),
            live: Some("/live"),
            notice: self.state.notice.as_deref().map(str::to_owned),
        })
    }

    fn nav(&self, waiting: u64) -> Vec<NavItem> {
        let lang = self.lang;
        let entries = [
            (
                Some(Action::FindPatients),
                "/",
                lang.t("nav-today"),
                Icon::Today,
                0,
            ),
            (
                Some(Action::FindPatients),
                "/patients",
                lang.t("nav-patients"),
                Icon::People,
                0,
            ),
            (
                Some(Action::SeeDevices),
                "/bays",
                lang.t("nav-bays"),
                Icon::Device,
                0,
            ),
            (
                Some(Action::ClaimReading),
                "/tray",
                lang.t("nav-tray"),
                Icon::Tray,
                waiting,
            ),
            (None, "/more", lang.t("nav-more"), Icon::Settings, 0),
        ];
        let allowed = entries
            .into_iter()
            .filter(|(action, ..)| action.is_none_or(|action| self.may(action)));
        allowed
            .map(|(_, href, label, icon, count)| NavItem {
                href,
                label,
                icon,
                count,
            })
            .collect()
    }

    /// Answers with a page.
    pub async fn page(&self, page: &Page) -> Result<Response, PageError> {
        Ok(self.frame().await?.page(page).into_response())
    }

    /// Answers with a page on which a form was refused.
    pub async fn refused(&self, page: Page) -> Result<Response, PageError> {
        self.answer_with(StatusCode::UNPROCESSABLE_ENTITY, page).await
    }

    /// Answers with a page on which a form could not be saved: what stood in the way, above what was typed.
    pub async fn unsaved(&self, trouble: &Trouble, mut page: Page) -> Result<Response, PageError> {
        let typed = page.body.take();
        page.body = Some(html! { (trouble.panel(self.lang)) @if let Some(typed) = typed { (typed) } });
        self.answer_with(trouble.status(), page).await
    }

    /// Answers with a page under the status of what came in between; the page itself says what that was.
    pub async fn overtaken(&self, page: Page) -> Result<Response, PageError> {
        self.answer_with(StatusCode::CONFLICT, page).await
    }

    async fn answer_with(&self, status: StatusCode, page: Page) -> Result<Response, PageError> {
        let markup = self.frame().await?.page(&page.faulty(true));
        Ok((status, markup).into_response())
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
