//! Keys by which a name is found: as written, by full pinyin, by initials, by both mixed.
//!
//! Every reading of a surname counts (覃 is qin and tan), also those that people only misread. Stored keys spell ü as
//! u; what is typed as v, u, yu or ü is brought to that form. Names of minorities are never split into surname and
//! given name: each part after a dot can be searched, as each syllable can.

use std::collections::HashMap;
use std::sync::OnceLock;

use ::pinyin::{Pinyin, ToPinyinMulti};
use unicode_normalization::UnicodeNormalization;

use crate::tables::rows;
use crate::text::{MIDDLE_DOT, SEARCH_CHARS_MAX, fold_name, fold_search, is_han};

/// Most readings of one name that get keys.
pub const READINGS_MAX: usize = 16;
/// Most readings of one character that is not a surname.
const GIVEN_READINGS_MAX: usize = 2;
/// Most syllables of one name that get keys.
const SYLLABLES_MAX: usize = 16;
/// Most pinyin keys of one name.
pub const KEYS_MAX: usize = 256;

/// The keys of one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameKeys {
    /// The name folded for search: no dots, no spaces, lower case.
    pub written: String,
    /// Every reading as its syllables.
    pub full: Vec<Vec<String>>,
    /// The initials of every reading, each once.
    pub initials: Vec<String>,
    /// One and two characters in a row of the written form, each once: any part of the name is found by them.
    pub grams: Vec<String>,
    /// What a typed form (see [`query_forms`]) must be a prefix of, each once: for every reading and every syllable to
    /// begin with, some syllables in full and the rest by initials, and the first initial with the rest in full.
    pub keys: Vec<String>,
}

/// The readings of surnames: by one or two characters, syllables of each reading.
fn surnames() -> &'static HashMap<String, Vec<Vec<String>>> {
    static TABLE: OnceLock<HashMap<String, Vec<Vec<String>>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = HashMap::new();
        for line in rows(include_str!("../tables/surname_pinyin.csv")) {
            let Some((surname, readings)) = line.split_first() else {
                continue;
            };
            let chars: Vec<char> = surname.chars().collect();
            let mut split: Vec<Vec<String>> = readings
                .iter()
                .take(2)
                .filter_map(|reading| syllables(&chars, &spelled(reading)))
                .collect();
            split.dedup();
            table.insert(surname.clone(), split);
        }
        table
    })
}

/// Cuts the reading of one or two characters into syllables, by the readings that each character has.
fn syllables(chars: &[char], reading: &str) -> Option<Vec<String>> {
    match chars {
        [_] => Some(vec![reading.to_owned()]),
        [first, second] => {
            let by_second = readings_of(*second)
                .into_iter()
                .find_map(|tail| reading.strip_suffix(tail.as_str()).map(str::len));
            let by_first = readings_of(*first)
                .into_iter()
                .find_map(|head| reading.starts_with(head.as_str()).then_some(head.len()));
            let (head, tail) = reading.split_at_checked(by_second.or(by_first)?)?;
            (!head.is_empty() && !tail.is_empty()).then(|| vec![head.to_owned(), tail.to_owned()])
        }
        _ => None,
    }
}

