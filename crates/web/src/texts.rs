//! Words for people: two languages, one Fluent file a topic under `texts/`, Chinese first.
//!
//! A text that is missing shows its key between ⟦ and ⟧; tests fail where that happens, where a language lacks
//! a key of the other, and where a key is used nowhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader};

fluent_templates::static_loader! {
    static TEXTS = {
        locales: "./texts",
        fallback_language: "zh",
        // Marks that isolate writing directions would end up in attributes, CSV files and copied text.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static ZH: LanguageIdentifier = fluent_templates::langid!("zh");
static EN: LanguageIdentifier = fluent_templates::langid!("en");

/// Name of the cookie that keeps the chosen language.
pub const LANG_COOKIE: &str = "lang";

/// A language of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// Chinese, the first language.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::Zh, Self::En];

    /// The code in cookies, forms and settings.
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The value of the `lang` attribute of a page.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The language with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.code() == code)
    }

    /// The other language, as the switch offers it.
    pub fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// The language that a person chose on this browser. Without a choice Chinese: tablets are sold with any
    /// system language, so `Accept-Language` says little about who holds them.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        crate::cookies::get(headers, LANG_COOKIE)
            .and_then(|code| Self::from_code(&code))
            .unwrap_or_default()
    }

    /// The text with this key.
    pub fn t(self, key: &str) -> String {
        TEXTS
            .try_lookup(self.identifier(), key)
            .unwrap_or_else(|| missing(key))
    }

    /// The text with this key, which counts `$n` things.
    pub fn t_n(self, key: &str, n: impl TryInto<i64>) -> String {
        let n = n.try_into().unwrap_or(i64::MAX);
        self.look_up(key, HashMap::from([(Cow::Borrowed("n"), FluentValue::from(n))]))
    }

    /// The text with this key and values for its variables.
    pub fn t_with(self, key: &str, values: &[(&'static str, &str)]) -> String {
        let values = values
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from((*value).to_owned())));
        self.look_up(key, values.collect())
    }

    /// The text with this key, numbers (which a text may choose by) and words for its variables.
    pub(crate) fn t_mixed(
        self,
        key: &str,
        numbers: &[(&'static str, i64)],
        words: &[(&'static str, &str)],
    ) -> String {
        let numbers = numbers
            .iter()
            .map(|(name, n)| (Cow::Borrowed(*name), FluentValue::from(*n)));
        let words = words
            .iter()
            .map(|(name, word)| (Cow::Borrowed(*name), FluentValue::from((*word).to_owned())));
        self.look_up(key, numbers.chain(words).collect())
    }

    fn look_up(self, key: &str, values: HashMap<Cow<'static, str>, FluentValue<'_>>) -> String {
        TEXTS
            .try_lookup_with_args(self.identifier(), key, &values)
            .unwrap_or_else(|| missing(key))
    }

    fn identifier(self) -> &'static LanguageIdentifier {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }
}

fn missing(key: &str) -> String {
    format!("⟦{key}⟧")
}

impl<S: Send + Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of_headers(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use super::*;

    fn files_below(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                files_below(&path, ending, into);
            } else if path.extension().is_some_and(|found| found == ending) {
                into.push(path);
            }
        }
    }

    /// The files of a language.
    fn texts_of(lang: Lang) -> Vec<String> {
        let mut files = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("texts")
            .join(lang.code());
        files_below(&folder, "ftl", &mut files);
        files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect()
    }

    /// Key → the variables that its text names.
    fn keys(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in texts_of(lang) {
            let mut current = None;
            for line in file.lines() {
                if line.starts_with(|first: char| first.is_ascii_lowercase()) {
                    let key = line.split('=').next().unwrap().trim().to_owned();
                    assert!(
                        found.insert(key.clone(), BTreeSet::new()).is_none(),
                        "{key} stands twice"
                    );
                    current = Some(key);
                }
                let Some(key) = &current else { continue };
                for piece in line.split('$').skip(1) {
                    let name = piece.chars().take_while(char::is_ascii_alphanumeric).collect();
                    found.get_mut(key).unwrap().insert(name);
                }
            }
        }
        found
    }

    /// Sources that show texts.
    const SHOWING: [&str; 5] = [
        "crates/web/src",
        "crates/shell/src",
        "appliance/src",
        "sync-server/src",
        "demo",
    ];

    /// Every string literal of the sources that show texts.
    fn literals() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for folder in SHOWING {
            files_below(&root.join(folder), "rs", &mut files);
        }
        let mut found = BTreeSet::new();
        for file in files {
            let source = std::fs::read_to_string(&file).unwrap();
            found.extend(source.split('"').map(str::to_owned));
        }
        found
    }

    #[test]
    fn both_languages_have_the_same_keys_and_variables() {
        let (zh, en) = (keys(Lang::Zh), keys(Lang::En));
        assert!(zh.len() > 50);
        assert_eq!(zh.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (key, variables) in &zh {
            assert_eq!(Some(variables), en.get(key), "variables of {key}");
        }
    }

    #[test]
    fn every_text_is_used_and_every_used_text_is_there() {
        let (known, used) = (keys(Lang::Zh), literals());
        let unused: Vec<_> = known.keys().filter(|key| !used.contains(*key)).collect();
        assert!(unused.is_empty(), "texts that nothing shows: {unused:?}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for folder in SHOWING {
            files_below(&root.join(folder), "rs", &mut files);
        }
        let mut lost = Vec::new();
        for file in files.iter().filter(|file| !file.ends_with("texts.rs")) {
            let source = std::fs::read_to_string(file).unwrap();
            for call in [".t(\"", ".t_n(\"", ".t_with(\"", ".t_mixed(\""] {
                let asked = source
                    .split(call)
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next());
                lost.extend(asked.filter(|key| !known.contains_key(*key)).map(str::to_owned));
            }
        }
        assert!(lost.is_empty(), "texts that do not exist: {lost:?}");
    }

    /// GB/T 15834-2011: Chinese has marks of its own, as wide as its characters.
    #[test]
    fn chinese_is_written_with_its_own_punctuation() {
        let is_han = |c: char| ('\u{3400}'..='\u{9fff}').contains(&c);
        for line in texts_of(Lang::Zh).iter().flat_map(|file| file.lines()) {
            let chars: Vec<char> = line.chars().collect();
            for pair in chars.windows(2) {
                let beside = |mark: char, text: char| ",;:?!()".contains(mark) && is_han(text);
                let is_foreign = beside(pair[1], pair[0]) || beside(pair[0], pair[1]);
                assert!(!is_foreign, "{}{} in {line}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn texts_take_values_without_hidden_marks() {
        assert_eq!(Lang::Zh.t_n("errors-count", 2), "有 2 处需要修改");
        assert_eq!(Lang::En.t_n("errors-count", 1), "1 item needs a change");
        assert_eq!(Lang::En.t("no-such-key"), "⟦no-such-key⟧");
    }

    #[test]
    fn only_a_persons_choice_leaves_chinese() {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", "en-US,en".parse().unwrap());
        assert_eq!(Lang::of_headers(&headers), Lang::Zh);
        headers.insert("cookie", "a=b; lang=en".parse().unwrap());
        assert_eq!(Lang::of_headers(&headers), Lang::En);
        headers.insert("cookie", "lang=xx".parse().unwrap());
        assert_eq!(Lang::of_headers(&headers), Lang::Zh);
    }
}
