//! Every page of the box, as people see it: two sizes of tablet, the kiosk, two languages, two text sizes.

use std::collections::BTreeMap;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::{SEND, Tablet};
use harness::walk::Walk;

use crate::page_list;

const TABLETS: [Screen; 2] = [Screen::Tablet, Screen::TabletUpright];
/// A card, and the person who holds it.
const CARD: &str = "card 110101196107120155 刘志强";
const STRANGER: &str = "card 110101194902030117 陈伯安";

/// Pages with a query that show something else than those without; all others are read off the router.
const ASKED: [&str; 3] = ["/bays/_?patient", "/patients?q", "/patients?show"];

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
            name: "大厅读卡",
            device: "idcard-sam",
            arguments: &[],
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_box_can_be_read_and_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &bays());
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let mut walk = Walk::new(&browser, &clinic.url("/"), &TABLETS);
    first_start(&mut walk, &tablet).await;
    let examples = furnish(&mut walk, &tablet, &mut clinic).await;
    for (shape, path) in &examples {
        walk.look_at(path, &shape.replace(['/', '?', '&'], "-")).await;
    }
    at_the_kiosk(&mut walk, &tablet, &mut clinic).await;
    leave(&mut walk, &tablet).await;
    let (found, seen) = (walk.found, walk.seen);
    browser.quit().await;
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
    let mut pages = page_list::of_box().await;
    pages.extend(ASKED.map(str::to_owned));
    page_list::assert_all_seen(&pages, &seen);
}

/// First start, each step looked at on the way, refusals too.
async fn first_start(walk: &mut Walk<'_>, tablet: &Tablet<'_>) {
    tablet.open("/start/language").await;
    walk.look_at("/start/language", "start-language").await;
    tablet.open("/").await;
    tablet.send(&[]).await;
    walk.look_at("/start/clinic", "start-clinic").await;
    tablet.send(&[]).await;
    walk.look("start-clinic-refused").await;
    tablet.name_clinic().await;
    walk.look_at("/start/doctor", "start-doctor").await;
    tablet.open("/start").await;
    tablet.enter_doctor().await;
    walk.look_at("/start/hub", "start-hub").await;
    tablet.open("/start").await;
    tablet.without_hub().await;
    walk.look_at("/start/tablet", "start-tablet").await;
    tablet.open("/start").await;
    tablet.finish_start().await;
    walk.look("empty-today").await;
}

/// Puts something on every page, looking at what only shows on the way; one example of each page.
async fn furnish(
    walk: &mut Walk<'_>,
    tablet: &Tablet<'_>,
    clinic: &mut ClinicBox,
) -> BTreeMap<String, String> {
    let browser = tablet.browser;
    let long = [
        ("name", "阿卜杜热依木·阿卜杜克热木"),
        ("birth", "1949-02-03"),
        ("village", "青石村"),
        ("phone", "13900000000"),
    ];
    let second = tablet.register(&long, "none").await;
    let first = tablet
        .register(
            &[
                ("name", "王秀英"),
                ("id_number", "110101195804010029"),
                ("phone", "13800000000"),
            ],
            "none",
        )
        .await;
    tablet.open("/patients/new").await;
    tablet.submit("main section.card .form-foot .button-main").await;
    walk.look("register-refused").await;
    tablet.add_allergy(&second, "青霉素").await;

    for pressure in ["138/86/77", "151/93/80"] {
        tablet.open(&format!("{first}/readings/new")).await;
        tablet
            .send(&[("bp", pressure), ("temp", "36.5"), ("glucose", "6.1")])
            .await;
    }
    tablet.open(&format!("{first}/readings/new")).await;
    tablet.send(&[("bp", "232/131")]).await;
    walk.look("reading-doubted").await;
    tablet.submit(".confirm .button-main").await;
    let critical = tablet.arrive("/critical/").await;
    let reading = critical.split("/critical/").nth(1).unwrap();
    let withdraw = format!("{first}/readings/{reading}/withdraw");

    tablet.open_visit(&second).await;
    tablet
        .type_in(&[("complaint", "头晕两天"), ("advice", "低盐饮食，一周后复诊")])
        .await;
    tablet.pick_diagnosis("gxy").await;
    walk.look("visit-form").await;
    let signed = tablet.sign("2", "头晕").await;
    walk.look_at(&signed, "visit-signed").await;

    tablet.record_ecg(&first, 1).await;
    clinic.at("诊桌血压", "measure 151/93/80");
    tablet.open("/tray").await;
    browser.find("main a[href^='/tray/']").await;
    clinic.at("大厅读卡", CARD);
    tablet.open("/patients/new").await;
    browser.find("#card form .button-main").await;
    walk.look_at("/patients/new", "register-card").await;
    tablet.open("/patients/new").await;
    tablet.submit("#card form .button-main").await;
    clinic.at("大厅读卡", "lift");
    tablet.open_visit(&first).await;
    tablet.type_in(&[("complaint", "血压偏高")]).await;
    browser.wait_text("草稿已保存").await;
    let bay = format!("/bays/0?patient={}", first.trim_start_matches("/patients/"));
    let (ecgs, visits) = (format!("{first}/ecgs"), format!("{first}/visits"));
    clash_births(tablet, &second).await;
    let same = format!("{first}/same");
    let search = "/patients?q=wxy";
    walk.crawl(&[
        "/",
        "/update",
        &first,
        &critical,
        &bay,
        &ecgs,
        &visits,
        &withdraw,
        &same,
        search,
        "/patients?show=clash",
        "/links",
        "/status/aside",
        "/setup",
        "/setup/check",
        "/tray",
        "/nowhere",
    ])
    .await
}