/// Spells ü as u and takes tone marks away.
fn spelled(syllable: &str) -> String {
    syllable
        .nfd()
        .filter(char::is_ascii_alphabetic)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The readings of a character, the most frequent first, each once.
fn readings_of(c: char) -> Vec<String> {
    let mut found = Vec::new();
    for reading in c
        .to_pinyin_multi()
        .into_iter()
        .flatten()
        .map(Pinyin::plain)
        .map(spelled)
    {
        if !reading.is_empty() && !found.contains(&reading) {
            found.push(reading);
        }
    }
    found
}

/// The parts of a name in order, each with its readings as syllables: the surname, then characters; Latin words are
/// one syllable.
fn parts(name: &str) -> Vec<Vec<Vec<String>>> {
    let chars: Vec<char> = name.chars().take(SEARCH_CHARS_MAX).collect();
    let dotted = chars.contains(&MIDDLE_DOT);
    let (mut parts, mut at) = (Vec::new(), 0);
    if !dotted && chars.len() > 1 {
        for length in [2, 1] {
            let surname: String = chars.iter().take(length).collect();
            if chars.len() > length
                && let Some(readings) = surnames().get(&surname)
            {
                let mut readings = readings.clone();
                if length == 1 {
                    let others = readings_of(chars[0]).into_iter().map(|reading| vec![reading]);
                    let others: Vec<_> = others.filter(|reading| !readings.contains(reading)).collect();
                    readings.extend(others);
                }
                parts.push(readings);
                at = length;
                break;
            }
        }
    }
    while at < chars.len() && parts.len() < SYLLABLES_MAX {
        let c = chars[at];
        if is_han(c) {
            let most = if at == 0 { READINGS_MAX } else { GIVEN_READINGS_MAX };
            let readings: Vec<_> = readings_of(c)
                .into_iter()
                .take(most)
                .map(|reading| vec![reading])
                .collect();
            if !readings.is_empty() {
                parts.push(readings);
            }
            at += 1;
        } else {
            let word: String = chars[at..]
                .iter()
                .take_while(|c| c.is_alphanumeric() && !is_han(**c))
                .collect();
            at += word.chars().count().max(1);
            let spelled: String = word
                .nfd()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_lowercase();
            if !spelled.is_empty() {
                parts.push(vec![vec![spelled]]);
            }
        }
    }
    parts
}

/// Every combination of readings, the most frequent first, up to a limit.
fn combinations(parts: &[Vec<Vec<String>>]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for readings in parts {
        let mut longer = Vec::new();
        // The outer loop is over readings, so that a cut at the limit keeps the first reading of each part.
        for reading in readings {
            for begun in &all {
                if longer.len() < READINGS_MAX {
                    let mut syllables: Vec<String> = begun.clone();
                    syllables.extend(reading.iter().cloned());
                    longer.push(syllables);
                }
            }
        }
        all = longer;
    }
    all.retain(|syllables| !syllables.is_empty());
    all
}

fn initials_of(syllables: &[String]) -> String {
    syllables
        .iter()
        .filter_map(|syllable| syllable.chars().next())
        .collect()
}

/// The keys of a name.
pub fn name_keys(name: &str) -> NameKeys {
    let written = fold_search(name);
    let full = combinations(&parts(&fold_name(name)));
    let mut initials = Vec::new();
    let mut keys = Vec::new();
    for syllables in &full {
        add(&mut initials, initials_of(syllables));
        for from in 0..syllables.len() {
            suffix_keys(&syllables[from..], &mut keys);
        }
    }
    keys.truncate(KEYS_MAX);
    NameKeys {
        grams: grams(&written),
        written,
        full,
        initials,
        keys,
    }
}

fn add(found: &mut Vec<String>, key: String) {
    if !found.contains(&key) {
        found.push(key);
    }
}

/// Keys for syllables in a row: some in full and the rest by initials, and the first by its initial and the rest in
/// full.
fn suffix_keys(syllables: &[String], keys: &mut Vec<String>) {
    for cut in (0..=syllables.len()).rev() {
        let (full, rest) = syllables.split_at(cut);
        add(keys, format!("{}{}", full.concat(), initials_of(rest)));
    }
    if let Some((first, rest)) = syllables.split_first() {
        add(
            keys,
            format!("{}{}", initials_of(std::slice::from_ref(first)), rest.concat()),
        );
    }
}

/// One and two characters in a row, each once, in the order in which they come.
pub fn grams(folded: &str) -> Vec<String> {
    let chars: Vec<char> = folded.chars().collect();
    let ones = chars.iter().map(char::to_string);
    let twos = chars.windows(2).map(|pair| pair.iter().collect());
    let mut found = Vec::new();
    for gram in ones.chain(twos) {
        if !found.contains(&gram) {
            found.push(gram);
        }
    }
    found
}

/// What a typed pinyin is looked up as: lower case, without tone marks and spaces, ü and v as u; where the letters yu
/// stand after l or n they may mean ü, so both forms are given. Empty where something else than letters was typed.
pub fn query_forms(typed: &str) -> Vec<String> {
    let folded = fold_search(typed);
    let letters: String = folded
        .nfd()
        .filter(|c| !is_mark(*c) && !matches!(c, '\'' | '’' | '-'))
        .collect();
    if letters.is_empty() || !letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let plain = letters.replace('v', "u");
    let yu = plain.replace("lyu", "lu").replace("nyu", "nu");
    if yu == plain { vec![plain] } else { vec![plain, yu] }
}

/// Tone marks and the diaeresis, as they stand after decomposition.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether a typed text finds a name: by a part as written, or by pinyin. Stores look it up by keys; this is the
/// rule that they follow.
pub fn finds(keys: &NameKeys, typed: &str) -> bool {
    let folded = fold_search(typed);
    let by_written = !folded.is_empty() && keys.written.contains(&folded);
    by_written
        || query_forms(typed)
            .iter()
            .any(|form| keys.keys.iter().any(|key| key.starts_with(form)))
}

/// Entry for fuzzing: no name makes the keys panic or grow without limit.
pub fn fuzz_one(name: &str) {
    let keys = name_keys(name);
    assert!(
        keys.keys.len() <= KEYS_MAX && keys.full.len() <= READINGS_MAX,
        "keys without limit"
    );
    let _ = query_forms(name);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(name: &str, typed: &str) -> bool {
        finds(&name_keys(name), typed)
    }

    #[test]
    fn names_are_found_as_the_vectors_say() {
        let lines = rows(include_str!("../tables/identity_test_vectors.csv"));
        let searches: Vec<_> = lines.iter().filter(|line| line[0] == "search").collect();
        assert!(searches.len() >= 8);
        for line in searches {
            // Numbers are looked up elsewhere.
            if line[1].bytes().all(|byte| byte.is_ascii_alphabetic()) {
                assert!(found(&line[2], &line[1]), "{line:?}");
            }
        }
    }

    #[test]
    fn a_u_umlaut_is_found_however_it_is_typed() {
        let typed = [
            "lvxl",
            "luxl",
            "lyuxl",
            "lyuxiaolan",
            "lǚxiaolan",
            "lǚxiaolan",
            "lü",
            "LVXIAOLAN",
            "ｌｖｘｌ",
            "xiaolan",
            "xl",
        ];
        for typed in typed {
            assert!(found("吕小兰", typed), "{typed}");
        }
        for typed in ["lue", "lve", "lüe"] {
            assert!(found("略", typed), "{typed}");
        }
        for typed in ["nv", "nu", "nü"] {
            assert!(found("张女", typed), "{typed}");
        }
        assert!(found("李玉兰", "lyulan"), "an initial before yu still counts");
    }

    #[test]
    fn every_reading_of_every_surname_of_the_table_finds() {
        for line in rows(include_str!("../tables/surname_pinyin.csv")) {
            let name = format!("{}小兰", line[0]);
            for reading in &line[1..3] {
                assert!(found(&name, &format!("{reading}xiaolan")), "{name} {reading}");
                assert!(found(&name, &format!("{reading}xl")), "{name} {reading}");
            }
        }
        assert!(found("覃小兰", "tanxl") && found("覃小兰", "qinxl"));
    }

    #[test]
    fn names_with_dots_are_found_with_any_dot_or_none() {
        for typed in [
            "古丽·示例",
            "古丽‧示例",
            "古丽•示例",
            "古丽・示例",
            "古丽．示例",
            "古丽示例",
            "示例",
            "丽示",
            "guli",
            "glsl",
            "shili",
            "sl",
        ] {
            assert!(found("古丽·示例", typed), "{typed}");
        }
        assert!(!found("古丽·示例", "guo"));
    }

    #[test]
    fn names_in_latin_letters_and_mixed_ones_are_found() {
        assert!(
            found("Anna Schmidt", "anna") && found("Anna Schmidt", "schm") && found("Anna Schmidt", "as")
        );
        assert!(found("王Ａ强", "wang") && found("王A强", "aq"));
        assert!(found("王秀英", "wxiuying") && found("王秀英", "wangxy") && found("王秀英", "wxy"));
        assert!(!found("王秀英", "") && !found("", "a"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_name_has_bounded_keys(name in "(\\PC|[一-龥]){0,30}") {
            fuzz_one(&name);
        }
    }
}
