//! The fields of a form as they came: pairs of names and texts, bounded, each read by the page that knows it.

use std::collections::BTreeSet;

use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use records::ids::FormId;
use sync_core::document::Heads;
use web::trouble::Trouble;

/// Most fields of a form.
const FIELDS_MAX: usize = 512;
/// Longest content of one field, in characters; longer fields are refused, never cut.
const FIELD_CHARS_MAX: usize = 20_000;

/// The fields of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &S) -> Result<Self, Trouble> {
        // A button without fields sends an empty body, some clients without a type.
        if request.headers().get(header::CONTENT_TYPE).is_none() {
            return Ok(Self::default());
        }
        match Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(Form(pairs)) => Self::of(pairs),
            Err(refusal) if refusal.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Trouble::TooLarge),
            Err(_) => Err(Trouble::Unreadable),
        }
    }
}

impl Fields {
    /// Takes pairs within bounds.
    pub fn of(pairs: Vec<(String, String)>) -> Result<Self, Trouble> {
        if pairs.len() > FIELDS_MAX
            || pairs
                .iter()
                .any(|(_, value)| value.chars().count() > FIELD_CHARS_MAX)
        {
            return Err(Trouble::TooLarge);
        }
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Trouble::Unreadable);
        }
        Ok(Self(pairs))
    }

    /// The content of a field without spaces around it; empty where it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map_or("", |(_, value)| value.trim())
    }

    /// The content of a field with its spaces; empty where it is missing.
    pub fn whole(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// Whether a field was sent with any content.
    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// The contents of all fields of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.trim())
    }

    /// Takes all fields of a name out.
    pub fn take_out(&mut self, name: &str) {
        self.0.retain(|(found, _)| found != name);
    }

    /// Puts a field, in place of all of that name.
    pub fn put(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(found, _)| found != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Adds a field of a name that may stand several times.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The form's id, made when it was opened.
    pub fn form(&self) -> Result<FormId, Trouble> {
        self.get("form").parse().map_err(|_| Trouble::Unreadable)
    }

    /// The heads of the record that the form was filled from.
    pub fn base(&self) -> Result<Option<Heads>, Trouble> {
        let text = self.get("base");
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = hex::decode(text).map_err(|_| Trouble::Unreadable)?;
        Heads::from_bytes(&bytes).map(Some).ok_or(Trouble::Unreadable)
    }

    /// Fields whose rare values the person has confirmed, by the press that sent this form too.
    pub fn confirmed(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.all("confirmed").map(str::to_owned).collect();
        if self.has("confirm") {
            names.extend(self.all("confirming").map(str::to_owned));
        }
        names
    }

    /// What a draft keeps: every field but the marks of the form.
    pub fn content(&self) -> serde_json::Value {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "confirm" | "confirming"));
        kept.map(|(name, value)| serde_json::json!([name, value]))
            .collect()
    }

    /// The fields of a draft.
    pub fn from_content(content: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(content.clone()).ok().map(Self)
    }
}

/// Heads as a form's field carries them.
pub fn heads_text(heads: &Heads) -> String {
    hex::encode(heads.to_bytes())
}

/// A new form's id.
pub fn new_form() -> FormId {
    FormId(rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Result<Fields, Trouble> {
        Fields::of(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn fields_are_read_by_name() {
        let read = fields(&[
            ("a", "1"),
            ("b", " x "),
            ("a", "2"),
            ("confirming", "bp"),
            ("confirm", "yes"),
        ])
        .unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c")), ("1", "x", ""));
        assert_eq!(read.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(read.confirmed().contains("bp"));
        assert!(read.form().is_err() && read.base().unwrap().is_none());
    }

    #[test]
    fn a_question_that_was_not_answered_confirms_nothing() {
        assert!(fields(&[("confirming", "bp")]).unwrap().confirmed().is_empty());
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let many = vec![("a", "1"); FIELDS_MAX + 1];
        assert_eq!(fields(&many), Err(Trouble::TooLarge));
        assert_eq!(
            fields(&[("a", &"x".repeat(FIELD_CHARS_MAX + 1))]),
            Err(Trouble::TooLarge)
        );
        assert_eq!(fields(&[("a", "\0")]), Err(Trouble::Unreadable));
        assert!(fields(&[("base", "xyz")]).unwrap().base().is_err());
    }

    #[test]
    fn heads_come_back_from_their_field() {
        let heads = Heads::new([[7; 32], [1; 32]]);
        assert_eq!(
            fields(&[("base", &heads_text(&heads))]).unwrap().base().unwrap(),
            Some(heads)
        );
    }

    #[test]
    fn a_draft_gives_back_what_was_typed() {
        let typed = fields(&[
            ("note", "头痛\n三天"),
            ("dx", "a"),
            ("dx", "b"),
            ("confirm", "yes"),
        ])
        .unwrap();
        let again = Fields::from_content(&typed.content()).unwrap();
        assert_eq!(again.get("note"), "头痛\n三天");
        assert_eq!(again.all("dx").count(), 2);
        assert!(!again.has("confirm"));
        assert!(Fields::from_content(&serde_json::json!({"a": 1})).is_none());
    }
}
