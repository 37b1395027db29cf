//! What stands in a chart for long: allergies, problems, medication. Facts are added, and refuted, ended or stopped
//! by a named person with a reason; nothing is deleted.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use records::ids::EntryId;
use records::patients::{Act, AllergyState, ChartCommand, NewAllergy};
use records::staff::Action;
use records::tables::{code_list, icd10};
use serde::Deserialize;
use store::AuditAct;
use web::forms::{Form, Input, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;
use web::words;

use crate::errors::Page as Answer;
use crate::pages::faults::{Checked, label};
use crate::pages::fields::{Fields, heads_text, new_form};
use crate::pages::person::Person;
use crate::pages::readings::Names;
use crate::pages::visitor::{Visitor, go_to};

/// Diagnoses that are offered.
const HITS: usize = 8;

/// Which form of the page was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Allergy,
    Problem,
    Drug,
}

/// What is asked of the page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Problem that is looked for in the table of diagnoses.
    #[serde(default)]
    q: String,
    /// Problem that was chosen there.
    #[serde(default)]
    code: String,
}

/// `GET /patients/{id}/chart`.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let mut fields = Fields::default();
    fields.put("q", asked.q.clone());
    if let Some(line) = icd10().by_code(&asked.code) {
        let name = if visitor.lang == Lang::Zh {
            &line.zh
        } else {
            &line.en
        };
        fields.put("problem", name.clone());
        fields.put("code", line.code_cn.clone());
    }
    visitor
        .page(&draw(&visitor, &person, None, &fields, &Checked::default()).await?)
        .await
}

async fn draw(
    visitor: &Visitor,
    person: &Person,
    sent: Option<Part>,
    fields: &Fields,
    checked: &Checked,
) -> Answer<Page> {
    let lang = visitor.lang;
    let title = lang.t("chart-title");
    let names = Names::of(&visitor.state.store.staff().await?);
    let none = (Fields::default(), Checked::default());
    let of = |part: Part| {
        if sent == Some(part) {
            (fields, checked)
        } else {
            (&none.0, &none.1)
        }
    };
    let problem_fields = if sent.is_none() {
        fields
    } else {
        of(Part::Problem).0
    };
    let body = html! {
        (heading(&title, &html! { a.button href=(person.href()) { (lang.t("back-to-patient")) } }))
        div.narrow.stack {
            (allergies(visitor, person, &names, of(Part::Allergy)))
            (problems(visitor, person, &names, (problem_fields, of(Part::Problem).1)))
            (drugs(visitor, person, &names, of(Part::Drug)))
        }
    };
    Ok(Page::new(title.clone(), body).about(person.banner(visitor, false)))
}

/// The frame of one of the page's forms.
fn around(
    person: &Person,
    part: &str,
    lang: Lang,
    submit: &str,
    checked: &Checked,
    inner: &Markup,
) -> Markup {
    let action = format!("{}/chart/{part}", person.href());
    let form = Form {
        action: &action,
        id: Some(new_form().to_string()),
        base: Some(heads_text(&person.heads)),
        faults: Some(&checked.faults),
        doubts: &checked.doubts,
        confirmed: &checked.confirmed,
        submit,
        ..Form::default()
    };
    form.around(lang, inner, &html! {})
}

/// A form that ends one entry, with its reason.
fn ending(person: &Person, part: &str, id: EntryId, lang: Lang, button: &str) -> Markup {
    let field = format!("reason-{id}");
    html! {
        details.ending {
            summary { (button) }
            form.form method="post" action={ (person.href()) "/chart/" (part) } {
                input type="hidden" name="form" value=(new_form());
                input type="hidden" name="base" value=(heads_text(&person.heads));
                input type="hidden" name="entry" value=(id);
                div.field {
                    label for=(field) { (lang.t("field-reason")) }
                    input id=(field) name="reason" type="text" autocomplete="off" maxlength="200";
                }
                button.button.button-danger type="submit" { (button) }
            }
        }
    }
}

