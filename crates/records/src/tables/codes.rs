//! Code lists, ethnic groups and regions.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{cell, rows};

/// One code of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLine {
    /// The list it belongs to.
    pub list: String,
    /// The standard that numbers it.
    pub standard: String,
    /// The code.
    pub code: String,
    /// Chinese label.
    pub zh: String,
    /// English label.
    pub en: String,
}

/// Every code list, in the order of the table.
pub fn code_lists() -> &'static [CodeLine] {
    static LINES: OnceLock<Vec<CodeLine>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/code_lists.csv"));
        let read = |line: Vec<String>| CodeLine {
            list: cell(&line, 0),
            standard: cell(&line, 1),
            code: cell(&line, 2),
            zh: cell(&line, 3),
            en: cell(&line, 4),
        };
        lines.into_iter().map(read).collect()
    })
}

/// The codes of one list; nothing where there is no such list.
pub fn code_list(name: &str) -> impl Iterator<Item = &'static CodeLine> {
    code_lists().iter().filter(move |line| line.list == name)
}

/// An ethnic group (GB/T 3304).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthnicGroup {
    /// Two digits.
    pub code: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
}

/// The ethnic groups, in the order of their codes.
pub fn ethnic_groups() -> &'static [EthnicGroup] {
    static LINES: OnceLock<Vec<EthnicGroup>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/ethnic_codes.csv"));
        let read = |line: Vec<String>| EthnicGroup {
            code: cell(&line, 0),
            zh: cell(&line, 1),
            en: cell(&line, 2),
        };
        lines.into_iter().map(read).collect()
    })
}

/// The group with this code, or with this Chinese name, the final 族 left out or not (ID cards leave it out).
pub fn ethnic_group(code_or_name: &str) -> Option<&'static EthnicGroup> {
    let wanted = code_or_name.trim();
    ethnic_groups().iter().find(|group| {
        group.code == wanted || group.zh == wanted || group.zh.strip_suffix('族') == Some(wanted)
    })
}

/// A division of the country (GB/T 2260).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Two, four or six digits, by level.
    pub code: String,
    /// Level, as a word.
    pub level: String,
    /// Chinese name.
    pub zh: String,
}

/// The region with this code.
pub fn region(code: &str) -> Option<&'static Region> {
    static REGIONS: OnceLock<HashMap<String, Region>> = OnceLock::new();
    let regions = REGIONS.get_or_init(|| {
        let lines = rows(include_str!("../../tables/region_codes.csv"));
        let read = |line: Vec<String>| Region {
            code: cell(&line, 0),
            level: cell(&line, 1),
            zh: cell(&line, 2),
        };
        lines
            .into_iter()
            .map(read)
            .map(|region| (region.code.clone(), region))
            .collect()
    });
    regions.get(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_by_name() {
        let sexes: Vec<_> = code_list("sex").map(|code| code.code.as_str()).collect();
        assert_eq!(sexes, ["0", "1", "2", "9"]);
        assert_eq!(code_list("no such list").count(), 0);
    }

    #[test]
    fn groups_are_found_by_code_name_and_card_form() {
        for text in ["08", "壮族", "壮"] {
            assert_eq!(ethnic_group(text).unwrap().en, "Zhuang");
        }
        assert!(ethnic_group("").is_none());
        assert_eq!(ethnic_groups().len(), 59);
    }

    #[test]
    fn regions_are_found_by_code() {
        assert_eq!(region("35").unwrap().zh, "福建省");
        assert!(region("3").is_none());
    }
}
