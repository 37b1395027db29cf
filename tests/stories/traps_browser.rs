//! What went wrong in browsers elsewhere: input methods, scanners, Back, many tabs, no scripts.

use std::path::Path;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::{PIN, Tablet};
use serde_json::json;

use crate::privacy::assert_logs_name_nobody;

const NAME: &str = "王秀英";
const ID_NUMBER: &str = "110101195804010029";
const OTHER: &str = "李国强";

fn reader() -> [Bay<'static>; 1] {
    [Bay {
        name: "读卡",
        device: "idcard-sam",
        arguments: &[],
    }]
}

/// A clinic at work, with one person registered; gives the path of their page.
async fn with_one_person(tablet: &Tablet<'_>) -> String {
    tablet.found_clinic().await;
    tablet
        .register(&[("name", NAME), ("id_number", ID_NUMBER)], "none")
        .await
}

/// Notes every address that the page's scripts ask for, also over a navigation.
const NOTE_REQUESTS: &str = "sessionStorage.asked = '[]'; const fetched = window.fetch;
    window.fetch = (input, ...rest) => {
        const address = new URL(input.url || input, location.href);
        const asked = JSON.parse(sessionStorage.asked);
        if (address.pathname === '/patients') asked.push(address.searchParams.get('q'));
        sessionStorage.asked = JSON.stringify(asked);
        return fetched(input, ...rest);
    };";

async fn searches(browser: &Browser) -> Vec<String> {
    browser
        .script("return JSON.parse(sessionStorage.asked);", vec![])
        .await
}

/// Two seconds go by in the page: a pause in mid-word, much longer than the page waits before it searches.
async fn pause(browser: &Browser) {
    let script = "setTimeout(arguments[arguments.length - 1], 2000);";
    browser.page.execute_async(script, vec![]).await.unwrap();
}

/// A key that an input method takes for itself.
async fn composing_key(browser: &Browser, key: &str) {
    for kind in ["rawKeyDown", "keyUp"] {
        let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 229 });
        browser.command("Input.dispatchKeyEvent", event).await;
    }
}

async fn compose(browser: &Browser, text: &str) {
    let at = text.chars().count();
    let composition = json!({ "text": text, "selectionStart": at, "selectionEnd": at });
    browser.command("Input.imeSetComposition", composition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_method_and_a_scanner_search_once_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &[]);
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let patient = with_one_person(&tablet).await;

    tablet.open("/patients").await;
    browser.page.execute(NOTE_REQUESTS, vec![]).await.unwrap();
    browser
        .page
        .execute(
            "window.field = document.querySelector('#q'); field.focus();",
            vec![],
        )
        .await
        .unwrap();
    for length in 1..=11 {
        compose(&browser, &"wangxiuying"[..length]).await;
    }
    pause(&browser).await;
    composing_key(&browser, "Enter").await;
    pause(&browser).await;
    assert_eq!(
        searches(&browser).await,
        Vec::<String>::new(),
        "searched in mid-word"
    );
    assert_eq!(
        tablet.path().await,
        "/patients",
        "the Enter that picks a candidate opened a hit"
    );
    browser.command("Input.insertText", json!({ "text": NAME })).await;
    browser.find(&format!("#hits [data-query='{NAME}']")).await;
    pause(&browser).await;
    assert_eq!(
        searches(&browser).await,
        [NAME],
        "one request when the composition ends"
    );
    let same: bool = browser
        .script(
            "return window.field === document.querySelector('#q') && field.value === arguments[0];",
            vec![json!(NAME)],
        )
        .await;
    assert!(same, "the field was swapped or emptied");

    compose(&browser, "li").await;
    composing_key(&browser, "Escape").await;
    compose(&browser, "").await;
    let kept: String = browser
        .script("return document.querySelector('#q').value;", vec![])
        .await;
    assert_eq!(kept, NAME, "Escape that closes the candidates emptied the query");

    scan(&tablet).await;
    browser.find(".banner").await;
    assert_eq!(tablet.path().await, patient);
    assert_eq!(searches(&browser).await, [ID_NUMBER], "one scan is one search");
    browser.quit().await;
    assert_logs_name_nobody(&[&clinic.logs() as &Path], &[NAME, ID_NUMBER]);
}

