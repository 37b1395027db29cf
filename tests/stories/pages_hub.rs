//! Every page of the county's desks: mouse or keyboard, two languages, two text sizes.

use std::collections::BTreeMap;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::county_hub::CountyHub;
use harness::desk::{Desk, PASSWORD};
use harness::doctor::{CLINIC, CODE, PIN, Tablet};
use harness::walk::Walk;
use serde_json::json;

use crate::page_list;

const DESK: [Screen; 1] = [Screen::Desk];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_hub_can_be_read_and_used_by_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let hub = CountyHub::start(&folder.path().join("county"));
    let token = hub.invite(CODE, CLINIC);
    let people = ["expert", "consult_desk", "hub_admin", "auditor"].map(|role| hub.add_staff(role, role));
    let ecg = Bay {
        name: "心电",
        device: "contec-8000g",
        arguments: &[],
    };
    let clinic = ClinicBox::start(&folder.path().join("clinic"), &[ecg]);
    let browser = Browser::start_trusting(Screen::Desk, &hub.authority(), &[]).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    furnish(&tablet, &hub, &token).await;

    browser.resize(Screen::Desk).await;
    let desk = Desk::new(&browser, hub.desk());
    let mut walk = Walk::new(&browser, hub.desk(), &DESK);
    walk.open("/sign-in").await;
    walk.look_at("/sign-in", "hub-sign-in").await;
    let mut met = BTreeMap::new();
    for (at, person) in people.iter().enumerate() {
        desk.begin(person).await;
        let mut pages = walk.crawl(&["/", "/patients?q=lzq", "/status", "/account"]).await;
        if let Some(patient) = pages.get("/patients/_").cloned() {
            // Linked only from long records.
            for list in ["ecgs", "visits"] {
                pages.insert(format!("/patients/_/{list}"), format!("{patient}/{list}"));
            }
        }
        // Linked only where there is something to see.
        for (shape, beside) in [("/links", "/patients/_/same"), ("/status/aside", "/clinics")] {
            if pages.contains_key(beside) {
                pages.insert(shape.to_owned(), shape.to_owned());
            }
        }
        for (shape, path) in pages {
            if met.contains_key(&shape) {
                continue;
            }
            let name = format!("hub-{at}{}", shape.replace(['/', '?', '&'], "-"));
            walk.look_at(&path, &name).await;
            walk.go_by_keyboard(&path).await;
            met.insert(shape, path);
        }
        match at {
            0 => by_keyboard_alone(&walk).await,
            1 => locked(&mut walk, &desk).await,
            _ => desk.sign_out().await,
        }
    }
    let (found, seen) = (walk.found, walk.seen);
    browser.quit().await;
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
    page_list::assert_all_seen(&page_list::of_hub().await, &seen);
}

/// The locked screen of somebody who has a PIN.
async fn locked(walk: &mut Walk<'_>, desk: &Desk<'_>) {
    let browser = walk.browser;
    desk.open("/account").await;
    browser.fill("main [name=present]", PASSWORD).await;
    browser.fill("main [name=pin]", PIN).await;
    browser.submit("main form .form-foot .button-main").await;
    let lock = "const done = arguments[0]; fetch('/lock', { method: 'POST', redirect: 'manual' }).then(() => done(true));";
    browser.page.execute_async(lock, vec![]).await.unwrap();
    walk.look_at("/unlock", "hub-unlock").await;
    walk.go_by_keyboard("/unlock").await;
    browser.submit("form[action='/sign-out'] button").await;
    browser.find("[name=password]").await;
}

/// A clinic with one person who has readings, an ECG and a signed visit, all of it at the hub.
async fn furnish(tablet: &Tablet<'_>, hub: &CountyHub, token: &str) {
    tablet.begin().await;
    let url = format!("https://{}", hub.link());
    tablet.send(&[("url", &url), ("token", token)]).await;
    tablet.submit("form[action='/start/hub/later'] button").await;
    tablet.finish_start().await;
    let person = [
        ("name", "刘志强"),
        ("id_number", "110101196107120155"),
        ("phone", "13800000000"),
    ];
    let patient = tablet.register(&person, "none").await;
    for pressure in ["138/86/77", "151/93/80"] {
        tablet.open(&format!("{patient}/readings/new")).await;
        tablet.send(&[("bp", pressure), ("temp", "36.5")]).await;
        tablet.arrive(&patient).await;
    }
    tablet.record_ecg(&patient, 0).await;
    tablet.open_visit(&patient).await;
    tablet
        .type_in(&[("complaint", "头晕两天"), ("advice", "低盐饮食")])
        .await;
    tablet.pick_diagnosis("gxy").await;
    tablet.sign("3", "头晕").await;
    tablet.open("/status").await;
    tablet.submit("form[action='/status/try'] button").await;
    tablet.browser.find(".light-synced").await;
}

/// From the list to a person's page and out, without a pointer.
async fn by_keyboard_alone(walk: &Walk<'_>) {
    let browser = walk.browser;
    walk.open("/patients").await;
    browser
        .wait_script(
            "the search field has the focus",
            "return document.activeElement.name === 'q';",
        )
        .await;
    browser
        .command("Input.insertText", json!({ "text": "lzq" }))
        .await;
    browser.find("#hits a[data-hit]").await;
    browser.press_key("Enter", 13).await;
    browser.find(".banner").await;
    for place in [".user summary", "form[action='/sign-out'] button"] {
        tab_to(browser, place).await;
        browser.press_key("Enter", 13).await;
    }
    browser.find("[name=password]").await;
}

/// Presses Tab until this has the focus.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..60 {
        let script = "return document.activeElement.matches(arguments[0]);";
        if browser.script(script, vec![json!(selector)]).await {
            return;
        }
        browser.press_key("Tab", 9).await;
    }
    panic!("the keyboard does not reach {selector}");
}
