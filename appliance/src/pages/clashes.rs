//! Two records of one fact: shown as a clinical question, both kept until a named person chooses.

use axum::extract::Path;
use axum::response::Response;
use maud::Markup;
use records::conflicts::Clash;
use records::patients::{ChartCommand, Sex};
use records::staff::Action;
use records::tree::Scalar;
use store::AuditAct;
use web::panels;
use web::texts::Lang;

use crate::errors::Page as Answer;
use crate::pages::faults::label;
use crate::pages::fields::{Fields, heads_text, new_form};
use crate::pages::person::{Person, sex_word};
use crate::pages::visitor::{Visitor, go_to};

/// The questions about a chart.
pub fn panels(visitor: &Visitor, person: &Person) -> Vec<Markup> {
    if !visitor.may(Action::ResolveClash) {
        return Vec::new();
    }
    questions(
        visitor.lang,
        &person.chart.clashes,
        &format!("{}/clash", person.href()),
    )
}

/// The questions about these clashes, answered at an address.
pub fn questions(lang: Lang, clashes: &[Clash], action: &str) -> Vec<Markup> {
    let asked = clashes.iter().filter(|clash| clash.policy.needs_choice());
    asked
        .map(|clash| {
            let values: Vec<_> = clash
                .values
                .iter()
                .map(|value| (key(value), shown(lang, clash, value)))
                .collect();
            panels::clash(lang, &what(lang, clash), action, &clash.path.join("/"), &values)
        })
        .collect()
}

/// What a clash is about: the field, and for a field inside an entry the entry's kind.
fn what(lang: Lang, clash: &Clash) -> String {
    let field = clash.path.last().map(String::as_str).unwrap_or_default();
    label(lang, field)
}

fn shown(lang: Lang, clash: &Clash, value: &Scalar) -> String {
    let sex = clash.path.last().is_some_and(|field| field == "sex");
    match value {
        Scalar::Text(text) if sex => {
            Sex::from_word(text).map_or_else(|| text.clone(), |sex| sex_word(lang, sex))
        }
        Scalar::Text(text) if text.is_empty() => lang.t("clash-empty"),
        Scalar::Text(text) => text.clone(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(true) => lang.t("yes"),
        Scalar::Bool(false) => lang.t("no"),
        Scalar::Null => lang.t("clash-empty"),
        Scalar::Bytes(_) => lang.t("reading-not-read"),
    }
}

/// A value by which the form names it: the values of a field may be long, and lists move.
fn key(value: &Scalar) -> String {
    let hash = sync_core::blobs::blob_id(format!("{value:?}").as_bytes()).to_string();
    hash.chars().take(24).collect()
}

/// The clash and the value that a form chose; `None` where somebody has settled it.
pub fn chosen<'a>(clashes: &'a [Clash], fields: &Fields) -> Option<(&'a Clash, &'a Scalar)> {
    let clash = clashes
        .iter()
        .find(|clash| clash.path.join("/") == fields.get("field"))?;
    let value = clash
        .values
        .iter()
        .find(|value| key(value) == fields.get("choose"))?;
    Some((clash, value))
}

/// `POST /patients/{id}/clash`.
pub async fn choose(visitor: Visitor, Path(id): Path<String>, mut fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    if let Some((clash, value)) = chosen(&person.chart.clashes, &fields) {
        let command = ChartCommand::ResolveClash {
            path: clash.path.clone(),
            chosen: value.clone(),
        };
        let edits = command.edits(
            &person.chart,
            visitor.person.staff,
            visitor.now(),
            &mut rand::random,
        );
        fields.put("form", new_form().to_string());
        // The choice is about the values that were seen: one that arrives meanwhile clashes anew.
        fields.put("base", heads_text(&person.heads));
        if let Ok(edits) = edits {
            person
                .write(&visitor, AuditAct::ClashResolve, edits, &fields)
                .await?;
        }
    }
    go_to(&person.href())
}

#[cfg(test)]
mod tests {
    use records::conflicts::Policy;

    use super::*;

    #[test]
    fn a_choice_names_a_value_and_a_settled_clash_is_none() {
        let clash = Clash {
            path: vec!["person".into(), "name".into()],
            values: vec![Scalar::from("王秀英"), Scalar::from("王秀瑛")],
            policy: Policy::Block,
        };
        let clashes = [clash];
        let fields = |choose: &str| {
            Fields::of(vec![
                ("field".into(), "person/name".into()),
                ("choose".into(), choose.into()),
            ])
            .unwrap()
        };
        let wanted = key(&Scalar::from("王秀瑛"));
        assert_eq!(
            chosen(&clashes, &fields(&wanted)).map(|(_, value)| value),
            Some(&Scalar::from("王秀瑛"))
        );
        assert!(chosen(&clashes, &fields("other")).is_none());
        assert!(chosen(&[], &fields(&wanted)).is_none());
        let drawn = questions(Lang::Zh, &clashes, "/x").pop().unwrap().into_string();
        assert!(drawn.contains("王秀英") && drawn.contains("王秀瑛") && drawn.contains("以哪个为准"));
    }
}
