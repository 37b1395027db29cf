//! Everything that the programs log when they log all they can (level "trace", which holds "debug" too), while people
//! register, measure, search, write, import, synchronise, carry a stick and back up: no name, number, reading or secret.

use std::path::{Path, PathBuf};

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox, WIFI_PASSWORD};
use harness::county_hub::{CountyHub, SignIn};
use harness::desk::{self, Desk};
use harness::doctor::{CLINIC, CODE, DOCTOR, LOGIN, PASSWORD, PIN, SEND, Tablet};
use harness::logs::keep;
use harness::programs::{Said, run, wait_until};
use serde_json::json;

use crate::privacy::assert_logs_name_nobody;

/// Who comes with a card, and what is found and written of them.
const CARD: (&str, &str) = ("110101196107120155", "刘志强");
/// Who is typed in.
const TYPED: (&str, &str, &str) = ("110101195804010029", "王秀英", "13855556666");
/// Who comes from a file of another program.
const IMPORTED: (&str, &str, &str) = ("110101194902030117", "陈伯安", "13722223333");
/// Who comes from a list of residents; the second line of it is refused.
const LISTED: (&str, &str) = ("欧阳示范", "13644445555");
const REFUSED: &str = "司徒不收";
/// What the cuff measures, and what somebody types.
const MEASURED: &str = "147/96";
const TYPED_PRESSURE: &str = "189/117";
const IMPORTED_PRESSURE: &str = "183/119";
const COMPLAINT: &str = "胸闷三天伴心悸";
const ADVICE: &str = "低盐饮食并复诊";
const ALLERGEN: &str = "头孢拉定";
const NEW_PHONE: &str = "13911112222";
const WRONG_PASSWORD: &str = "not-my-password-77";

