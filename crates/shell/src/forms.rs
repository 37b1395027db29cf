//! Marks that forms carry: an id made when the form is opened, and the heads that it was filled from.

use records::ids::FormId;
use sync_core::document::Heads;

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
    use web::fields::Fields;

    use super::*;

    #[test]
    fn heads_come_back_from_their_field() {
        let heads = Heads::new([[7; 32], [1; 32]]);
        let fields = Fields::of(vec![("base".to_owned(), heads_text(&heads))]).unwrap();
        assert_eq!(fields.base::<Heads>().unwrap(), Some(heads));
    }
}
