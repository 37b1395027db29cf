//! The whole way: a card is read, a pressure measured and an ECG recorded while the cable is out; when it is back
//! everything is at the hub; what the hub adds to the chart is seen at the box.

use std::path::Path;

use harness::browser::{Browser, Screen};
use harness::cable::Cable;
use harness::clinic_box::{Bay, ClinicBox};
use harness::county_hub::CountyHub;
use harness::desk::Desk;
use harness::doctor::{CLINIC, CODE, DOCTOR, LOGIN, PASSWORD, Tablet};

use crate::privacy::assert_logs_name_nobody;

const NAME: &str = "刘志强";
const ID_NUMBER: &str = "110101196107120155";
const PHONE: &str = "13911112222";
const ALLERGEN: &str = "头孢拉定";
const COMPLAINT: &str = "胸闷三天";

fn bays() -> [Bay<'static>; 3] {
    [
        Bay {
            name: "诊桌血压",
            device: "omron-hbp9030",
            arguments: &["--duration", "20"],
        },
        Bay {
            name: "心电",
            device: "contec-8000g",
            arguments: &[],
        },
        Bay {
            name: "读卡",
            device: "idcard-sam",
            arguments: &[],
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_without_a_cable_is_at_the_hub_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = CountyHub::start(&folder.path().join("county"));
    let cable = Cable::to(hub.link());
    let token = hub.invite(CODE, CLINIC);
    let expert = hub.add_staff("expert", "孙专家");
    let clerk = hub.add_staff("consult_desk", "钱协调");
    let mut clinic = ClinicBox::start(&folder.path().join("clinic"), &bays());

    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    join(&tablet, &cable, &token).await;
    cable.cut();
    browser.find(".light-unreached").await;
    let patient = record_without_cable(&tablet, &mut clinic).await;
    cable.restore();
    tablet.open("/status").await;
    tablet.submit("form[action='/status/try'] button").await;
    browser.find(".light-synced").await;
    assert_eq!(pending(&clinic), 0, "● shows while something waits");

    let authority = hub.authority();
    let desk_browser = Browser::start_trusting(Screen::Desk, &authority, &[]).await;
    let desk = Desk::new(&desk_browser, hub.desk());
    desk.begin(&expert).await;
    see_it_all(&desk).await;
    tablet.open(&patient).await;
    add_allergy(&desk).await;
    browser.wait_text(ALLERGEN).await;
    let in_banner = format!("return document.querySelector('.banner').innerText.includes('{ALLERGEN}');");
    browser.wait_script("the allergy in the banner", &in_banner).await;
    desk.sign_out().await;
    desk.begin(&clerk).await;
    change_phone(&desk).await;
    browser.wait_text(PHONE).await;
    browser.screenshot("story-patient-after-hub").await;

    desk_browser.quit().await;
    browser.quit().await;
    same_fingerprints(&mut clinic, &mut hub);
    let used = [
        NAME,
        ID_NUMBER,
        PHONE,
        ALLERGEN,
        COMPLAINT,
        DOCTOR,
        LOGIN,
        PASSWORD,
        "142/92",
        "低盐",
        "孙专家",
    ];
    let (box_logs, hub_logs) = (clinic.logs(), hub.logs());
    assert_logs_name_nobody(&[&box_logs as &Path, &hub_logs], &used);
}

/// First start, with the hub joined over the cable.
async fn join(tablet: &Tablet<'_>, cable: &Cable, token: &str) {
    tablet.begin().await;
    let url = format!("https://{}", cable.address());
    tablet.send(&[("url", &url), ("token", token)]).await;
    tablet.submit("form[action='/start/hub/later'] button").await;
    tablet.finish_start().await;
    tablet.browser.find(".light-synced").await;
}

/// Card, pressure, ECG and a signed visit while the box is alone; gives the patient's path.
async fn record_without_cable(tablet: &Tablet<'_>, clinic: &mut ClinicBox) -> String {
    let browser = tablet.browser;
    clinic.at("读卡", &format!("card {ID_NUMBER} {NAME}"));
    let patient = tablet.register_card().await;
    browser.wait_text(NAME).await;

    tablet.open_bay(&patient, 0).await;
    tablet.open(&patient).await;
    browser
        .page
        .execute("window.untouched = true;", vec![])
        .await
        .unwrap();
    clinic.at("诊桌血压", "measure 142/92/76");
    browser.wait_text("142/92").await;
    let untouched = browser
        .page
        .execute("return window.untouched === true;", vec![])
        .await
        .unwrap();
    assert!(untouched.convert::<bool>().unwrap(), "the page was loaded anew");
    browser.screenshot("story-reading-arrived").await;

    tablet.record_ecg(&patient, 1).await;
    tablet.open_visit(&patient).await;
    tablet
        .type_in(&[("complaint", COMPLAINT), ("advice", "低盐饮食")])
        .await;
    tablet.pick_diagnosis("gxy").await;
    tablet.sign("3", "胸闷").await;

    let waiting = pending(clinic);
    assert!(waiting > 3, "{waiting}");
    browser.wait_text(&format!("县里未连通，已存 {waiting} 条")).await;
    browser.screenshot("story-signed-alone").await;
    patient
}

/// What the box itself says that waits for the hub.
fn pending(clinic: &ClinicBox) -> u64 {
    let status = clinic.verb("status", &["--json"]).json();
    status["pending"].as_u64().unwrap()
}

/// Patient page, visit and ECG at the hub.
async fn see_it_all(desk: &Desk<'_>) {
    let browser = desk.browser;
    desk.find_patient("lzq").await;
    browser.wait_text("142/92").await;
    browser.wait_text(COMPLAINT).await;
    browser.screenshot("story-hub-patient").await;
    let patient = browser.url().await;
    browser.submit("main a[href^='/visits/']").await;
    browser.wait_text("低盐饮食").await;
    browser.wait_text("胸闷").await;
    browser.screenshot("story-hub-visit").await;
    browser.open(&patient).await;
    browser.submit("main a[href^='/ecgs/']").await;
    browser.find("main svg").await;
    browser.wait_text("72").await;
    browser.screenshot("story-hub-ecg").await;
}

async fn add_allergy(desk: &Desk<'_>) {
    let browser = desk.browser;
    desk.find_patient("lzq").await;
    browser.submit("main a[href$='/chart']").await;
    browser
        .fill("form[action$='/chart/allergy'] [name=allergy_agent]", ALLERGEN)
        .await;
    browser
        .submit("form[action$='/chart/allergy'] .button-main")
        .await;
    browser.wait_text(ALLERGEN).await;
}

async fn change_phone(desk: &Desk<'_>) {
    let browser = desk.browser;
    desk.find_patient("lzq").await;
    browser.submit("main a[href$='/edit']").await;
    browser.fill("main [name=phone]", PHONE).await;
    browser.submit("main form .form-foot .button-main").await;
    browser.wait_text(PHONE).await;
}

/// Both ends hold the same, by their own word.
fn same_fingerprints(clinic: &mut ClinicBox, hub: &mut CountyHub) {
    clinic.stop();
    let there = hub.verb(&["verify"], &["--clinic", CODE, "--json"]).json();
    hub.stop();
    let here = clinic.verb("verify", &["--rebuild", "--json"]);
    assert_eq!(here.code, 0, "{} {}", here.out, here.err);
    assert_eq!(here.json()["fingerprint"], there["fingerprint"]);
    assert!(
        here.json()["fingerprint"]
            .as_str()
            .is_some_and(|print| print.len() > 16)
    );
}