/// A scan as an Android keyboard passes it on: one key, then 17 characters as input with a hole of 200 ms, Enter.
async fn scan(tablet: &Tablet<'_>) {
    let browser = tablet.browser;
    tablet.open("/patients").await;
    browser.page.execute(NOTE_REQUESTS, vec![]).await.unwrap();
    browser
        .page
        .execute("document.activeElement.blur();", vec![])
        .await
        .unwrap();
    for kind in ["keyDown", "keyUp"] {
        let first =
            json!({ "type": kind, "key": "1", "code": "Digit1", "text": "1", "windowsVirtualKeyCode": 49 });
        browser.command("Input.dispatchKeyEvent", first).await;
    }
    let rest = "const field = document.querySelector('#q'); const rest = arguments[0]; const done = arguments[1];
        const type = (at) => {
            if (at === rest.length) { done(field.value); field.form.requestSubmit(); return; }
            field.value += rest[at];
            field.dispatchEvent(new InputEvent('input', { bubbles: true, inputType: 'insertText', data: rest[at] }));
            setTimeout(() => type(at + 1), at === 8 ? 200 : 8);
        };
        type(0);";
    let typed = browser
        .page
        .execute_async(rest, vec![json!(&ID_NUMBER[1..])])
        .await
        .unwrap();
    assert_eq!(
        typed.convert::<String>().unwrap(),
        ID_NUMBER,
        "the stray key is part of the scan"
    );
}

