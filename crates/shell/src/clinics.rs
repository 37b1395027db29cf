//! Names of clinics, for records that were written at another one.

use std::collections::HashMap;

use records::ids::ClinicCode;

/// The clinics as far as a station knows them.
#[derive(Debug, Clone, Default)]
pub struct ClinicNames {
    /// The clinic where the screen stands; none at the county.
    pub here: Option<ClinicCode>,
    /// What clinics are called.
    pub names: HashMap<ClinicCode, String>,
}

impl ClinicNames {
    /// The name of a clinic; its code where its name is not known.
    pub fn get(&self, code: &ClinicCode) -> String {
        self.names.get(code).cloned().unwrap_or_else(|| code.to_string())
    }

    /// The name of a clinic that is not the one here.
    pub fn elsewhere(&self, clinic: Option<&ClinicCode>) -> Option<String> {
        clinic
            .filter(|code| self.here.as_ref() != Some(*code))
            .map(|code| self.get(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_clinic_is_not_named_and_an_unknown_one_is_by_its_code() {
        let code = |text: &str| -> ClinicCode { text.parse().unwrap() };
        let names = ClinicNames {
            here: Some(code("0017")),
            names: HashMap::from([(code("0018"), "柳树村".to_owned())]),
        };
        assert_eq!(names.elsewhere(Some(&code("0017"))), None);
        assert_eq!(names.elsewhere(Some(&code("0018"))).as_deref(), Some("柳树村"));
        assert_eq!(names.elsewhere(Some(&code("0019"))).as_deref(), Some("0019"));
        assert_eq!(names.elsewhere(None), None);
    }
}
