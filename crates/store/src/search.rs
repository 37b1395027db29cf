//! Finding a patient by name, pinyin, initials, identity number, telephone or birth date.
//!
//! SQLite's own text index finds no name of two characters. Here every way to begin a search is a key: the name
//! from each of its characters on, its pinyin from each syllable on, its initials from each letter on, numbers
//! and their tails. A search is then a range of keys.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use records::ids::PatientId;
use records::patients::{Chart, PatientLine};
use records::pinyin::{name_keys, query_forms};
use records::text::{fold_phone, fold_search};
use records::tree::Node;

use crate::derive::patients::lines_of;
use crate::engine::{Store, StoreError};
use crate::sql::{Connection, params};

/// Words of a search that count; more are left out.
const WORDS_MAX: usize = 4;
/// Most keys of each form that are looked at.
const CANDIDATES_MAX: usize = 1_000;
/// Most patients that are ranked for one word: everybody of a common surname in a village. Of a word that finds more people
/// those with the last keys are left out (whoever bears it alone has the first one): the next letter is typed anyway.
const RANKED_MAX: usize = 150;
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
    let best = if rest.is_empty() {
        ranked(sql, first, RANKED_MAX, limit, |_| true)?
    } else {
        let others = rest.iter().map(|word| matching(sql, word));
        let others: Vec<HashSet<i64>> = others.collect::<Result<_, _>>()?;
        let bears_all = |d| others.iter().all(|found| found.contains(&d));
        ranked(sql, first, CANDIDATES_MAX, limit, bears_all)?
    };
    lines_of(sql, &best)
}

/// The best of those who are found by a word: names that begin as was typed, then who was here last. So many people with the
/// first keys are ranked; those that `counts` leaves out are none of them.
fn ranked(
    sql: &Connection,
    forms: &[String],
    most: usize,
    limit: usize,
    counts: impl Fn(i64) -> bool,
) -> Result<Vec<i64>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT k.d, p.name, p.id, (SELECT max(e.opened) FROM encounters e WHERE e.patient = p.id)
         FROM patient_keys k JOIN patients p ON p.d = k.d
         WHERE k.key >= ?1 AND k.key < ?2 ORDER BY k.key, k.d LIMIT ?3",
    )?;
    let (mut ranks, mut seen) = (Vec::new(), HashSet::new());
    for form in forms {
        let mut rows = find.query(params![form, end_of(form), CANDIDATES_MAX as i64])?;
        while ranks.len() < most
            && let Some(row) = rows.next()?
        {
            let d: i64 = row.get(0)?;
            if counts(d) && seen.insert(d) {
                let (name, id): (String, [u8; 16]) = (row.get(1)?, row.get(2)?);
                let last: Option<i64> = row.get(3)?;
                ranks.push(((!begins(&name, forms), Reverse(last), name, id), d));
            }
        }
    }
    if limit < ranks.len() {
        ranks.select_nth_unstable(limit);
        ranks.truncate(limit);
    }
    ranks.sort_unstable();
    Ok(ranks.into_iter().map(|(_, d)| d).collect())
}

/// Whether a name begins with one of the forms. It is folded only where that can matter: hundreds are asked.
fn begins(name: &str, forms: &[String]) -> bool {
    if forms.iter().any(|form| name.starts_with(form.as_str())) {
        return true;
    }
    // Folding makes no letter or digit out of Chinese characters.
    let han = name.chars().all(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    if han && forms.iter().all(|form| form.is_ascii()) {
        return false;
    }
    let folded = fold_search(name);
    forms.iter().any(|form| folded.starts_with(form.as_str()))
}

/// Behind every key that begins with this form.
fn end_of(form: &str) -> String {
    format!("{form}{LAST}")
}

/// Rows of the charts that have a key which begins with one of the forms: at most so many of each form.
fn matching(sql: &Connection, forms: &[String]) -> Result<HashSet<i64>, StoreError> {
    let mut find = sql
        .prepare_cached("SELECT d FROM patient_keys WHERE key >= ?1 AND key < ?2 ORDER BY key, d LIMIT ?3")?;
    let mut found = HashSet::new();
    for form in forms {
        let rows = find.query_map(params![form, end_of(form), CANDIDATES_MAX as i64], |row| {
            row.get(0)
        })?;
        for d in rows {
            found.insert(d?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use records::ids::DocKind;
    use records::tree::Edit;

    use super::*;
    use crate::workbench::{Bench, new_doc, write};

    #[test]
    fn a_name_begins_as_its_folded_form_does() {
        for name in [
            "王秀英",
            "單田芳",
            "古丽·示例",
            "Ｗang",
            "wang 王",
            "⻝力",
            "囍",
            "",
        ] {
            for form in ["王", "单", "单田", "古丽示", "w", "wxy", "wang王", "食", "1", ""] {
                let plain = fold_search(name).starts_with(form) || name.starts_with(form);
                assert_eq!(begins(name, &[form.to_owned()]), plain, "{name} {form}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_more_people_bear_than_are_ranked_finds_the_one_who_bears_it_alone() {
        let bench = Bench::new();
        let store = bench.open();
        let name = |name: &str| new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], name)]);
        let filled = store
            .write(|tx| {
                // One person's keys stand for those of many.
                for d in 0..(RANKED_MAX as i64 + 50) {
                    tx.sql.execute(
                        "INSERT INTO patients(d, id, name, sex, village_group, allergies, clash, deceased)
                         VALUES(?1, randomblob(16), '王' || ?1, '', '', '', 0, 0)",
                        [d + 1_000],
                    )?;
                    tx.sql.execute(
                        "INSERT INTO patient_keys(key, d) VALUES('王' || ?1, ?1)",
                        [d + 1_000],
                    )?;
                }
                Ok::<_, StoreError>(())
            })
            .await;
        filled.unwrap();
        let alone = write(&store, name("王")).await.docs[0].patient().unwrap();
        let found = store.search_patients("王", 30).await.unwrap();
        assert_eq!(found.len(), 30);
        assert!(found.iter().any(|line| line.id == alone));
        // One more character narrows it, and nobody is left out.
        assert_eq!(store.search_patients("王112", 30).await.unwrap().len(), 10);
    }

    #[tokio::test]
    async fn people_are_counted_and_not_the_keys_by_which_a_word_finds_them() {
        let bench = Bench::new();
        let store = bench.open();
        let people = RANKED_MAX;
        let filled = store.write(move |tx| {
            for d in 1..=people as i64 {
                tx.sql.execute(
                    "INSERT INTO patients(d, id, name, sex, village_group, allergies, clash, deceased)
                     VALUES(?1, randomblob(16), '王' || ?1, '', '', '', 0, 0)",
                    [d],
                )?;
                // Pinyin and initials both begin with the letter.
                for key in ["wang", "wx"] {
                    tx.sql.execute(
                        "INSERT INTO patient_keys(key, d) VALUES(?1 || ?2, ?2)",
                        params![key, d],
                    )?;
                }
            }
            Ok::<_, StoreError>(())
        });
        filled.await.unwrap();
        let found = store.search_patients("w", RANKED_MAX).await.unwrap();
        assert_eq!(found.len(), people);
    }
}
