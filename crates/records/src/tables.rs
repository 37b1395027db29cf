//! Reference tables: code lists, diagnoses, ranges. They are data with a version, not code.
//!
//! The tables are embedded as CSV and parsed once, when first asked for. Their content follows the public
//! standards that each line names (GB/T 2261, GB/T 3304, WS/T 363 and 364, ICD-10, the national public-health
//! service standard, third edition); lines marked P are this project's. They support trained staff and decide
//! nothing.

mod codes;
mod icd10;
mod ranges;

pub use codes::{CodeLine, EthnicGroup, Region, code_list, code_lists, ethnic_group, ethnic_groups, region};
pub use icd10::{Icd10, IcdLine, icd10};
pub use ranges::{
    BpClassLine, CriticalValue, RangeLine, TriageLine, bp_classes, critical_values, ranges, triage_level,
    triage_levels,
};

/// Version of the embedded tables, as screens show it.
pub const VERSION: &str = "2026.1";

/// The lines of a CSV text without its heading. The embedded tables are checked by a test, so a line that cannot
/// be read is left out here.
pub(crate) fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(csv.as_bytes());
    let lines = reader.records().filter_map(Result::ok);
    lines
        .map(|line| line.iter().map(str::to_owned).collect())
        .collect()
}

/// The field of a line; empty where the line is shorter.
pub(crate) fn cell(line: &[String], at: usize) -> String {
    line.get(at).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_table_is_read_and_as_wide_as_its_heading() {
        let all = [
            include_str!("../tables/code_lists.csv"),
            include_str!("../tables/icd10_common.csv"),
            include_str!("../tables/vitals_ranges.csv"),
            include_str!("../tables/bp_classification.csv"),
            include_str!("../tables/triage_levels.csv"),
            include_str!("../tables/critical_values.csv"),
            include_str!("../tables/ethnic_codes.csv"),
            include_str!("../tables/surname_pinyin.csv"),
            include_str!("../tables/region_codes.csv"),
            include_str!("../tables/identity_test_vectors.csv"),
        ];
        for table in all {
            let mut reader = csv::Reader::from_reader(table.as_bytes());
            let lines: Result<Vec<_>, _> = reader.records().collect();
            assert_eq!(lines.unwrap().len(), rows(table).len());
        }
    }
}
