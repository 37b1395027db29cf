//! What is wrong with a field of a form, as data. The sentence for people is the page's business.

/// Why the content of a field cannot be taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The field must not be empty.
    Missing,
    /// More characters than the field holds.
    TooLong,
    /// Not a number of the expected form.
    NotANumber,
    /// Not a date that exists.
    NotADate,
    /// A date after today.
    InFuture,
    /// A number that the quantity cannot have in a living person.
    Impossible,
    /// A code that is in no list.
    UnknownCode,
    /// Two fields contradict each other.
    Contradiction,
    /// Possible, but so rare that it is asked once.
    Unusual,
    /// An ID number whose check fails; it can be kept as unverified.
    Unverified,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::TooLong,
        Self::NotANumber,
        Self::NotADate,
        Self::InFuture,
        Self::Impossible,
        Self::UnknownCode,
        Self::Contradiction,
        Self::Unusual,
        Self::Unverified,
    ];

    /// The word by which pages find their sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::NotANumber => "not_a_number",
            Self::NotADate => "not_a_date",
            Self::InFuture => "in_future",
            Self::Impossible => "impossible",
            Self::UnknownCode => "unknown_code",
            Self::Contradiction => "contradiction",
            Self::Unusual => "unusual",
            Self::Unverified => "unverified",
        }
    }

    /// Whether the fault only asks: once confirmed, the value is kept.
    pub fn is_soft(self) -> bool {
        matches!(self, Self::Unusual | Self::Unverified | Self::Contradiction)
    }
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldFault {
    /// Name of the field, as the form and the documents have it.
    pub field: &'static str,
    /// What is wrong.
    pub kind: FaultKind,
}

impl FieldFault {
    /// A fault of a field.
    pub fn new(field: &'static str, kind: FaultKind) -> Self {
        Self { field, kind }
    }
}

/// Whether any of these faults refuses the form; soft ones only ask.
pub fn any_hard(faults: &[FieldFault]) -> bool {
    faults.iter().any(|fault| !fault.kind.is_soft())
}

pub(crate) fn too_long(field: &'static str, text: &str, most: usize, faults: &mut Vec<FieldFault>) {
    if text.chars().count() > most {
        faults.push(FieldFault::new(field, FaultKind::TooLong));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique() {
        let mut words: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), FaultKind::ALL.len());
    }

    #[test]
    fn soft_faults_alone_do_not_refuse() {
        assert!(!any_hard(&[FieldFault::new("systolic", FaultKind::Unusual)]));
        assert!(any_hard(&[FieldFault::new("systolic", FaultKind::Impossible)]));
    }
}
