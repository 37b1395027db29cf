//! Patients: who they are, what is dangerous for them, what they have had for long.

mod allergies;
mod chart;
mod commands;
mod registration;

pub use allergies::{Allergy, AllergyBadge, AllergyState, NewAllergy};
pub use chart::{
    Act, Address, Blood, Chart, Deceased, Household, ImportSource, Insurance, Medication, PatientLine,
    Problem,
};
pub use commands::ChartCommand;
pub use registration::{AllergyAnswer, NewPatient};

/// Longest name, in characters (WS 363, DE02.01.039.00).
pub const NAME_CHARS_MAX: usize = 50;
/// Longest other field of a person, in characters.
pub const FIELD_CHARS_MAX: usize = 200;
/// Earliest birth date that is taken.
pub const BIRTH_YEAR_MIN: i16 = 1880;

/// The sex of a person (GB/T 2261.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Sex {
    /// 男.
    Male,
    /// 女.
    Female,
    /// Unknown or not stated.
    #[default]
    Unknown,
}

impl Sex {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Male, Self::Female, Self::Unknown];

    /// The word in documents and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Unknown => "unknown",
        }
    }

    /// The sex with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sex| sex.word() == word)
    }

    /// The code of GB/T 2261.1.
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
            Self::Unknown => "0",
        }
    }

    /// The character on forms and in lists of other programs; empty for unknown.
    pub(crate) fn written(self) -> &'static str {
        match self {
            Self::Male => "男",
            Self::Female => "女",
            Self::Unknown => "",
        }
    }
}

#[cfg(test)]
mod tests;