/// Who did something, why and when.
fn act_words(lang: Lang, names: &Names, act: &Act) -> String {
    let who = act.by.map(|by| names.get(lang, by)).unwrap_or_default();
    let when = act
        .at
        .map(|at| at.at.china_date().to_string())
        .unwrap_or_default();
    let words = [who, when, act.reason.clone()];
    words
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

fn allergies(
    visitor: &Visitor,
    person: &Person,
    names: &Names,
    (fields, checked): (&Fields, &Checked),
) -> Markup {
    let lang = visitor.lang;
    let (agent, reaction) = (label(lang, "allergy_agent"), label(lang, "allergy_reaction"));
    let submit = lang.t("allergy-add");
    let inner = html! {
        div.pair {
            (Input::text("allergy_agent", &agent).value(fields.get("allergy_agent")).markup(lang, &checked.faults))
            (Input::text("allergy_reaction", &reaction).value(fields.get("allergy_reaction")).optional().markup(lang, &checked.faults))
        }
    };
    let chart = &person.chart;
    html! {
        section.card.stack #allergies {
            h2 { (lang.t("allergies-title")) }
            @match &chart.allergies {
                AllergyState::Known(known) => ul.facts { @for allergy in known { li {
                    strong { (allergy.agent) } " " span.quiet { (allergy.reaction) }
                    @if visitor.may(Action::RefuteAllergy) { (ending(person, "refute", allergy.id, lang, &lang.t("allergy-refute"))) }
                } } },
                AllergyState::NoneKnown => p { (lang.t("allergies-none")) },
                AllergyState::NotAsked => {
                    p { span.tag.tag-warn { (lang.t("allergies-not-asked")) } }
                    form method="post" action={ (person.href()) "/chart/no-allergies" } {
                        input type="hidden" name="form" value=(new_form());
                        input type="hidden" name="base" value=(heads_text(&person.heads));
                        button.button type="submit" { (Icon::Check.svg()) (lang.t("allergy-none-known")) }
                    }
                },
                AllergyState::Unreadable => (panel(lang, Class::Warning, &lang.t("allergies-unreadable"), &html! { p { (lang.t("allergies-unreadable-do")) } })),
            }
            @if !chart.refuted_allergies.is_empty() {
                ul.facts { @for allergy in &chart.refuted_allergies { li {
                    s { (allergy.agent) } @if let Some(act) = &allergy.refuted { " " span.quiet.small { (lang.t("allergy-refuted-by")) " " (act_words(lang, names, act)) } }
                } } }
            }
            (around(person, "allergy", lang, &submit, checked, &inner))
        }
    }
}

fn problems(
    visitor: &Visitor,
    person: &Person,
    names: &Names,
    (fields, checked): (&Fields, &Checked),
) -> Markup {
    let lang = visitor.lang;
    let (problem, onset, find) = (
        label(lang, "problem"),
        label(lang, "onset"),
        lang.t("problem-find"),
    );
    let submit = lang.t("problem-add");
    let found = if fields.has("q") {
        icd10().search(fields.get("q"), HITS)
    } else {
        Vec::new()
    };
    let inner = html! {
        input type="hidden" name="code" value=(fields.get("code"));
        div.pair {
            (Input::text("problem", &problem).value(fields.get("problem")).markup(lang, &checked.faults))
            (Input::text("onset", &onset).value(fields.get("onset")).optional().markup(lang, &checked.faults))
        }
    };
    html! {
        section.card.stack #problems {
            h2 { (lang.t("problems-title")) }
            @if person.chart.problems.is_empty() { p.empty { (lang.t("nothing-noted")) } }
            ul.facts { @for one in &person.chart.problems { li {
                @match &one.ended {
                    Some(act) => { s { (one.name) } " " span.quiet.small { (lang.t("problem-ended")) " " (act_words(lang, names, act)) } },
                    None => {
                        strong { (one.name) } " " span.quiet { (one.code) " " (one.onset) }
                        (ending(person, "end-problem", one.id, lang, &lang.t("problem-end")))
                    },
                }
            } } }
            form.search method="get" action={ (person.href()) "/chart#problems" } role="search" {
                label.only-read for="problem-q" { (find) }
                input #problem-q name="q" type="text" value=(fields.get("q")) placeholder=(find) autocomplete="off" maxlength="64";
                button.button type="submit" { (Icon::Search.svg()) (lang.t("search-go")) }
            }
            @if !found.is_empty() {
                ul.facts { @for line in found { li { a href={ (person.href()) "/chart?code=" (line.code_cn) "#problems" } {
                    (if lang == Lang::Zh { &line.zh } else { &line.en }) " " span.quiet { (line.code_cn) }
                } } } }
            }
            (around(person, "problem", lang, &submit, checked, &inner))
        }
    }
}

fn options(lang: Lang, list: &str) -> Vec<(String, String)> {
    code_list(list)
        .map(|line| (line.code.clone(), words::code(lang, list, &line.code)))
        .collect()
}

