//! Parts of pages that come late, or renew themselves twice: nothing of one person on the page of another, and the
//! newest state in the end.

use std::collections::BTreeMap;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::{LOGIN, PASSWORD, Tablet};
use harness::plain_browser::{PlainBrowser, form_id};
use harness::slow_line::SlowLine;

const ONE: &str = "王秀英";
const TWO: &str = "李国强";

fn cuff() -> [Bay<'static>; 1] {
    [Bay {
        name: "诊桌血压",
        device: "omron-hbp9030",
        arguments: &[],
    }]
}

/// Founds the clinic and registers two people: the paths of their pages.
async fn one_and_two(tablet: &Tablet<'_>) -> (String, String) {
    tablet.found_clinic().await;
    let one = tablet
        .register(&[("name", ONE), ("birth", "1958-04-01")], "none")
        .await;
    let two = tablet
        .register(&[("name", TWO), ("birth", "1961-07-12")], "none")
        .await;
    (one, two)
}

/// A colleague at another tablet.
async fn colleague(clinic: &ClinicBox) -> PlainBrowser {
    let colleague = PlainBrowser::new(&clinic.url("/"), BTreeMap::new());
    let credentials = [("user", LOGIN), ("password", PASSWORD), ("next", "/")];
    let answer = colleague.post("/sign-in", &credentials).await.unwrap();
    assert_eq!(answer.status, 303, "{}", answer.body);
    colleague
}

/// Writes a pressure into somebody's record.
async fn write_pressure(colleague: &PlainBrowser, patient: &str, pressure: &str) {
    let form = form_id();
    let fields = [("form", form.as_str()), ("bp", pressure)];
    let answer = colleague
        .post(&format!("{patient}/readings/new"), &fields)
        .await
        .unwrap();
    assert_eq!(answer.status, 303, "{}", answer.body);
}

/// Opens the bay for somebody.
async fn open_bay(colleague: &PlainBrowser, patient: &str) {
    let id = patient.trim_start_matches("/patients/");
    let answer = colleague.post("/bays/0/open", &[("patient", id)]).await.unwrap();
    assert_eq!(answer.status, 303, "{}", answer.body);
}

/// A moment in which the page could show what has just arrived.
async fn moment(browser: &Browser) {
    let script = "setTimeout(arguments[arguments.length - 1], 500);";
    browser.page.execute_async(script, vec![]).await.unwrap();
}

async fn assert_nothing_of_one(browser: &Browser, shown_of_one: &str) {
    moment(browser).await;
    let (shown, source) = (browser.text().await, browser.page.source().await.unwrap());
    assert!(shown.contains(TWO), "{shown}");
    for of_one in [ONE, shown_of_one] {
        assert!(
            !shown.contains(of_one) && !source.contains(of_one),
            "{of_one} on the page of {TWO}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_comes_late_shows_nothing_of_one_on_the_page_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &[]);
    let line = SlowLine::to(&clinic.url("/"));
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &line.pages());
    let (one, two) = one_and_two(&tablet).await;
    let colleague = colleague(&clinic).await;

    tablet.open(&one).await;
    browser.find("#record").await;
    line.hold_next(&one);
    write_pressure(&colleague, &one, "128/79").await;
    line.wait_held();
    tablet.open(&two).await;
    browser.find("#record").await;
    line.release();
    assert_nothing_of_one(&browser, "128/79").await;
    // What happens to the other one does not reach this page either.
    write_pressure(&colleague, &one, "131/82").await;
    write_pressure(&colleague, &two, "117/71").await;
    browser.wait_text("117/71").await;
    assert_nothing_of_one(&browser, "131/82").await;
    // The page of the first one, come back to, shows all of it.
    browser.page.back().await.unwrap();
    browser.wait_text("131/82").await;
    assert!(browser.text().await.contains("128/79"));
    browser.quit().await;
}

/// Nothing but news of patients makes the record renew itself.
const NO_TICKS: &str = "window.quiet = (event) => event.stopImmediatePropagation();
    window.addEventListener('live-tick', window.quiet, true);";
/// News of patients are kept from the page until its record takes an answer in.
const KEEP_NEWS: &str = "const live = document.querySelector('live-events');
    const tell = live.tell.bind(live);
    window.kept = [];
    live.tell = (message) => message.name === 'patient' ? window.kept.push(message) : tell(message);
    window.give = () => { live.tell = tell; window.kept.forEach(tell); };
    const take = (event) => {
        if (event.detail.ctx.sourceElement.id !== 'record') return;
        document.removeEventListener('htmx:before:swap', take);
        window.removeEventListener('live-tick', window.quiet, true);
        window.give();
    };
    document.addEventListener('htmx:before:swap', take);";

#[tokio::test(flavor = "multi_thread")]
async fn news_that_come_while_a_part_takes_its_answer_in_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &[]);
    let line = SlowLine::to(&clinic.url("/"));
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &line.pages());
    let (one, _) = one_and_two(&tablet).await;
    let colleague = colleague(&clinic).await;

    tablet.open(&one).await;
    browser.find("#record").await;
    let _: serde_json::Value = browser.script(NO_TICKS, vec![]).await;
    line.hold_next(&format!("{one}?"));
    write_pressure(&colleague, &one, "133/83").await;
    line.wait_held();
    let _: serde_json::Value = browser.script(KEEP_NEWS, vec![]).await;
    write_pressure(&colleague, &one, "135/85").await;
    browser
        .wait_script("the news are kept", "return window.kept.length > 0;")
        .await;
    // The page hears of the second change just when it puts the answer about the first in its place.
    line.release();
    browser.wait_text("135/85").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_for_one_part_the_later_asked_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &cuff());
    let line = SlowLine::to(&clinic.url("/"));
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &line.pages());
    let (one, two) = one_and_two(&tablet).await;
    let colleague = colleague(&clinic).await;

    // A record that changes twice: the first answer is still on its way when the second is asked for.
    tablet.open(&one).await;
    browser.find("#record").await;
    line.hold_next(&format!("{one}?"));
    write_pressure(&colleague, &one, "128/79").await;
    line.wait_held();
    write_pressure(&colleague, &one, "131/82").await;
    browser.wait_text("131/82").await;
    line.release();
    moment(&browser).await;
    let shown = browser.text().await;
    assert!(
        shown.contains("131/82"),
        "the older answer took the newer one's place: {shown}"
    );
    // The second is asked for just when the first arrives.
    line.hold_next(&format!("{one}?"));
    write_pressure(&colleague, &one, "133/83").await;
    line.wait_held();
    write_pressure(&colleague, &one, "135/85").await;
    line.release();
    browser.wait_text("135/85").await;

    // A bay that is opened for one person, then for another, watched on a page that belongs to neither.
    tablet.open("/bays/0").await;
    browser.find("#bay-now").await;
    line.hold_next("/bays/0");
    open_bay(&colleague, &one).await;
    line.wait_held();
    open_bay(&colleague, &two).await;
    browser.wait_text(TWO).await;
    line.release();
    assert_nothing_of_one(&browser, "135/85").await;
    browser.quit().await;
}
