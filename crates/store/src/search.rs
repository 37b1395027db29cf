//! Finding a patient by name, pinyin, initials, identity number, telephone or birth date.
//!
//! SQLite's own text index finds no name of two characters. Here every way to begin a search is a key: the name
//! from each of its characters on, its pinyin from each syllable on, its initials from each letter on, numbers
//! and their tails. A search is then a range of keys.

use std::collections::BTreeSet;

use records::ids::PatientId;
use records::patients::{Chart, PatientLine};
use records::pinyin::{name_keys, query_forms};
use records::text::{fold_phone, fold_search};
use records::tree::Node;

use crate::derive::patients::{LINE, read_line};
use crate::engine::{Store, StoreError};
use crate::sql::{Connection, params};

/// Words of a search that count; more are left out.
const WORDS_MAX: usize = 4;
/// Most patients that are looked at for one search before they are ranked.
const CANDIDATES_MAX: i64 = 1_000;
/// Above every character that a key holds.
const LAST: char = char::MAX;

/// The keys by which a chart is found, from every value that its document holds.
pub(crate) fn keys_of(chart: &Chart, tree: &Node) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for name in Chart::all_names(tree) {
        let found = name_keys(&name);
        add_suffixes(&mut keys, &found.written);
        keys.extend(found.keys);
    }
    for number in Chart::all_id_numbers(tree) {
        let number = fold_search(number.as_str());
        add_tail(&mut keys, &number, 4);
        keys.insert(number);
    }
    for phone in [&chart.phone, &chart.second_phone] {
        let phone = fold_phone(phone);
        add_tail(&mut keys, &phone, 4);
        keys.insert(phone);
    }
    if let Some(birth) = chart.birth {
        keys.insert(birth.to_string().replace('-', ""));
    }
    if !chart.archive_number.is_empty() {
        keys.insert(fold_search(&chart.archive_number));
    }
    keys.remove("");
    keys
}

fn add_suffixes(keys: &mut BTreeSet<String>, text: &str) {
    keys.extend(text.char_indices().map(|(at, _)| text[at..].to_owned()));
}

fn add_tail(keys: &mut BTreeSet<String>, text: &str, length: usize) {
    if let Some((at, _)) = text.char_indices().rev().nth(length - 1) {
        keys.insert(text[at..].to_owned());
    }
}

impl Store {
    /// Patients that a search finds, the best first. Words stand for conditions that must all hold.
    pub async fn search_patients(&self, query: &str, limit: usize) -> Result<Vec<PatientLine>, StoreError> {
        let words = words(query);
        self.read(move |sql| search(sql, &words, limit)).await
    }

    /// Patients under exactly this identity number, checked or not: one person for every safety check.
    pub async fn patients_with_id_number(&self, number: &str) -> Result<Vec<PatientId>, StoreError> {
        let number = fold_search(number);
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT p.id, c.body FROM patient_keys k JOIN patients p ON p.d = k.d JOIN charts c ON c.d = k.d
                 WHERE k.key = ?1",
            )?;
            let rows = find.query_map([&number], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
            let mut patients = Vec::new();
            for row in rows {
                let (id, body) = row?;
                let tree = crate::node::decode(&body).ok_or(StoreError::Unreadable("chart row"))?;
                let numbers = Chart::all_id_numbers(&tree);
                if numbers.iter().any(|found| fold_search(found.as_str()) == number) {
                    patients.push(PatientId(id));
                }
            }
            Ok(patients)
        })
        .await
    }
}

/// The words of a search, each with the forms in which a key may begin with it.
fn words(query: &str) -> Vec<Vec<String>> {
    let parts: Vec<&str> = query.split_whitespace().take(WORDS_MAX).collect();
    // A number that is typed in groups is one word.
    let whole = fold_search(query);
    if !whole.is_empty() && is_number(&whole) {
        return vec![forms(&whole)];
    }
    parts
        .iter()
        .map(|part| forms(part))
        .filter(|forms| !forms.is_empty())
        .collect()
}

fn is_number(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_digit() || matches!(c, 'x' | '-' | '/'))
}

fn forms(word: &str) -> Vec<String> {
    let folded = fold_search(word);
    if folded.is_empty() {
        return Vec::new();
    }
    // A birth date or telephone number is found with and without its hyphens.
    if is_number(&folded) {
        let digits: String = folded.chars().filter(|c| !matches!(c, '-' | '/')).collect();
        return if digits.is_empty() {
            Vec::new()
        } else {
            vec![digits]
        };
    }
    let mut forms = query_forms(&folded);
    if !forms.contains(&folded) {
        forms.push(folded);
    }
    forms
}

fn search(sql: &Connection, words: &[Vec<String>], limit: usize) -> Result<Vec<PatientLine>, StoreError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let mut candidates = matching(sql, first)?;
    for word in rest {
        let others = matching(sql, word)?;
        candidates.retain(|d| others.contains(d));
    }
    let mut find = sql.prepare_cached(&format!("SELECT {LINE} FROM patients p WHERE p.d = ?1"))?;
    let mut lines = Vec::with_capacity(candidates.len());
    for d in candidates {
        lines.extend(
            find.query_map([d], read_line)?
                .collect::<crate::sql::Result<Vec<_>>>()?,
        );
    }
    // Names that begin as was typed come first, then who was here last.
    lines.sort_by_key(|line| {
        let name = fold_search(&line.name);
        let begins = first.iter().any(|form| name.starts_with(form.as_str()));
        (
            !begins,
            std::cmp::Reverse(line.last_visit),
            line.name.clone(),
            line.id,
        )
    });
    lines.truncate(limit);
    Ok(lines)
}

/// Rows of the charts that have a key which begins with one of the forms.
fn matching(sql: &Connection, forms: &[String]) -> Result<BTreeSet<i64>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT DISTINCT d FROM patient_keys WHERE key >= ?1 AND key < ?2 LIMIT ?3")?;
    let mut found = BTreeSet::new();
    for form in forms {
        let end = format!("{form}{LAST}");
        let rows = find.query_map(params![form, end, CANDIDATES_MAX], |row| row.get::<_, i64>(0))?;
        for d in rows {
            found.insert(d?);
        }
    }
    Ok(found)
}