fn drugs(
    visitor: &Visitor,
    person: &Person,
    names: &Names,
    (fields, checked): (&Fields, &Checked),
) -> Markup {
    let lang = visitor.lang;
    let [drug, spec, dose, route, freq, since] =
        ["drug", "spec", "dose", "route", "freq", "since"].map(|field| label(lang, field));
    let submit = lang.t("drug-add");
    let faults = &checked.faults;
    let chosen = |name: &'static str| Some(fields.get(name)).filter(|value| !value.is_empty());
    let inner = html! {
        div.pair {
            (Input::text("drug", &drug).value(fields.get("drug")).markup(lang, faults))
            (Input::text("spec", &spec).value(fields.get("spec")).optional().markup(lang, faults))
        }
        div.pair {
            (Input::text("dose", &dose).value(fields.get("dose")).optional().markup(lang, faults))
            (Pick::new("route", &route, options(lang, "route")).chosen(chosen("route")).optional().markup(lang, faults))
            (Pick::new("freq", &freq, options(lang, "freq")).chosen(chosen("freq")).optional().markup(lang, faults))
            (Input::text("since", &since).value(fields.get("since")).optional().markup(lang, faults))
        }
    };
    html! {
        section.card.stack #drugs {
            h2 { (lang.t("drugs-title")) }
            @if person.chart.medications.is_empty() { p.empty { (lang.t("nothing-noted")) } }
            ul.facts { @for one in &person.chart.medications { li {
                @match &one.stopped {
                    Some(act) => { s { (one.drug) " " (one.spec) } " " span.quiet.small { (lang.t("drug-stopped")) " " (act_words(lang, names, act)) } },
                    None => {
                        (web::patients::drug_line(lang, &words::drug_line(lang, one)))
                        (ending(person, "stop-drug", one.id, lang, &lang.t("drug-stop")))
                    },
                }
            } } }
            (around(person, "drug", lang, &submit, checked, &inner))
        }
    }
}

/// `POST /patients/{id}/chart/{part}`.
pub async fn change(
    visitor: Visitor,
    Path((id, part)): Path<(String, String)>,
    fields: Fields,
) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let text = |name: &str| fields.get(name).to_owned();
    let entry = fields
        .get("entry")
        .parse::<EntryId>()
        .map_err(|_| Trouble::Unreadable);
    let (command, sent) = match part.as_str() {
        "allergy" => {
            let allergy = NewAllergy {
                agent: text("allergy_agent"),
                reaction: text("allergy_reaction"),
                severity: String::new(),
            };
            (ChartCommand::AddAllergy(allergy), Part::Allergy)
        }
        "no-allergies" => (ChartCommand::SetNoKnownAllergy, Part::Allergy),
        "refute" => {
            visitor.require(Action::RefuteAllergy)?;
            (
                ChartCommand::RefuteAllergy {
                    id: entry?,
                    reason: text("reason"),
                },
                Part::Allergy,
            )
        }
        "problem" => {
            let code = if is_of_code(&fields) {
                text("code")
            } else {
                String::new()
            };
            (
                ChartCommand::AddProblem {
                    code,
                    name: text("problem"),
                    onset: text("onset"),
                },
                Part::Problem,
            )
        }
        "end-problem" => (
            ChartCommand::EndProblem {
                id: entry?,
                reason: text("reason"),
            },
            Part::Problem,
        ),
        "drug" => {
            let command = ChartCommand::AddMedication {
                drug: text("drug"),
                spec: text("spec"),
                dose: text("dose"),
                route: text("route"),
                freq: text("freq"),
                since: text("since"),
            };
            (command, Part::Drug)
        }
        "stop-drug" => (
            ChartCommand::StopMedication {
                id: entry?,
                reason: text("reason"),
            },
            Part::Drug,
        ),
        _ => return Err(Trouble::NotFound.into()),
    };
    let form = fields.form()?;
    if visitor.state.store.form_applied(form).await? {
        return go_to(&anchor(&person, sent));
    }
    match command.edits(
        &person.chart,
        visitor.person.staff,
        visitor.now(),
        &mut rand::random,
    ) {
        Ok(edits) => {
            person
                .write(&visitor, AuditAct::ChartChange, edits, &fields)
                .await?;
            go_to(&anchor(&person, sent))
        }
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            visitor
                .refused(draw(&visitor, &person, Some(sent), &fields, &checked).await?)
                .await
        }
    }
}

/// A code from the table counts only while the name is the table's: a name that was typed over it has none.
fn is_of_code(fields: &Fields) -> bool {
    let line = icd10().by_code(fields.get("code"));
    line.is_some_and(|line| line.zh == fields.get("problem") || line.en == fields.get("problem"))
}

fn anchor(person: &Person, part: Part) -> String {
    let place = match part {
        Part::Allergy => "allergies",
        Part::Problem => "problems",
        Part::Drug => "drugs",
    };
    format!("{}/chart#{place}", person.href())
}