/// Two tabs that were opened at the same state give somebody two birth dates.
async fn clash_births(tablet: &Tablet<'_>, patient: &str) {
    let browser = tablet.browser;
    let edit = format!("{patient}/edit");
    let first = browser.tab().await;
    tablet.open(&edit).await;
    let second = browser.new_tab().await;
    tablet.open(&edit).await;
    for (tab, birth) in [(&first, "1949-02-04"), (&second, "1949-03-03")] {
        browser.go_to_tab(tab).await;
        browser.fill("main [name=birth]", birth).await;
        tablet.submit("main form .form-foot .button-main").await;
        browser.find(".banner").await;
    }
    browser.page.close_window().await.unwrap();
    browser.go_to_tab(&first).await;
    tablet.open("/patients?show=clash").await;
    browser.find("main a[data-hit]").await;
}

/// The kiosk, screen by screen.
async fn at_the_kiosk(walk: &mut Walk<'_>, tablet: &Tablet<'_>, clinic: &mut ClinicBox) {
    let browser = tablet.browser;
    tablet.open("/kiosk").await;
    // What the kiosk said to the person who was then registered may stand there still.
    let leave = "document.querySelector('button[value=leave]')?.click();";
    browser.page.execute(leave, vec![]).await.unwrap();
    browser.wait_text("请把身份证放在读卡区").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-welcome").await;
    clinic.at("大厅读卡", STRANGER);
    browser.wait_text("请找医生").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-stranger").await;
    clear(tablet, clinic).await;
    clinic.at("大厅读卡", "fail 1");
    browser.wait_text("请找医生").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-unreadable").await;
    clear(tablet, clinic).await;

    clinic.at("大厅读卡", CARD);
    browser.wait_text("您是").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-confirm").await;
    tablet.submit("button[value=yes]").await;
    browser.wait_text("您想测什么").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-choose").await;
    // The cuff inflates before anybody chose it: what it finds is not known to be this person's.
    clinic.at("诊桌血压", "measure 131/82/71");
    tablet.submit("button[value=bay-0]").await;
    browser.wait_text("把手臂放进袖带").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-measure").await;
    browser.wait_text("已交给医生").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-handed").await;
    tablet.submit("button[value=again]").await;
    clinic.at("诊桌血压", "fail 7");
    browser.wait_text("这次没有测成").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-failed").await;
    tablet.submit("button[value=again]").await;
    clinic.at("诊桌血压", "measure 128/78/70");
    browser.wait_text("您的结果").await;
    walk.look_on(Screen::Kiosk, "/kiosk", "kiosk-result").await;
    tablet.submit("button[value=leave]").await;
    tablet.submit(".button-call").await;
    walk.look_here(Screen::Kiosk, "kiosk-called").await;
    clinic.at("大厅读卡", "lift");
    browser.resize(Screen::Tablet).await;
    walk.look_at("/", "today-called").await;
}

/// The next person's hand is slower than the reader, which is asked some times a second.
async fn clear(tablet: &Tablet<'_>, clinic: &mut ClinicBox) {
    clinic.at("大厅读卡", "lift");
    tablet.submit("button[value=leave]").await;
    tablet.open("/patients/new").await;
    tablet.browser.wait_text("把身份证放在读卡器上").await;
    tablet.open("/kiosk").await;
}

/// The doors: locked, signed out, refused.
async fn leave(walk: &mut Walk<'_>, tablet: &Tablet<'_>) {
    tablet.open("/").await;
    tablet.lock().await;
    walk.look_at("/unlock", "unlock").await;
    tablet.open("/unlock").await;
    tablet.submit("form[action='/sign-out'] button").await;
    walk.look_at("/sign-in", "sign-in").await;
    tablet.open("/sign-in").await;
    tablet.submit(SEND).await;
    walk.look("sign-in-refused").await;
}
