//! A walk over all pages of a program: from link to page, each looked at in both languages, some by keyboard alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::page_check::faults;

/// Most presses of the Tab key on one page: more targets than any page has.
const TABS_MAX: usize = 200;

/// The walk, with what it found.
pub struct Walk<'a> {
    /// The browser that walks.
    pub browser: &'a Browser,
    /// One line for each fault.
    pub found: Vec<String>,
    /// Shapes of the addresses that were looked at in both languages.
    pub seen: BTreeSet<String>,
    base: String,
    screens: &'a [Screen],
}

/// Where the Tab key led.
#[derive(Deserialize)]
struct Focus {
    /// What has the focus, in words; `None` on the page itself.
    name: Option<String>,
    /// Whether its middle is covered by something else.
    covered: bool,
    /// Whether nothing shows that it has the focus.
    bare: bool,
}

impl<'a> Walk<'a> {
    /// A walk over the pages that begin at this address, looked at on these screens.
    pub fn new(browser: &'a Browser, base: &str, screens: &'a [Screen]) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self {
            browser,
            found: Vec::new(),
            seen: BTreeSet::new(),
            base,
            screens,
        }
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.base)).await;
    }

    /// Looks at the page that stands there.
    pub async fn look(&mut self, name: &str) {
        self.found.extend(faults(self.browser, name, self.screens).await);
    }

    /// Looks at an address in both languages; ends in Chinese.
    pub async fn look_at(&mut self, path: &str, name: &str) {
        for lang in ["zh", "en"] {
            self.browser.speak(lang).await;
            self.open(path).await;
            self.look(&format!("{name}-{lang}")).await;
        }
        self.browser.speak("zh").await;
        self.note_seen(path);
    }

    fn note_seen(&mut self, path: &str) {
        let shape = pattern(path);
        let page = shape.split('?').next().unwrap_or_default().to_owned();
        self.seen.extend([page, shape]);
    }

    /// Looks at the page that stands there on another screen than the walk's.
    pub async fn look_here(&mut self, screen: Screen, name: &str) {
        self.found.extend(faults(self.browser, name, &[screen]).await);
    }

    /// Looks at an address in both languages on another screen than the walk's; stays there in Chinese.
    pub async fn look_on(&mut self, screen: Screen, path: &str, name: &str) {
        self.browser.resize(screen).await;
        for lang in ["zh", "en"] {
            self.browser.speak(lang).await;
            self.open(path).await;
            self.look_here(screen, &format!("{name}-{lang}")).await;
        }
        self.browser.speak("zh").await;
        self.open(path).await;
        self.note_seen(path);
    }

    /// Follows links from page to page; one example of each shape of address.
    pub async fn crawl(&self, starts: &[&str]) -> BTreeMap<String, String> {
        let mut examples = BTreeMap::new();
        let mut ahead: VecDeque<String> = starts.iter().map(|start| (*start).to_owned()).collect();
        while let Some(path) = ahead.pop_front() {
            let shape = pattern(&path);
            // Files that are downloaded, and one more of the same course.
            let is_page = !shape.contains('.') && !shape.contains("range");
            if !is_page || examples.contains_key(&shape) {
                continue;
            }
            examples.insert(shape, path.clone());
            self.open(&path).await;
            ahead.extend(self.links().await);
        }
        examples
    }

    /// Addresses of this program that the page links to.
    async fn links(&self) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll('a[href]')].filter((a) => a.origin === location.origin)
            .map((a) => a.pathname + a.search);";
        self.browser.script(script, vec![]).await
    }

    /// Goes through the page by the Tab key alone: everything that can be used is reached, shows that it has the
    /// focus, and is not covered.
    pub async fn go_by_keyboard(&mut self, path: &str) {
        self.open(path).await;
        let mut wanted: Vec<String> = self
            .browser
            .script(include_str!("usable.js"), vec![json!("list")])
            .await;
        let mut went_round = false;
        for _ in 0..TABS_MAX {
            self.browser.press_key("Tab", 9).await;
            let focus: Focus = self
                .browser
                .script(include_str!("usable.js"), vec![json!("focus")])
                .await;
            let Some(name) = focus.name else {
                // From the last target the key leads out of the page; a page may begin in its middle.
                if went_round {
                    break;
                }
                went_round = true;
                continue;
            };
            if focus.covered {
                self.found
                    .push(format!("{path}: {name} has the focus below something else"));
            }
            if focus.bare {
                self.found
                    .push(format!("{path}: nothing shows that {name} has the focus"));
            }
            wanted.retain(|one| *one != name);
        }
        self.found.extend(
            wanted
                .into_iter()
                .map(|name| format!("{path}: the keyboard does not reach {name}")),
        );
    }
}

/// The shape of an address: identities and numbers become `_`, of a query only the names stay.
pub fn pattern(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_identity = |part: &str| part.chars().any(|c| c.is_ascii_digit());
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if is_identity(part) { "_" } else { part })
        .collect();
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        parts.join("/")
    } else {
        format!("{}?{}", parts.join("/"), names.join("&"))
    }
}
