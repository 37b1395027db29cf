//! Two records of one fact: shown as a clinical question, both kept until a named person chooses.

use axum::extract::Path;
use axum::response::Response;
use maud::Markup;
use records::patients::ChartCommand;
use records::staff::Action;
use shell::errors::Page as Answer;
use shell::forms::{heads_text, new_form};
use shell::person::Person;
use store::AuditAct;
use web::fields::Fields;
use web::people::clashes::{chosen, questions};

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
