//! What stands in a chart for long, to be changed: allergies, problems, medication. Facts are added, and refuted,
//! ended or stopped by a named person with a reason; nothing is deleted.

use maud::{Markup, html};
use records::ids::{EntryId, FormId};
use records::patients::{Act, AllergyState, Chart, ChartCommand, NewAllergy};
use records::tables::{code_list, icd10};

use super::shelf::Names;
use crate::checks::{Checked, label};
use crate::fields::Fields;
use crate::forms::{Form, Input, Pick};
use crate::icons::Icon;
use crate::panels::{Class, panel};
use crate::texts::Lang;
use crate::trouble::Trouble;
use crate::words;

/// Diagnoses that are offered.
const HITS: usize = 8;

/// Which form of the page was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An allergy, or that there is none.
    Allergy,
    /// A problem.
    Problem,
    /// A medicine.
    Drug,
}

impl Part {
    /// The place of the form on the page.
    pub fn anchor(self) -> &'static str {
        match self {
            Self::Allergy => "allergies",
            Self::Problem => "problems",
            Self::Drug => "drugs",
        }
    }
}

/// The forms of one chart.
pub struct ChartForms<'a> {
    /// Language.
    pub lang: Lang,
    /// The chart.
    pub chart: &'a Chart,
    /// Address of the person's page; the forms are sent to `/chart/PART` below it.
    pub path: &'a str,
    /// Heads of the chart as its forms carry them.
    pub base: &'a str,
    /// Makes the id of a form.
    pub form: &'a dyn Fn() -> FormId,
    /// Who wrote what.
    pub names: &'a Names,
    /// Whether the reader may refute an allergy.
    pub may_refute: bool,
}

/// The fields with which the page is opened: a problem that is looked for (`q`), or one that was chosen (`code`).
pub fn opened(lang: Lang, q: &str, code: &str) -> Fields {
    let mut fields = Fields::default();
    fields.put("q", q);
    if let Some(line) = icd10().by_code(code) {
        let name = if lang == Lang::Zh { &line.zh } else { &line.en };
        fields.put("problem", name.clone());
        fields.put("code", line.code_cn.clone());
    }
    fields
}