/// Presses Back five times; none of the pages names anybody.
async fn back_shows_nobody(browser: &Browser, names: &[&str]) {
    for _ in 0..5 {
        browser.page.back().await.unwrap();
        browser
            .wait_script(
                "a page",
                "return document.readyState === 'complete' && document.body.innerText !== '';",
            )
            .await;
        let shown = browser.text().await;
        let source = browser.page.source().await.unwrap();
        for name in names {
            assert!(
                !shown.contains(name) && !source.contains(name),
                "{name} on {}",
                browser.url().await
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn back_shows_nobody_after_sign_out_lock_and_clear() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &reader());
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let patient = with_one_person(&tablet).await;
    let walk = ["/patients", &patient, &format!("{patient}/chart"), &patient];

    for page in walk {
        tablet.open(page).await;
    }
    browser.wait_text(NAME).await;
    tablet.sign_out().await;
    back_shows_nobody(&browser, &[NAME, ID_NUMBER]).await;

    tablet.sign_in().await;
    for page in walk {
        tablet.open(page).await;
    }
    tablet.lock().await;
    back_shows_nobody(&browser, &[NAME, ID_NUMBER]).await;
    tablet.open("/unlock").await;
    tablet.send(&[("pin", PIN)]).await;
    browser.find("#today").await;

    tablet.open("/kiosk").await;
    clinic.at("读卡", &format!("card {ID_NUMBER} {NAME}"));
    browser.wait_text("王*英").await;
    tablet.submit("button[value=yes]").await;
    browser.wait_text("您想测什么").await;
    tablet.submit("button[value=leave]").await;
    browser.wait_text("放在读卡区").await;
    // Further back lie the doctor's own pages, whose session goes on.
    for _ in 0..2 {
        browser.page.back().await.unwrap();
        let source = browser.page.source().await.unwrap();
        assert!(
            !source.contains("王*英") && !source.contains(NAME),
            "{}",
            browser.url().await
        );
    }
    browser.quit().await;
}

/// Counts the news of the box that reach a page.
const HEAR: &str = "window.heard = 0; for (const name of ['patient', 'today', 'sync'])
    document.body.addEventListener(`live-${name}`, () => { window.heard += 1; });";

#[tokio::test(flavor = "multi_thread")]
async fn eight_tabs_load_while_all_of_them_listen() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &[]);
    let authority = folder.path().join("box-ca.pem");
    std::fs::copy(Path::new(&clinic.data()).join("lan/root.pem"), &authority).unwrap();
    let lan = clinic.listener("lan").replace("127.0.0.1", "clinic.internal");
    let rules = ["--host-resolver-rules=MAP clinic.internal 127.0.0.1"];
    let browser = Browser::start_trusting(Screen::Tablet, &authority, &rules).await;
    let local = clinic.url("/").replace("127.0.0.1", "localhost");
    Tablet::new(&browser, &local).found_clinic().await;
    for pages in [local, lan] {
        let tablet = Tablet::new(&browser, &pages);
        tablet.sign_in().await;
        let first = browser.tab().await;
        browser.page.execute(HEAR, vec![]).await.unwrap();
        for _ in 0..7 {
            browser.new_tab().await;
            tablet.open("/patients").await;
            browser.find("main h1").await;
        }
        let last = browser.tab().await;
        tablet.register(&[("name", OTHER)], "none").await;
        browser.go_to_tab(&first).await;
        browser
            .wait_script("news in the first tab", "return window.heard > 0;")
            .await;
        browser.go_to_tab(&last).await;
        tablet.open("/setup/check").await;
        let secure: bool = browser.script("return window.isSecureContext;", vec![]).await;
        assert!(secure, "{pages}");
        if pages.starts_with("https") {
            browser.find(".trust-good").await;
        }
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_cross_no_records_and_lose_no_words() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &[]);
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let one = with_one_person(&tablet).await;
    let two = tablet
        .register(&[("name", OTHER), ("birth", "1961-07-12")], "none")
        .await;

    let left = browser.tab().await;
    tablet.open(&format!("{one}/readings/new")).await;
    tablet.type_in(&[("bp", "128/79")]).await;
    let right = browser.new_tab().await;
    tablet.open(&format!("{two}/readings/new")).await;
    tablet.type_in(&[("temp", "36.8")]).await;
    browser.go_to_tab(&left).await;
    tablet.send(&[]).await;
    browser.wait_text("128/79").await;
    assert_eq!(tablet.path().await, one);
    browser.go_to_tab(&right).await;
    tablet.send(&[]).await;
    browser.wait_text("36.8").await;
    let shown = browser.text().await;
    assert!(
        shown.contains(OTHER) && !shown.contains(NAME) && !shown.contains("128/79"),
        "{shown}"
    );

    let visit = tablet.open_visit(&one).await;
    browser.go_to_tab(&left).await;
    tablet.open(&visit).await;
    tablet
        .type_in(&[("complaint", "左边写的主诉"), ("history", "左边的现病史")])
        .await;
    browser.go_to_tab(&right).await;
    tablet
        .type_in(&[("advice", "右边写的意见"), ("history", "右边的现病史")])
        .await;
    for tab in [&left, &right] {
        browser.go_to_tab(tab).await;
        tablet.submit("main form .form-foot .button-main").await;
        browser.find(".panel").await;
    }
    tablet.open(&visit).await;
    let source = browser.page.source().await.unwrap();
    for words in ["左边写的主诉", "右边写的意见", "左边的现病史", "右边的现病史"] {
        assert!(
            source.contains(words),
            "{words} is lost: {}",
            browser.text().await
        );
    }
    browser.quit().await;
    assert_logs_name_nobody(
        &[&clinic.logs() as &Path],
        &[NAME, OTHER, ID_NUMBER, "左边", "右边", "128/79"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_people_are_registered_and_visits_signed() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &[]);
    let browser = Browser::start(Screen::Tablet).await;
    browser
        .command("Emulation.setScriptExecutionDisabled", json!({ "value": true }))
        .await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let patient = with_one_person(&tablet).await;
    tablet.open("/patients?q=wxy").await;
    tablet.submit("a[data-hit]").await;
    assert_eq!(tablet.path().await, patient);
    tablet.open_visit(&patient).await;
    tablet
        .type_in(&[("complaint", "咳嗽"), ("diagnosis_wanted", "gxy")])
        .await;
    tablet.submit("button[name=diagnosis_find]").await;
    tablet.submit("#diagnosis-hits .suggestions button").await;
    browser.find(".picked .picked-line").await;
    tablet.submit("main form .form-foot .button-main").await;
    browser.wait_text("已保存到诊室").await;
    tablet.sign("3", "咳嗽一周").await;
    let shown = browser.text().await;
    assert!(shown.contains("咳嗽") && shown.contains("已签名"), "{shown}");
    browser.quit().await;
}
