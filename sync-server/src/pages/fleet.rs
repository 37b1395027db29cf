//! The boxes of the county: which system each runs, how its last trial ended, and the roll-out of a release with what
//! may be done about it. Stored facts only; what a box did not tell is named as not told.

use axum::response::Response;
use maud::{Markup, html};
use records::ids::ClinicCode;
use records::staff::Action;
use records::time::WallTime;
use shell::errors::{Page as Answer, PageError};
use store::{AuditAct, DeviceRow, ReleaseRow};
use sync_core::wire::{SystemReport, WentBack};
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use super::clinics::clinic_names;
use super::visitor::{Visitor, go_to};
use crate::releases::{self, ReleaseError};
use crate::rollout::{Plan, Stage, Step};

/// `GET /fleet`.
pub async fn page(visitor: Visitor) -> Answer {
    let facts = facts(&visitor).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = visitor.t("fleet-title");
    let body = html! { (heading(&title, &html! {})) (facts) p.quiet { (visitor.t("fleet-about")) } };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let store = &visitor.state.store;
    let now = releases::now(store).await?;
    let boxes = releases::boxes(store).await?;
    let kept = store.releases().await?;
    let names = clinic_names(store).await?.names;
    let name = |code: &ClinicCode| {
        let found = names.iter().find(|(known, _)| *known == code);
        found.map_or_else(String::new, |(_, name)| name.clone())
    };
    let lang = visitor.lang;
    Ok(html! {
        div.stack #fleet hx-get="/fleet" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            section.card {
                h2 { (lang.t("fleet-rollout")) }
                @match &now {
                    Some((plan, step)) => (rollout(visitor, plan, step)),
                    None => p.empty { (lang.t("fleet-no-rollout")) },
                }
            }
            section.card {
                h2 { (lang.t("hub-boxes")) }
                @if boxes.is_empty() { p.empty { (lang.t("fleet-no-boxes")) } } @else {
                    div.scroll tabindex="0" role="group" aria-label=(lang.t("hub-boxes")) { table.table {
                        thead { tr {
                            th scope="col" { (lang.t("hub-clinic")) }
                            th scope="col" { (lang.t("fleet-box")) }
                            th scope="col" { (lang.t("hub-last-contact")) }
                            th.num scope="col" { (lang.t("fleet-version")) }
                            th scope="col" { (lang.t("hub-state")) }
                            th scope="col" { (lang.t("hub-software")) }
                        } }
                        tbody { @for (device, report) in &boxes { (line(visitor, &name(&device.clinic), device, *report)) } }
                    } }
                }
            }
            section.card { h2 { (lang.t("fleet-releases")) } (list(visitor, &kept)) }
        }
    })
}

fn line(visitor: &Visitor, clinic: &str, device: &DeviceRow, report: Option<SystemReport>) -> Markup {
    let lang = visitor.lang;
    html! {
        tr {
            th scope="row" { a href={ "/clinics/" (device.clinic) } { (clinic) } " " span.quiet.num { (device.clinic) } }
            td { span.num { (device.name) } }
            td { (when(visitor, device.last_contact)) }
            td.num { @match report { Some(report) => (report.running), None => (lang.t("unknown")) } }
            td { (standing(lang, report)) }
            td { (SystemReport::of(&device.software).0) }
        }
    }
}

/// How a box's systems stand, in a word with its shape.
fn standing(lang: Lang, report: Option<SystemReport>) -> Markup {
    let Some(report) = report else {
        return html! { span.tag.tag-note { "▲ " (lang.t("fleet-not-told")) } };
    };
    html! {
        @if report.on_trial { span.tag.tag-note { "▲ " (lang.t("fleet-on-trial")) } }
        @else if let Some((version, why)) = report.went_back {
            span.tag.tag-bad {
                "◆ " (lang.t_with("fleet-went-back", &[("version", &version.to_string()), ("why", &lang.t(reason(why)))]))
            }
        }
        @else { span.tag.tag-good { "● " (lang.t("fleet-kept")) } }
    }
}

fn reason(why: WentBack) -> &'static str {
    match why {
        WentBack::DidNotStart => "fleet-why-start",
        WentBack::Unhealthy => "fleet-why-health",
        WentBack::Damaged => "fleet-why-damaged",
    }
}

