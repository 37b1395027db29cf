//! Every view with sample data, in both languages: checked for what every page must have, and written to the
//! folder that `GALLERY_DIR` names, to be looked at.

mod samples;

use std::collections::HashSet;

use maud::Markup;

use crate::assets;
use crate::texts::Lang;

/// Elements of HTML that have no end tag.
const VOID: [&str; 8] = ["input", "meta", "link", "br", "hr", "img", "col", "source"];

/// The tags of a document: (name, attributes), end tags with a slash before the name.
fn tags(html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let after = &rest[at + 1..];
        let Some(end) = after.find('>') else { break };
        let tag = &after[..end];
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        found.push((name.to_owned(), attributes.to_owned()));
        rest = &after[end + 1..];
    }
    found
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let from = attributes.find(&format!("{name}=\""))? + name.len() + 2;
    attributes[from..].split('"').next()
}

fn check(name: &str, lang: Lang, page: &Markup) {
    let html = &page.0;
    let place = format!("{name} in {}", lang.code());
    assert!(
        html.starts_with("<!DOCTYPE html><html lang=\""),
        "{place} is no document"
    );
    assert!(
        !html.contains('⟦'),
        "{place} lacks a text: {}",
        &html[html.find('⟦').unwrap_or(0)..][..80]
    );
    for inline in [" style=\"", " onclick", " onsubmit", "javascript:", "<style"] {
        assert!(!html.contains(inline), "{place} holds {inline}");
    }
    let tags = tags(html);
    let mut open = Vec::new();
    let mut ids = HashSet::new();
    let mut wanted = Vec::new();
    for (tag, attributes) in &tags {
        if let Some(ended) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(ended),
                "{place}: </{ended}> ends something else"
            );
            continue;
        }
        if tag.starts_with('!') {
            continue;
        }
        if !VOID.contains(&tag.as_str()) && !attributes.ends_with('/') {
            open.push(tag.clone());
        }
        if let Some(id) = attribute(&format!(" {attributes}"), " id") {
            assert!(ids.insert(id.to_owned()), "{place}: id {id} stands twice");
        }
        for reference in ["for", "aria-labelledby", "aria-describedby"] {
            let padded = format!(" {attributes}");
            let named = attribute(&padded, &format!(" {reference}"));
            wanted.extend(
                named
                    .into_iter()
                    .flat_map(str::split_whitespace)
                    .map(str::to_owned),
            );
        }
        assert!(
            tag != "script" || attributes.contains("src=\"/assets/"),
            "{place} holds a script of its own"
        );
    }
    assert!(open.is_empty(), "{place} leaves {open:?} open");
    let dangling: Vec<_> = wanted.iter().filter(|id| !ids.contains(*id)).collect();
    assert!(
        dangling.is_empty(),
        "{place} names ids that are not there: {dangling:?}"
    );
    assert_eq!(
        tags.iter().filter(|(tag, _)| tag == "h1").count(),
        1,
        "{place} needs one h1"
    );
}

/// Chinese characters in a page drawn in English, outside of what people and tables wrote.
fn chinese_words_of_ours(html: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in html.chars() {
        if ('\u{4e00}'..='\u{9fff}').contains(&c) {
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words
}

#[test]
fn every_view_is_a_sound_page_in_both_languages() {
    for (name, draw) in samples::ALL {
        for lang in Lang::ALL {
            check(name, lang, &draw(lang));
        }
    }
}

#[test]
fn english_pages_hold_only_the_chinese_of_their_data() {
    for (name, draw) in samples::ALL {
        let html = draw(Lang::En).into_string();
        let title = html.split("</title>").next().unwrap_or_default();
        let ours: Vec<_> = chinese_words_of_ours(&html)
            .into_iter()
            .filter(|word| !samples::DATA.contains(word.as_str()) && word != "中文")
            .collect();
        assert!(ours.is_empty(), "{name}: {ours:?}");
        assert!(
            !title.contains(samples::NAME),
            "{name}: a title holds a patient's name"
        );
    }
}

/// Writes each page to `GALLERY_DIR`, where that is set, with the assets beside it.
#[test]
fn pages_can_be_written_to_be_looked_at() {
    let Some(folder) = std::env::var_os("GALLERY_DIR").map(std::path::PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for asset in ["clinic.css", "clinic.js", "htmx.js", "favicon.svg"] {
        let address = assets::address(asset).trim_start_matches('/');
        std::fs::write(folder.join(address), assets::content(asset).unwrap()).unwrap();
    }
    for (name, draw) in samples::ALL {
        for lang in Lang::ALL {
            let html = draw(lang).into_string().replace("\"/assets/", "\"assets/");
            std::fs::write(folder.join(format!("{name}.{}.html", lang.code())), html).unwrap();
        }
    }
}