fn bays() -> [Bay<'static>; 2] {
    [
        Bay {
            name: "诊桌血压",
            device: "omron-hbp9030",
            arguments: &["--duration", "20"],
        },
        Bay {
            name: "大厅读卡",
            device: "idcard-sam",
            arguments: &[],
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_log_everything_log_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = CountyHub::start_telling(&folder.path().join("county"), "trace");
    let token = hub.invite(CODE, CLINIC);
    let expert = hub.add_staff("expert", "孙专家");
    let clerk = hub.add_staff("consult_desk", "钱协调");
    let mut clinic = ClinicBox::start_telling(&folder.path().join("clinic"), &bays(), "trace");

    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    join(&tablet, &hub, &token).await;
    tablet.sign_out().await;
    tablet.open("/sign-in").await;
    tablet
        .send(&[("user", LOGIN), ("password", WRONG_PASSWORD)])
        .await;

    clinic.stop();
    import(&clinic, folder.path());
    clinic.serve();
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    tablet.sign_in().await;
    people_come(&tablet, &mut clinic).await;
    at_the_kiosk(&tablet, &mut clinic).await;
    take_list(&tablet, folder.path()).await;
    tablet.open("/status").await;
    tablet.submit("form[action='/status/try'] button").await;
    wait_until("everything is at the hub", || {
        let status = clinic.verb("status", &["--json"]).json();
        (status["pending"] == 0).then_some(())
    });
    browser.quit().await;

    let desk_browser = Browser::start_trusting(Screen::Desk, &hub.authority(), &[]).await;
    at_the_desk(&Desk::new(&desk_browser, hub.desk()), &expert, &clerk).await;
    desk_browser.quit().await;

    let recovery_key = carry_and_keep(&mut clinic, &mut hub, folder.path());
    let used = [
        CARD.0,
        CARD.1,
        TYPED.0,
        TYPED.1,
        TYPED.2,
        IMPORTED.0,
        IMPORTED.1,
        IMPORTED.2,
        LISTED.0,
        LISTED.1,
        REFUSED,
        MEASURED,
        "147,096",
        "147, 96",
        "systolic: 147",
        TYPED_PRESSURE,
        "189, 117",
        IMPORTED_PRESSURE,
        "183,119",
        COMPLAINT,
        ADVICE,
        ALLERGEN,
        NEW_PHONE,
        DOCTOR,
        PASSWORD,
        WRONG_PASSWORD,
        desk::PASSWORD,
        WIFI_PASSWORD,
        "孙专家",
        "钱协调",
        &format!("pin={PIN}"),
        &token,
        &recovery_key,
        &expert.password,
    ];
    let (box_logs, hub_logs) = (clinic.logs(), hub.logs());
    for (logs, name) in [(&box_logs, "appliance.log"), (&hub_logs, "sync-server.log")] {
        let log = std::fs::read_to_string(logs.join(name)).unwrap();
        for level in ["\"TRACE\"", "\"DEBUG\""] {
            assert!(log.contains(level), "{name} has no line of level {level}");
        }
    }
    assert_logs_name_nobody(&[&box_logs as &Path, &hub_logs], &used);
}

/// First start, joined to the hub.
async fn join(tablet: &Tablet<'_>, hub: &CountyHub, token: &str) {
    tablet.begin().await;
    let url = format!("https://{}", hub.link());
    tablet.send(&[("url", &url), ("token", token)]).await;
    tablet.submit("form[action='/start/hub/later'] button").await;
    tablet.finish_start().await;
    tablet.browser.find(".light-synced").await;
}

/// Lines of another program, one of them refused.
fn import(clinic: &ClinicBox, folder: &Path) {
    let (number, name, phone) = IMPORTED;
    let lines = [
        json!({"t": "patient", "id": "P1", "name": name, "id_number": number, "phone": phone, "birth_date": "1949-02-03"}),
        json!({"t": "encounter", "id": "E1", "patient": "P1", "started_at": "2024-01-01T08:00:00", "chief_complaint": COMPLAINT}),
        json!({"t": "vital", "id": "V1", "patient": "P1", "encounter": "E1", "kind": "bp", "values": [183, 119, 77], "taken_at": "2024-01-01T08:05:00"}),
        json!({"t": "encounter", "id": "E2", "patient": "P404", "history": REFUSED}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = folder.join("lines.ndjson");
    std::fs::write(&file, text).unwrap();
    let said = clinic.verb("import", &[file.to_str().unwrap(), "--json"]);
    let told = said.json();
    assert_eq!(
        (&told["new"], &told["refused"]),
        (&json!(3), &json!(1)),
        "{}",
        said.err
    );
    keep(&clinic.logs(), "import", &said);
}

/// One is registered by card, one is typed in; what is found and written of them.
async fn people_come(tablet: &Tablet<'_>, clinic: &mut ClinicBox) {
    let browser = tablet.browser;
    clinic.at("大厅读卡", &format!("card {} {}", CARD.0, CARD.1));
    tablet.register_card().await;
    browser.wait_text(CARD.1).await;
    clinic.at("大厅读卡", "lift");
    let (number, name, phone) = TYPED;
    let person = [("name", name), ("id_number", number), ("phone", phone)];
    let patient = tablet.register(&person, "none").await;
    tablet.add_allergy(&patient, ALLERGEN).await;
    tablet.open(&format!("{patient}/readings/new")).await;
    tablet.send(&[("bp", TYPED_PRESSURE)]).await;
    let asks = tablet.path().await.contains("/readings/new");
    if asks {
        tablet.submit(".confirm .button-main").await;
    }
    tablet.open_visit(&patient).await;
    tablet
        .type_in(&[("complaint", COMPLAINT), ("advice", ADVICE)])
        .await;
    tablet.pick_diagnosis("gxy").await;
    tablet.sign("3", "胸闷").await;
    for query in [name, number, &phone[7..], CARD.1] {
        tablet.open("/patients").await;
        browser.fill("#q", query).await;
        browser.find("#hits a[data-hit]").await;
        tablet.open(&format!("/patients?q={query}")).await;
        browser.find("a[data-hit]").await;
    }
}

async fn at_the_kiosk(tablet: &Tablet<'_>, clinic: &mut ClinicBox) {
    let browser = tablet.browser;
    tablet.open("/kiosk").await;
    clinic.at("大厅读卡", &format!("card {} {}", CARD.0, CARD.1));
    browser.wait_text("您是").await;
    tablet.submit("button[value=yes]").await;
    browser.wait_text("您想测什么").await;
    tablet.submit("button[value=bay-0]").await;
    clinic.at("诊桌血压", &format!("measure {MEASURED}/79"));
    browser.wait_text("您的结果").await;
    clinic.at("大厅读卡", "lift");
    browser.wait_text("放在读卡区").await;
}

/// The list of residents out, and another one in.
async fn take_list(tablet: &Tablet<'_>, folder: &Path) {
    let file = folder.join("list.csv");
    let list = format!(
        "姓名,出生日期,联系电话\n{},1970-05-06,{}\n{REFUSED},不是日期,1\n",
        LISTED.0, LISTED.1
    );
    std::fs::write(&file, list).unwrap();
    tablet.open("/residents").await;
    let given =
        "const done = arguments[0]; fetch('/residents.csv').then((answer) => answer.text()).then(done);";
    let out = tablet.browser.page.execute_async(given, vec![]).await.unwrap();
    assert!(out.convert::<String>().unwrap().contains(TYPED.1));
    let field = tablet.browser.find("main input[type=file]").await;
    field.send_keys(file.to_str().unwrap()).await.unwrap();
    tablet.submit(SEND).await;
    tablet.open(&format!("/patients?q={}", LISTED.0)).await;
    tablet.browser.find("a[data-hit]").await;
}

async fn at_the_desk(desk: &Desk<'_>, expert: &SignIn, clerk: &SignIn) {
    let browser = desk.browser;
    desk.begin(expert).await;
    desk.find_patient(TYPED.0).await;
    browser.wait_text(COMPLAINT).await;
    desk.sign_out().await;
    desk.begin(clerk).await;
    desk.find_patient("wxy").await;
    browser.submit("main a[href$='/edit']").await;
    browser.fill("main [name=phone]", NEW_PHONE).await;
    browser.submit("main form .form-foot .button-main").await;
    browser.wait_text(NEW_PHONE).await;
    desk.sign_out().await;
}

/// A sync of one contact, a stick there and back, backups and a restore; the recovery key.
fn carry_and_keep(clinic: &mut ClinicBox, hub: &mut CountyHub, folder: &Path) -> String {
    let (box_logs, hub_logs) = (clinic.logs(), hub.logs());
    let kept = |logs: &PathBuf, name: &str, said: Said| {
        assert_eq!(said.code, 0, "{name}: {} {}", said.out, said.err);
        keep(logs, name, &said);
        said.out
    };
    clinic.stop();
    kept(&box_logs, "sync", clinic.verb("sync", &["--once", "--json"]));
    let place = |name: &str| folder.join(name).display().to_string();
    let stick = place("stick");
    std::fs::create_dir(&stick).unwrap();
    kept(&box_logs, "bundle-export", bundle(clinic, "export", &stick));
    hub.stop();
    kept(
        &hub_logs,
        "bundle-import",
        hub.verb(&["bundle", "import"], &[&stick]),
    );
    kept(
        &hub_logs,
        "bundle-answer",
        hub.verb(&["bundle", "export"], &[&stick]),
    );
    kept(&box_logs, "bundle-back", bundle(clinic, "import", &stick));

    let key = kept(&box_logs, "recovery-key", clinic.verb("recovery-key", &[]));
    let backup = place("box.backup");
    kept(&box_logs, "backup", clinic.verb("backup", &[&backup, "--json"]));
    kept(&hub_logs, "hub-key", hub.verb(&["recovery-key"], &[]));
    kept(
        &hub_logs,
        "hub-backup",
        hub.verb(&["backup"], &[&place("hub.backup"), "--json"]),
    );
    let (identity, restored) = (place("identity"), place("restored"));
    std::fs::write(&identity, &key).unwrap();
    let restore = ["restore", &backup, "--data", &restored, "--identity", &identity];
    kept(&box_logs, "restore", run("appliance", &restore, b""));
    let secret = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"));
    secret.unwrap_or_else(|| panic!("no key: {key}")).to_owned()
}

/// The stick at the box.
fn bundle(clinic: &ClinicBox, way: &str, stick: &str) -> Said {
    run(
        "appliance",
        &["bundle", way, "--data", &clinic.data(), stick],
        b"",
    )
}
