//! The box's own screen: a listener that shows the patients' page and nothing else, whoever sits before it, and the program
//! that runs a browser there while the box answers.

use std::path::Path;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::Tablet;
use harness::page_check;
use harness::programs::{Program, wait_until};

fn reader() -> [Bay<'static>; 1] {
    [Bay {
        name: "大厅读卡",
        device: "idcard-sam",
        arguments: &[],
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boxs_own_screen_is_a_kiosk_from_which_no_way_leads() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &reader());
    let (own, desk) = (
        Browser::start(Screen::Kiosk).await,
        Browser::start(Screen::Tablet).await,
    );
    let tablet = Tablet::new(&desk, &clinic.url("/"));
    tablet.found_clinic().await;
    let screen = Tablet::new(&own, &clinic.listener("screen"));
    screen.open("/").await;
    own.wait_text("请把身份证放在读卡区").await;
    assert_eq!(screen.path().await, "/kiosk");
    let faults = page_check::faults(&own, "own-screen", &[Screen::Kiosk]).await;
    assert!(faults.is_empty(), "{faults:#?}");

    // The doctor's pages are not there, and a page that says so goes by itself.
    for path in ["/sign-in", "/patients", "/health"] {
        screen.open(path).await;
        own.wait_text("您没有此项权限").await;
    }
    own.wait_text("请把身份证放在读卡区").await;

    // A press with whatever button is a press.
    for button in ["left", "middle", "right"] {
        screen.open("/kiosk").await;
        own.press_with(button, ".button-call").await;
        own.wait_text("已经呼叫医生").await;
        tablet.open("/").await;
        desk.wait_text("大厅读卡 呼叫医生").await;
        tablet.submit("form[action^='/calls/'] button").await;
    }
    own.quit().await;
    desk.quit().await;
}

/// A stand-in for a browser: writes down that it runs.
fn stand_in(folder: &Path) -> String {
    format!("echo $$ >>{}; exec sleep 100000", folder.join("runs").display())
}

fn runs(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn is_alive(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

#[test]
fn the_browser_runs_while_the_box_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &[]);
    let address = clinic.listener("screen");
    let address = address
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let script = stand_in(folder.path());
    let words = ["screen", "--pages", &address, "--", "/bin/sh", "-c", &script];
    let mut watch = Program::start("appliance", &words, &[], &clinic.logs());
    let browser = wait_until("the browser starts", || runs(folder.path()).pop());
    assert!(is_alive(&browser));
    clinic.stop();
    // Behind it stands what the lamp's program says about a box that does not answer.
    assert!(!watch.wait().success());
    assert!(!is_alive(&browser));
}
