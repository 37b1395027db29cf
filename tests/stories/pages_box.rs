//! Every page of the box, as people see it: two sizes of tablet, the kiosk, two languages, two text sizes.

use std::collections::{BTreeMap, VecDeque};

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::{SEND, Tablet};
use harness::page_check::faults;

const TABLETS: [Screen; 2] = [Screen::Tablet, Screen::TabletUpright];
/// A card, and the person who holds it.
const CARD: &str = "card 110101196107120155 刘志强";
const STRANGER: &str = "card 110101194902030117 陈伯安";

/// Pages that the walk must have met, as [`pattern`] writes them.
const PAGES: [&str; 31] = [
    "/",
    "/account",
    "/audit",
    "/bays",
    "/bays/_",
    "/bays/_/log",
    "/bays/_?patient",
    "/ecgs/_/_",
    "/help",
    "/more",
    "/patients",
    "/patients/_",
    "/patients/_/chart",
    "/patients/_/critical/_/_",
    "/patients/_/ecgs",
    "/patients/_/edit",
    "/patients/_/measure",
    "/patients/_/readings",
    "/patients/_/readings/_/_/withdraw",
    "/patients/_/readings/new",
    "/patients/_/visits",
    "/patients/new",
    "/residents",
    "/setup",
    "/setup/check",
    "/staff",
    "/staff/_",
    "/staff/new",
    "/status",
    "/tray/_",
    "/visits/_",
];

/// The shape of an address: identities and numbers become `_`, of a query only the names stay.
fn pattern(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_identity = |part: &str| part.chars().any(|c| c.is_ascii_digit());
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if is_identity(part) { "_" } else { part })
        .collect();
    let names: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        parts.join("/")
    } else {
        format!("{}?{}", parts.join("/"), names.join("&"))
    }
}

/// A walk over a box's pages, with what it found.
struct Walk<'a> {
    tablet: &'a Tablet<'a>,
    found: Vec<String>,
}

impl Walk<'_> {
    fn browser(&self) -> &Browser {
        self.tablet.browser
    }

    /// Looks at the page that stands there.
    async fn look(&mut self, name: &str) {
        let seen = faults(self.browser(), name, &TABLETS).await;
        self.found.extend(seen);
    }

    /// Looks at an address in both languages; ends in Chinese.
    async fn look_at(&mut self, path: &str, name: &str) {
        for lang in ["zh", "en"] {
            self.browser().speak(lang).await;
            self.tablet.open(path).await;
            self.look(&format!("{name}-{lang}")).await;
        }
        self.browser().speak("zh").await;
    }

    /// The kiosk's screen as it stands, in both languages.
    async fn look_at_kiosk(&mut self, name: &str) {
        self.browser().resize(Screen::Kiosk).await;
        for lang in ["zh", "en"] {
            self.browser().speak(lang).await;
            self.tablet.open("/kiosk").await;
            let seen = faults(self.browser(), &format!("{name}-{lang}"), &[Screen::Kiosk]).await;
            self.found.extend(seen);
        }
        self.browser().speak("zh").await;
        self.tablet.open("/kiosk").await;
    }

    /// Follows links from page to page; one example of each shape.
    async fn crawl(&mut self, starts: &[&str]) -> BTreeMap<String, String> {
        let mut examples = BTreeMap::new();
        let mut ahead: VecDeque<String> = starts.iter().map(|start| (*start).to_owned()).collect();
        while let Some(path) = ahead.pop_front() {
            let shape = pattern(&path);
            if shape.contains("/assets/")
                || shape.contains('.')
                || shape.contains("range")
                || examples.contains_key(&shape)
            {
                continue;
            }
            examples.insert(shape, path.clone());
            self.tablet.open(&path).await;
            ahead.extend(self.links().await);
        }
        examples
    }

    /// Addresses of this box that the page links to.
    async fn links(&self) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll('a[href]')].filter((a) => a.origin === location.origin)
            .map((a) => a.pathname + a.search);";
        self.browser()
            .page
            .execute(script, vec![])
            .await
            .unwrap()
            .convert()
            .unwrap()
    }
}