/// Reads what one of the forms asks for; `part` is the end of the address that it was sent to.
pub fn wanted(part: &str, fields: &Fields) -> Result<(ChartCommand, Part), Trouble> {
    let text = |name: &str| fields.get(name).to_owned();
    let entry = fields
        .get("entry")
        .parse::<EntryId>()
        .map_err(|_| Trouble::Unreadable);
    Ok(match part {
        "allergy" => {
            let allergy = NewAllergy {
                agent: text("allergy_agent"),
                reaction: text("allergy_reaction"),
                severity: String::new(),
            };
            (ChartCommand::AddAllergy(allergy), Part::Allergy)
        }
        "no-allergies" => (ChartCommand::SetNoKnownAllergy, Part::Allergy),
        "refute" => (
            ChartCommand::RefuteAllergy {
                id: entry?,
                reason: text("reason"),
            },
            Part::Allergy,
        ),
        "problem" => {
            let code = if is_of_code(fields) {
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
        _ => return Err(Trouble::NotFound),
    })
}

/// A code from the table counts only while the name is the table's: a name that was typed over it has none.
fn is_of_code(fields: &Fields) -> bool {
    let line = icd10().by_code(fields.get("code"));
    line.is_some_and(|line| line.zh == fields.get("problem") || line.en == fields.get("problem"))
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

fn options(lang: Lang, list: &str) -> Vec<(String, String)> {
    code_list(list)
        .map(|line| (line.code.clone(), words::code(lang, list, &line.code)))
        .collect()
}

impl ChartForms<'_> {
    /// Draws the forms. `sent` is the one whose content was refused, with its fields and what is wrong; on a page
    /// that is opened the fields may name a problem.
    pub fn markup(&self, sent: Option<Part>, fields: &Fields, checked: &Checked) -> Markup {
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
        html! {
            (self.allergies(of(Part::Allergy)))
            (self.problems((problem_fields, of(Part::Problem).1)))
            (self.drugs(of(Part::Drug)))
        }
    }

    /// The frame of one of the page's forms.
    fn around(&self, part: &str, submit: &str, checked: &Checked, inner: &Markup) -> Markup {
        let action = format!("{}/chart/{part}", self.path);
        let form = Form {
            action: &action,
            id: Some((self.form)().to_string()),
            base: Some(self.base.to_owned()),
            faults: Some(&checked.faults),
            doubts: &checked.doubts,
            confirmed: &checked.confirmed,
            submit,
            ..Form::default()
        };
        html! { div.short-form { (form.around(self.lang, inner, &html! {})) } }
    }

    /// A form that ends one entry, with its reason.
    fn ending(&self, part: &str, id: EntryId, button: &str) -> Markup {
        let lang = self.lang;
        let field = format!("reason-{id}");
        html! {
            details.ending {
                summary { (button) }
                form.form method="post" action={ (self.path) "/chart/" (part) } {
                    input type="hidden" name="form" value=((self.form)());
                    input type="hidden" name="base" value=(self.base);
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

    fn allergies(&self, (fields, checked): (&Fields, &Checked)) -> Markup {
        let lang = self.lang;
        let (agent, reaction) = (label(lang, "allergy_agent"), label(lang, "allergy_reaction"));
        let submit = lang.t("allergy-add");
        let inner = html! {
            div.pair {
                (Input::text("allergy_agent", &agent).value(fields.get("allergy_agent")).markup(lang, &checked.faults))
                (Input::text("allergy_reaction", &reaction).value(fields.get("allergy_reaction")).optional().markup(lang, &checked.faults))
            }
        };
        let chart = self.chart;
        html! {
            section.card.stack #allergies {
                h2 { (lang.t("allergies-title")) }
                @match &chart.allergies {
                    AllergyState::Known(known) => ul.facts { @for allergy in known { li {
                        strong { (allergy.agent) } " " span.quiet { (allergy.reaction) }
                        @if self.may_refute { (self.ending("refute", allergy.id, &lang.t("allergy-refute"))) }
                    } } },
                    AllergyState::NoneKnown => p { (lang.t("allergies-none")) },
                    AllergyState::NotAsked => {
                        p { span.tag.tag-warn { (lang.t("allergies-not-asked")) } }
                        form method="post" action={ (self.path) "/chart/no-allergies" } {
                            input type="hidden" name="form" value=((self.form)());
                            input type="hidden" name="base" value=(self.base);
                            button.button type="submit" { (Icon::Check.svg()) (lang.t("allergy-none-known")) }
                        }
                    },
                    AllergyState::Unreadable => (panel(lang, Class::Warning, &lang.t("allergies-unreadable"), &html! { p { (lang.t("allergies-unreadable-do")) } })),
                }
                @if !chart.refuted_allergies.is_empty() {
                    ul.facts { @for allergy in &chart.refuted_allergies { li {
                        s { (allergy.agent) } @if let Some(act) = &allergy.refuted { " " span.quiet.small { (lang.t("allergy-refuted-by")) " " (act_words(lang, self.names, act)) } }
                    } } }
                }
                (self.around("allergy", &submit, checked, &inner))
            }
        }
    }

    fn problems(&self, (fields, checked): (&Fields, &Checked)) -> Markup {
        let lang = self.lang;
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
                @if self.chart.problems.is_empty() { p.empty { (lang.t("nothing-noted")) } }
                ul.facts { @for one in &self.chart.problems { li {
                    @match &one.ended {
                        Some(act) => { s { (one.name) } " " span.quiet.small { (lang.t("problem-ended")) " " (act_words(lang, self.names, act)) } },
                        None => {
                            strong { (one.name) } " " span.quiet { (one.code) " " (one.onset) }
                            (self.ending("end-problem", one.id, &lang.t("problem-end")))
                        },
                    }
                } } }
                form.search method="get" action={ (self.path) "/chart#problems" } role="search" {
                    label.only-read for="problem-q" { (find) }
                    input #problem-q name="q" type="text" value=(fields.get("q")) placeholder=(find) autocomplete="off" maxlength="64";
                    button.button type="submit" { (Icon::Search.svg()) (lang.t("search-go")) }
                }
                @if !found.is_empty() {
                    ul.lines { @for line in found { li { a.line-row href={ (self.path) "/chart?code=" (line.code_cn) "#problems" } {
                        span.line-main { span { (if lang == Lang::Zh { &line.zh } else { &line.en }) } span.line-sub { (line.code_cn) } }
                    } } } }
                }
                (self.around("problem", &submit, checked, &inner))
            }
        }
    }

    fn drugs(&self, (fields, checked): (&Fields, &Checked)) -> Markup {
        let lang = self.lang;
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
                @if self.chart.medications.is_empty() { p.empty { (lang.t("nothing-noted")) } }
                ul.facts { @for one in &self.chart.medications { li {
                    @match &one.stopped {
                        Some(act) => { s { (one.drug) " " (one.spec) } " " span.quiet.small { (lang.t("drug-stopped")) " " (act_words(lang, self.names, act)) } },
                        None => {
                            (crate::patients::drug_line(lang, &words::drug_line(lang, one)))
                            (self.ending("stop-drug", one.id, &lang.t("drug-stop")))
                        },
                    }
                } } }
                (self.around("drug", &submit, checked, &inner))
            }
        }
    }
}
