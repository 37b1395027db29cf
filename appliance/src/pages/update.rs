//! Taking an update bundle from a stick: which are there, how the last one went, and the restart that tries it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use card::state::Version;
use maud::{Markup, html};
use records::staff::Action;
use shell::errors::Page as Answer;
use shell::station::Station as _;
use store::AuditAct;
use web::fields::Fields;
use web::forms::{Faults, Pick};
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::status::states;
use web::texts::Lang;
use web::trouble::Trouble;

use crate::pages::systems;
use crate::pages::visitor::{Visitor, go_to};
use crate::systems::Systems;
use crate::update::work::Said;
use crate::update::{Mailbox, Own, UpdateFault, taking};

/// How the last taking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// Bytes taken, of so many.
    Running(u64, u64),
    /// Left for installing.
    Taken(u64),
    /// Key of the text that says why not.
    Refused(&'static str),
}

/// Bundles that arrive from sticks, one at a time. A cheap clone.
#[derive(Debug, Clone, Default)]
pub struct Updates {
    taking: Arc<Mutex<Option<Taking>>>,
}

impl Updates {
    fn now(&self) -> Option<Taking> {
        *self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, taking: Taking) {
        *self.taking.lock().unwrap_or_else(PoisonError::into_inner) = Some(taking);
    }

    /// Begins; `false` where one is being taken already.
    pub(crate) fn begin(&self, bytes: u64) -> bool {
        let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*taking, Some(Taking::Running(..))) {
            return false;
        }
        *taking = Some(Taking::Running(0, bytes));
        true
    }

    /// Notes how a taking ended.
    pub(crate) fn ended(&self, taken: &Result<Version, UpdateFault>) {
        self.set(match taken {
            Ok(version) => Taking::Taken(version.0),
            Err(fault) => {
                tracing::warn!(%fault, "the update bundle was not taken");
                Taking::Refused(fault.text())
            }
        });
    }
}

/// The bundles on all that is plugged in.
fn found(visitor: &Visitor) -> Vec<PathBuf> {
    let places = visitor.state.keeping().places();
    places
        .iter()
        .flat_map(|place| taking::bundles_in(place))
        .collect()
}

/// `GET /update`.
pub async fn page(visitor: Visitor) -> Answer {
    let facts = facts(&visitor).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = visitor.t("update-title");
    let body = html! { (heading(&title, &html! {})) (facts) };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let systems = crate::systems::of(visitor.state.card.as_ref().clone()).await;
    let bundles = found(visitor);
    let now = visitor.state.updates.now();
    let is_ready = matches!(&systems, Systems::Read(standing) if standing.is_ready());
    Ok(html! {
        div.columns #update hx-get="/update" hx-trigger="live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            div.stack {
                @if let Some(now) = now { (how(lang, now)) }
                @if let Systems::Read(standing) = &systems {
                    @if let Some(said) = &standing.said { (answer(lang, said)) }
                }
                section.card { h2 { (lang.t("systems-title")) } (states(&systems::rows(lang, &systems))) }
                @if is_ready {
                    section.card {
                        h2 { (lang.t("update-ready")) }
                        p { (lang.t("update-ready-about")) }
                        form method="post" action="/update/restart" {
                            button.button type="submit" { (lang.t("update-restart")) }
                        }
                    }
                }
            }
            div.stack {
                section.card {
                    h2 { (lang.t("update-stick")) }
                    p { (lang.t("update-stick-about")) }
                    @if bundles.is_empty() { p.empty { (lang.t("update-no-bundle")) } }
                    @else { (form(lang, &bundles, matches!(now, Some(Taking::Running(..))))) }
                }
            }
        }
    })
}

fn form(lang: Lang, bundles: &[PathBuf], busy: bool) -> Markup {
    let label = lang.t("update-bundle");
    let options: Vec<(String, String)> = bundles
        .iter()
        .map(|path| path.display().to_string())
        .map(|path| (path.clone(), path))
        .collect();
    let only = options.first().map(|(path, _)| path.clone());
    let only = only.filter(|_| options.len() == 1);
    html! {
        form.form method="post" action="/update/take" {
            (Pick::new("bundle", &label, options).chosen(only.as_deref()).markup(lang, &Faults::none()))
            div.form-foot { button.button type="submit" disabled[busy] { (lang.t("update-take")) } }
        }
    }
}

fn how(lang: Lang, taking: Taking) -> Markup {
    match taking {
        Taking::Running(done, of) => {
            let percent = (done * 100).checked_div(of).unwrap_or(0).to_string();
            let words = lang.t_with("update-taking", &[("percent", &percent)]);
            html! { p.tag.tag-note role="status" { (words) } }
        }
        Taking::Taken(version) => {
            let words = lang.t_with("update-taken", &[("version", &version.to_string())]);
            panel(lang, Class::Done, &words, &html! {})
        }
        Taking::Refused(text) => panel(lang, Class::Warning, &lang.t(text), &html! {}),
    }
}

fn answer(lang: Lang, said: &Said) -> Markup {
    match said {
        Said::Installing => html! { p.tag.tag-note role="status" { (lang.t("update-installing")) } },
        Said::Installed { version } => {
            let words = lang.t_with("update-installed", &[("version", &version.to_string())]);
            panel(lang, Class::Done, &words, &html! {})
        }
        Said::Refused { text, .. } => panel(lang, Class::Warning, &lang.t(text), &html! {}),
    }
}

/// `POST /update/take`: checks the chosen bundle while it copies it, and leaves it for installing.
pub async fn take(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let wanted = Path::new(fields.get("bundle"));
    let chosen = found(&visitor).into_iter().find(|path| path == wanted);
    let chosen = chosen.ok_or(Trouble::Unreadable)?;
    let Some(card) = visitor.state.card.as_ref().clone() else {
        return Err(Trouble::NotFound.into());
    };
    let store = &visitor.state.store;
    store
        .audit_note(visitor.by(), AuditAct::SettingsChange, None)
        .await?;
    let bytes = std::fs::metadata(&chosen).map_or(0, |meta| meta.len());
    let updates = visitor.state.updates.clone();
    if !updates.begin(bytes) {
        return go_to("/update");
    }
    let mailbox = Mailbox::of(store.folder());
    let progress = updates.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let mut done = 0;
        let own = Own::read(&card)?;
        taking::take(&chosen, &own, &mailbox, |more| {
            done += more;
            progress.set(Taking::Running(done, bytes));
        })
    });
    // A task of its own, so that a taking that panics does not stand as running for ever.
    tokio::spawn(async move {
        let taken = taken.await.unwrap_or(Err(UpdateFault::BrokenOff));
        updates.ended(&taken);
    });
    go_to("/update")
}

/// `POST /update/restart`: restarts the box to try what was installed.
pub async fn restart(visitor: Visitor) -> Answer<Response> {
    let mailbox = Mailbox::of(visitor.state.store.folder());
    let asked = tokio::task::spawn_blocking(move || mailbox.ask(&mailbox.restart())).await;
    match asked {
        Ok(Ok(())) => {
            let by = visitor.by();
            visitor
                .state
                .store
                .audit_note(by, AuditAct::SettingsChange, None)
                .await?;
        }
        Ok(Err(error)) => return Err(Trouble::broken(&error).into()),
        Err(error) => return Err(Trouble::broken(&error).into()),
    }
    go_to("/update")
}

/// Who may do this.
pub const MAY: Action = Action::ManageClinic;