fn bays() -> [Bay<'static>; 3] {
    [
        Bay {
            name: "诊桌血压",
            device: "omron-hbp9030",
            arguments: &["--duration", "15"],
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
    let mut walk = Walk {
        tablet: &tablet,
        found: Vec::new(),
    };
    first_start(&mut walk).await;
    let examples = furnish(&mut walk, &mut clinic).await;
    for (shape, path) in &examples {
        walk.look_at(path, &shape.replace(['/', '?', '&'], "-")).await;
    }
    at_the_kiosk(&mut walk, &mut clinic).await;
    leave(&mut walk).await;
    let found = walk.found;
    browser.quit().await;
    for page in PAGES {
        assert!(
            examples.contains_key(page),
            "{page} is linked from nowhere; met: {:?}",
            examples.keys()
        );
    }
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
}

/// First start, each step looked at on the way, refusals too.
async fn first_start(walk: &mut Walk<'_>) {
    let tablet = walk.tablet;
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
async fn furnish(walk: &mut Walk<'_>, clinic: &mut ClinicBox) -> BTreeMap<String, String> {
    let tablet = walk.tablet;
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
    tablet.press("main section.card .form-foot .button-main").await;
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
    tablet.press(".confirm .button-main").await;
    let critical = tablet.arrive("/critical/").await;
    let reading = critical.split("/critical/").nth(1).unwrap();
    let withdraw = format!("{first}/readings/{reading}/withdraw");

    tablet.open_visit(&second).await;
    tablet
        .type_in(&[("complaint", "头晕两天"), ("advice", "低盐饮食,一周后复诊")])
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
    tablet.press("#card form .button-main").await;
    clinic.at("大厅读卡", "lift");
    tablet.open_visit(&first).await;
    tablet.type_in(&[("complaint", "血压偏高")]).await;
    browser.wait_text("草稿已保存").await;
    let search = "/patients?q=wxy";
    walk.crawl(&[
        "/",
        &first,
        &critical,
        &withdraw,
        search,
        "/setup",
        "/setup/check",
        "/tray",
        "/nowhere",
    ])
    .await
}

/// The kiosk, screen by screen.
async fn at_the_kiosk(walk: &mut Walk<'_>, clinic: &mut ClinicBox) {
    let tablet = walk.tablet;
    let browser = tablet.browser;
    tablet.open("/kiosk").await;
    walk.look_at_kiosk("kiosk-welcome").await;
    clinic.at("大厅读卡", STRANGER);
    browser.wait_text("请找医生").await;
    walk.look_at_kiosk("kiosk-stranger").await;
    clinic.at("大厅读卡", "lift");
    tablet.press("button[value=leave]").await;
    browser.wait_text("放在读卡区").await;
    clinic.at("大厅读卡", CARD);
    browser.wait_text("您是").await;
    walk.look_at_kiosk("kiosk-confirm").await;
    tablet.press("button[value=yes]").await;
    browser.wait_text("您想测什么").await;
    walk.look_at_kiosk("kiosk-choose").await;
    tablet.press("button[value=bay-0]").await;
    browser.wait_text("正在测量").await;
    clinic.at("诊桌血压", "measure 128/78/70");
    walk.look_at_kiosk("kiosk-measure").await;
    browser.wait_text("您的结果").await;
    walk.look_at_kiosk("kiosk-result").await;
    tablet.press("button[value=leave]").await;
    tablet.press(".button-call").await;
    walk.look("kiosk-called").await;
    clinic.at("大厅读卡", "lift");
    browser.resize(Screen::Tablet).await;
    walk.look_at("/", "today-called").await;
}

/// The doors: locked, signed out, refused.
async fn leave(walk: &mut Walk<'_>) {
    let tablet = walk.tablet;
    tablet.open("/").await;
    tablet.lock().await;
    walk.look_at("/unlock", "unlock").await;
    tablet.open("/unlock").await;
    tablet.press("form[action='/sign-out'] button").await;
    walk.look_at("/sign-in", "sign-in").await;
    tablet.open("/sign-in").await;
    tablet.press(SEND).await;
    walk.look("sign-in-refused").await;
}