fn rollout(visitor: &Visitor, plan: &Plan, step: &Step) -> Markup {
    let lang = visitor.lang;
    let all_open = plan.open >= plan.stages.len();
    let state = match (step.is_stopped, plan.paused) {
        (true, _) => html! { span.tag.tag-bad { "◆ " (lang.t("fleet-stopped")) } },
        (false, true) => html! { span.tag.tag-note { "▲ " (lang.t("fleet-paused")) } },
        (false, false) => html! { span.tag.tag-good { "● " (lang.t("fleet-running")) } },
    };
    html! {
        dl.pairs {
            dt { (lang.t("fleet-version")) } dd.num { (plan.version) }
            dt { (lang.t("hub-state")) } dd { (state) }
            dt { (lang.t("fleet-run-it")) } dd.num { (step.run_it) }
            dt { (lang.t("fleet-back-count")) } dd.num { (step.went_back) }
            dt { (lang.t("fleet-limit")) } dd.num { (plan.limit) }
        }
        ol.facts { @for (at, stage) in plan.stages.iter().enumerate() { li {
            (stage_words(lang, stage)) " "
            @if at < plan.open { span.tag.tag-good { "● " (lang.t("fleet-stage-open")) } }
            @else { span.tag.tag-note { "▲ " (lang.t("fleet-stage-waits")) } }
        } } }
        @if step.is_stopped { (panel(lang, Class::Warning, &lang.t("fleet-stopped-about"), &html! {})) }
        @if visitor.may(Action::ManageClinics) && !step.is_stopped {
            div.form-foot {
                @if plan.paused || !all_open {
                    form method="post" action="/fleet/go-on" {
                        button.button type="submit" {
                            (lang.t(if plan.paused { "fleet-go-on" } else { "fleet-next-stage" }))
                        }
                    }
                }
                @if !plan.paused {
                    form method="post" action="/fleet/pause" {
                        button.button type="submit" { (lang.t("fleet-pause")) }
                    }
                }
            }
        }
    }
}

fn stage_words(lang: Lang, stage: &Stage) -> String {
    match stage {
        Stage::Rest => lang.t("fleet-rest"),
        Stage::Clinics(codes) => {
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            codes.join(&lang.t("hub-list-comma"))
        }
    }
}

fn list(visitor: &Visitor, kept: &[ReleaseRow]) -> Markup {
    let lang = visitor.lang;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).unwrap_or_default();
    html! {
        @if kept.is_empty() { p.empty { (lang.t("fleet-no-releases")) } }
        @else { ul.facts { @for release in kept { li {
            p { strong.num { (lang.t("fleet-version")) " " (release.version) } }
            p.small.num {
                (release.about["hardware"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", "))
                " · " (format!("{:.1}", release.offer.length() as f64 / 1e6)) " MB · "
                (lang.t_with("fleet-data-form", &[("form", &release.about["data"]["writes"].to_string())]))
                @if let Some(base) = release.about["base"].as_u64() {
                    " · " (lang.t_with("fleet-difference", &[("version", &base.to_string())]))
                }
                " · " (lang.t("hub-added")) " " (when(visitor, Some(release.taken)))
            }
        } } } }
    }
}

fn when(visitor: &Visitor, at: Option<WallTime>) -> String {
    let words = |at| moments::day_and_clock(visitor.lang, at, visitor.today());
    at.map_or_else(|| visitor.t("status-never"), words)
}

/// What could not be done because the roll-out stands otherwise is shown by the page that follows.
fn settled<T>(done: Result<T, ReleaseError>) -> Answer<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(ReleaseError::Stopped { .. } | ReleaseError::AllOpen | ReleaseError::NoPlan) => Ok(false),
        Err(ReleaseError::Store(error)) => Err(PageError::from(error)),
        Err(other) => Err(Trouble::broken(&other).into()),
    }
}

async fn noted(visitor: &Visitor, done: bool) -> Answer<Response> {
    if done {
        let store = &visitor.state.store;
        store
            .audit_note(visitor.by(), AuditAct::SettingsChange, None)
            .await?;
    }
    go_to("/fleet")
}

/// `POST /fleet/go-on`: ends a pause, or opens the next stage.
pub async fn go_on(visitor: Visitor) -> Answer<Response> {
    let done = settled(releases::go_on(&visitor.state.store).await)?;
    noted(&visitor, done).await
}

/// `POST /fleet/pause`.
pub async fn pause(visitor: Visitor) -> Answer<Response> {
    let done = settled(releases::pause(&visitor.state.store).await)?;
    noted(&visitor, done).await
}
