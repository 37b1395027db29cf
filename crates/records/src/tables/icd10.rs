//! Diagnoses that a township or village clinic makes often (ICD-10 and its Chinese extension).

use std::sync::OnceLock;

use super::{cell, rows};
use crate::text::fold_search;

/// One diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcdLine {
    /// Code of the WHO's edition, 3 or 4 characters.
    pub code_who: String,
    /// Code of the Chinese extension, 6 characters.
    pub code_cn: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// Initials of the Chinese name, lower case.
    pub initials: String,
    /// Public-health programme that it belongs to; empty for none.
    pub program: String,
    /// Class of a notifiable disease; empty for others.
    pub notifiable_class: String,
}

/// The table of diagnoses.
#[derive(Debug)]
pub struct Icd10 {
    lines: Vec<IcdLine>,
}

/// The table of diagnoses.
pub fn icd10() -> &'static Icd10 {
    static TABLE: OnceLock<Icd10> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = rows(include_str!("../../tables/icd10_common.csv"));
        let read = |line: Vec<String>| IcdLine {
            code_who: cell(&line, 0),
            code_cn: cell(&line, 1),
            zh: cell(&line, 2),
            en: cell(&line, 3),
            initials: cell(&line, 4).to_lowercase(),
            program: cell(&line, 6),
            notifiable_class: cell(&line, 7),
        };
        Icd10 {
            lines: lines.into_iter().map(read).collect(),
        }
    })
}

impl Icd10 {
    /// Every line, in the order of the table: the most frequent first.
    pub fn lines(&self) -> &[IcdLine] {
        &self.lines
    }

    /// The line with this code of either edition.
    pub fn by_code(&self, code: &str) -> Option<&IcdLine> {
        self.lines
            .iter()
            .find(|line| line.code_cn.eq_ignore_ascii_case(code) || line.code_who.eq_ignore_ascii_case(code))
    }

    /// At most `limit` lines that fit what was typed: initials, a part of the name, or a code. Those whose initials
    /// or code begin with it come first, then those that contain it.
    pub fn search(&self, typed: &str, limit: usize) -> Vec<&IcdLine> {
        let wanted = fold_search(typed);
        if wanted.is_empty() {
            return Vec::new();
        }
        let rank = |line: &IcdLine| {
            let (who, cn) = (line.code_who.to_lowercase(), line.code_cn.to_lowercase());
            let (zh, en) = (fold_search(&line.zh), fold_search(&line.en));
            if line.initials == wanted || who == wanted || cn == wanted || zh == wanted {
                Some(0)
            } else if line.initials.starts_with(&wanted)
                || who.starts_with(&wanted)
                || cn.starts_with(&wanted)
            {
                Some(1)
            } else if zh.starts_with(&wanted) {
                Some(2)
            } else if zh.contains(&wanted) || line.initials.contains(&wanted) || en.contains(&wanted) {
                Some(3)
            } else {
                None
            }
        };
        let mut found: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| Some((rank(line)?, line)))
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().take(limit).map(|(_, line)| line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_is_found_by_initials_name_and_code() {
        for typed in ["mxzqgy", "慢性支气管", "J42", "ｊ４２", "Chronic bronchitis"] {
            let found = icd10().search(typed, 5);
            assert!(found.iter().any(|line| line.code_who == "J42"), "{typed}");
        }
        assert_eq!(icd10().search("jxyy", 5)[0].code_who, "J02.9");
        assert!(icd10().search("", 5).is_empty());
        assert_eq!(icd10().search("m", 3).len(), 3);
        assert_eq!(icd10().by_code("j42.x00").unwrap().code_who, "J42");
        assert_eq!(icd10().lines().len(), 114);
    }
}
