//! The desks as a browser without scripts sees them, over a real store in a folder of its own.

mod county;
mod desk;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode};
use desk::Desk;
use records::ecgs::{EcgMeta, add_ecg};
use records::ids::{ClinicCode, EcgId, EncounterId, PatientId};
use records::patients::AllergyState;
use records::staff::Role;
use records::units::Bpm;
use shell::closing::Closing;
use shell::keeping::Keeping;
use store::{AlarmKind, AuditAct, AuditFilter, By, Commit, Lane, Store, Target, Write};
use tempfile::TempDir;
use web::guard::Access;

use crate::clock::HubClock;
use crate::live::Live;
use crate::state::HubState;
use crate::{clinics, router, staff};

const NAME: &str = "吕小兰";
const PASSWORD: &str = "correct horse battery";
const LINES: [&str; 4] = [
    r#"{"t":"clinic","code":"0017","region":"410124","town":"石门镇","villages":["柳树村"],"doctors":["冯素云"],"device":"BOX-0017-A"}"#,
    r#"{"t":"patient","id":"P1","clinic":"0017","name":"吕小兰","sex":"女","birth_date":"1958-04-01","id_no":"","phone":"13900001234","village":"柳树村","group":"3组"}"#,
    r#"{"t":"encounter","id":"E1","patient":"P1","clinic":"0017","doctor":"冯素云","started_at":"2026-03-05T10:45:38","chief_complaint":"头晕3天","history":"无","exam":"","advice":"复查"}"#,
    r#"{"t":"vital","id":"V1","patient":"P1","encounter":"E1","kind":"bp","values":[168,102,77],"taken_at":"2026-03-05T10:50:07","device":"HBP-9030/1","quality":"ok"}"#,
];

/// A hub with a clinic, a resident with a visit, a reading and an ECG, and staff of each kind.
struct Bench {
    state: HubState,
    router: Router,
    patient: PatientId,
    visit: EncounterId,
    ecg: EcgId,
    _switch: tokio::sync::watch::Sender<bool>,
    _folder: TempDir,
    disk: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let disk = TempDir::new().unwrap();
        let store = open(&folder);
        let code = clinic();
        clinics::add(&store, &code, "石桥村卫生室").await.unwrap();
        let lines = LINES.into_iter().map(|line| Ok(line.as_bytes().to_vec()));
        let report = store.import(lines, Box::new(|_| {})).await.unwrap();
        assert_eq!(report.refused, 0, "{report:?}");
        let patient = store.patients_page(None, 1).await.unwrap()[0].id;
        let visit = store.visits_of(patient, 1).await.unwrap()[0].id;
        for (role, name) in [
            (Role::HubAdministrator, "管理员"),
            (Role::Expert, "何县医"),
            (Role::ReferralDesk, "转诊台"),
            (Role::Auditor, "审计员"),
        ] {
            staff::settle(&store, role, name, PASSWORD).await.unwrap();
        }
        let ecg = EcgId([9; 8]);
        record(&store, visit, ecg, vec![0]).await;
        let (switch, closing) = Closing::new();
        let state = HubState {
            keeping: Keeping::at(vec![disk.path().to_owned()]),
            clock: Arc::clone(store.clock()),
            store,
            live: Live::default(),
            sign_in: HubState::limits(),
            secure: false,
            link: Some(Arc::from("https://127.0.0.1:9443")),
            closing,
            notice: None,
        };
        Self {
            router: router::pages(state.clone()),
            state,
            patient,
            visit,
            ecg,
            _switch: switch,
            _folder: folder,
            disk,
        }
    }

    async fn desk(&self, user: &str) -> Desk {
        let mut desk = Desk::new(&self.router);
        let answer = desk.sign_in(user, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        desk
    }
}

fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

fn open(folder: &TempDir) -> Store {
    open_as(folder, store::Side::Hub)
}

fn open_as(folder: &TempDir, side: store::Side) -> Store {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    let clock = Arc::new(HubClock::start());
    let options = store::OpenOptions {
        password_cost_kib: Some(64),
        ..store::OpenOptions::new(side, clock, random)
    };
    Store::open(folder.path(), options).unwrap()
}

/// Puts an ECG into a visit; its samples are given with it or not.
async fn record(store: &Store, visit: EncounterId, id: EcgId, samples: Vec<u8>) {
    let meta = EcgMeta {
        id,
        blob: sync_core::blobs::blob_id(&samples),
        preview: None,
        rate_hz: 500,
        leads: vec!["I".to_owned(), "II".to_owned()],
        duration_ms: 10_000,
        taken: store.clock().now(),
        device: "contec-8000g".to_owned(),
        serial: String::new(),
        heart_rate: Bpm::new(72).ok(),
        gaps: 0,
        clipped: false,
        by: None,
        withdrawn: None,
    };
    let write = Write::new(Target::Existing(visit.doc()), add_ecg(&meta));
    let commit = Commit::new(By::System, AuditAct::EcgRecord, vec![write]);
    store.commit(commit).await.unwrap();
}

#[tokio::test]
async fn every_page_answers_in_both_languages_and_no_text_is_missing() {
    let bench = Bench::new().await;
    let mut seen = 0;
    for user in ["管理员", "何县医", "转诊台", "审计员"] {
        let mut desk = bench.desk(user).await;
        let staff = bench.state.store.staff().await.unwrap();
        for line in router::table(&bench.state) {
            if line.method != Method::GET || line.path.starts_with("/assets") || line.path == "/live" {
                continue;
            }
            let of_staff = line.path.starts_with("/staff");
            let id = if of_staff {
                staff[0].id.to_string()
            } else {
                bench.patient.to_string()
            };
            let id = if line.path.starts_with("/visits") {
                bench.visit.to_string()
            } else {
                id
            };
            let path = line.path.replace("{id}", &id).replace("{code}", "0017");
            let path = path
                .replace("{doc}", &bench.visit.to_string())
                .replace("{ecg}", &bench.ecg.to_string());
            let allowed = match line.access {
                Access::May(action) => staff
                    .iter()
                    .any(|member| member.name == user && member.may(action)),
                Access::Open | Access::LockedToo | Access::SignedIn => true,
                Access::Kiosk => false,
            };
            for language in ["zh", "en"] {
                desk.speak(language);
                let answer = desk.get(&path).await;
                assert!(!answer.body.contains('⟦'), "{path}: {}", answer.body);
                if allowed {
                    let good = answer.status.is_success() || answer.status == StatusCode::SEE_OTHER;
                    assert!(good, "{user} {path}: {} {}", answer.status, answer.body);
                    seen += 1;
                } else {
                    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{user} {path}");
                }
                let title = answer.body.split("</title>").next().unwrap_or_default();
                assert!(!title.contains(NAME), "a title names a patient: {path}");
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_the_door_and_a_wrong_password_stays_there() {
    let bench = Bench::new().await;
    let mut desk = Desk::new(&bench.router);
    let answer = desk.get("/patients").await;
    assert!(answer.location.starts_with("/sign-in"), "{}", answer.location);
    let answer = desk.sign_in("何县医", "wrong").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("不对"), "{}", answer.body);
    let answer = desk.sign_in("hexianyi", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn staff_of_a_clinic_have_no_desk() {
    let bench = Bench::new().await;
    let store = &bench.state.store;
    let code = clinic();
    let doctor = staff::add(store, By::System, Role::VillageDoctor, "冯素云", Some(&code))
        .await
        .unwrap();
    let mut desk = Desk::new(&bench.router);
    let answer = desk.sign_in(&doctor.user, &doctor.password).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("诊室的平板"), "{}", answer.body);
}

#[tokio::test]
async fn the_resident_is_found_and_read() {
    let bench = Bench::new().await;
    let mut desk = bench.desk("何县医").await;
    let answer = desk.get("/patients?q=lxl").await;
    assert!(answer.body.contains(NAME), "{}", answer.body);
    let page = desk.get(&format!("/patients/{}", bench.patient)).await;
    assert!(
        page.body.contains("168") && page.body.contains("石桥村卫生室"),
        "{}",
        page.body
    );
    let visit = desk.get(&format!("/visits/{}", bench.visit)).await;
    assert!(visit.body.contains("头晕3天") && visit.body.contains("写好于"));
    let ecg = desk.get(&format!("/ecgs/{}/{}", bench.visit, bench.ecg)).await;
    assert!(
        ecg.body.contains("波形还在路上") && ecg.body.contains("72"),
        "{}",
        ecg.body
    );
}

#[tokio::test]
async fn an_edit_of_the_chart_lands_in_the_store_once() {
    let bench = Bench::new().await;
    let mut desk = bench.desk("何县医").await;
    let at = format!("/patients/{}/chart", bench.patient);
    let page = desk.get(&at).await;
    let action = format!("{at}/allergy");
    let fields = [("allergy_agent", "青霉素"), ("allergy_reaction", "皮疹")];
    for _ in 0..2 {
        let answer = desk.send(&page, &action, &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }
    let chart = bench
        .state
        .store
        .chart(bench.patient)
        .await
        .unwrap()
        .unwrap()
        .value;
    let AllergyState::Known(known) = &chart.allergies else {
        panic!("{:?}", chart.allergies)
    };
    assert_eq!(
        known.iter().map(|one| one.agent.as_str()).collect::<Vec<_>>(),
        ["青霉素"]
    );
    let refused = desk
        .send(
            &desk_page(&mut bench.desk("何县医").await, &at).await,
            &action,
            &[],
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn desk_page(desk: &mut Desk, at: &str) -> desk::Answer {
    desk.get(at).await
}

#[tokio::test]
async fn a_telephone_changed_at_the_hub_is_kept() {
    let bench = Bench::new().await;
    let mut desk = bench.desk("转诊台").await;
    let at = format!("/patients/{}/edit", bench.patient);
    let page = desk.get(&at).await;
    let fields = [
        ("name", NAME),
        ("sex", "F"),
        ("birth", "1958-04-01"),
        ("phone", "13911112222"),
        ("village", "柳树村"),
        ("group", "3组"),
    ];
    let answer = desk.send(&page, &at, &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let chart = bench
        .state
        .store
        .chart(bench.patient)
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.phone, "13911112222");
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_to_who_manages_clinics() {
    let bench = Bench::new().await;
    let mut desk = bench.desk("管理员").await;
    let shown = desk.post("/clinics/0017/token", &[]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let token = shown.text_of("token");
    assert!(token.len() > 20 && shown.body.contains("<svg"), "{token}");
    for page in ["/clinics", "/clinics/0017", "/audit"] {
        assert!(!desk.get(page).await.body.contains(&token), "{page}");
    }
    let refused = bench.desk("何县医").await.post("/clinics/0017/token", &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        desk.post("/clinics/9999/token", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_one_time_password_must_be_changed_before_anything_else() {
    let bench = Bench::new().await;
    let mut admin = bench.desk("管理员").await;
    let page = admin.get("/staff/new").await;
    let shown = admin
        .send(
            &page,
            "/staff/new",
            &[("name", "孙专家"), ("roles", "expert"), ("clinic", "")],
        )
        .await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let (user, password) = (shown.text_of("one-time-user"), shown.text_of("one-time-password"));
    let mut desk = Desk::new(&bench.router);
    assert_eq!(desk.sign_in(&user, &password).await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.get("/patients").await.location, "/account");
    let change = |new: &'static str| {
        let present = password.clone();
        move |fields: &mut Vec<(&'static str, String)>| {
            *fields = vec![
                ("present", present.clone()),
                ("password", new.to_owned()),
                ("repeat", new.to_owned()),
            ];
        }
    };
    let mut fields = Vec::new();
    change("short")(&mut fields);
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        desk.post("/account", &pairs).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    change("a better one")(&mut fields);
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(desk.post("/account", &pairs).await.location, "/");
    assert_eq!(desk.get("/patients").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_suspended_person_is_out_at_once_and_the_last_administrator_stays() {
    let bench = Bench::new().await;
    let mut admin = bench.desk("管理员").await;
    let mut expert = bench.desk("何县医").await;
    let staff = bench.state.store.staff().await.unwrap();
    let of = |name: &str| {
        format!(
            "/staff/{}",
            staff.iter().find(|member| member.name == name).unwrap().id
        )
    };
    let suspended = [("name", "何县医"), ("roles", "expert"), ("state", "suspended")];
    assert_eq!(admin.post(&of("何县医"), &suspended).await.location, "/staff");
    assert!(expert.get("/patients").await.location.starts_with("/sign-in"));
    let gone = [("name", "管理员"), ("roles", "hub_admin"), ("state", "left")];
    assert_eq!(
        admin.post(&of("管理员"), &gone).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_desk_without_a_pin_is_signed_out_instead_of_locked() {
    let bench = Bench::new().await;
    let mut desk = bench.desk("何县医").await;
    assert_eq!(desk.post("/lock", &[]).await.location, "/sign-in");
    let mut desk = bench.desk("何县医").await;
    let pin = [("present", PASSWORD), ("pin", "4827")];
    assert_eq!(desk.post("/account", &pin).await.location, "/account?done");
    assert_eq!(desk.post("/lock", &[]).await.location, "/unlock");
    assert!(desk.get("/patients").await.location.starts_with("/unlock"));
    assert_eq!(
        desk.post("/unlock", &[("pin", "1111"), ("next", "/patients")])
            .await
            .status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        desk.post("/unlock", &[("pin", "4827"), ("next", "/patients")])
            .await
            .location,
        "/patients"
    );
}

#[tokio::test]
async fn over_plain_http_only_loopback_names_are_answered() {
    let bench = Bench::new().await;
    let request = axum::http::Request::builder()
        .uri("/sign-in")
        .header("host", "evil.example");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(bench.router.clone(), request)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn an_alarm_says_whose_box_it_is_and_goes_when_somebody_saw_to_it() {
    let bench = Bench::new().await;
    let store = &bench.state.store;
    store
        .raise_alarm(AlarmKind::Clone, "0102030405060708 1112131415161718")
        .await
        .unwrap();
    let mut expert = bench.desk("何县医").await;
    let page = expert.get("/status").await;
    assert!(page.body.contains("两台机器在用同一个身份"), "{}", page.body);
    assert!(page.body.contains("由县中心管理员处理") && page.body.contains("01020304"));
    assert!(!page.body.contains("0102030405060708"), "a raw id");
    assert!(!page.body.contains("/alarms/settle"));
    let at = store.alarms().await.unwrap()[0].at.0;
    let fields = |at: i64| [("kind", "clone".to_owned()), ("at", at.to_string())];
    async fn send(desk: &mut Desk, fields: &[(&str, String)]) -> StatusCode {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        desk.post("/alarms/settle", &fields).await.status
    }
    assert_eq!(send(&mut expert, &fields(at)).await, StatusCode::FORBIDDEN);
    let mut administrator = bench.desk("管理员").await;
    // It was raised again after the page was drawn: it stays.
    send(&mut administrator, &fields(at - 1)).await;
    assert_eq!(store.alarms().await.unwrap().len(), 1);
    assert_eq!(send(&mut administrator, &fields(at)).await, StatusCode::SEE_OTHER);
    assert!(store.alarms().await.unwrap().is_empty());
    let page = administrator.get("/status").await;
    assert!(page.body.contains("没有报警"));
    let lines = store.audit_lines(AuditFilter::default(), 20).await.unwrap();
    assert!(lines.iter().any(|(_, line)| line.act == "alarm_settle"));
}

#[tokio::test]
async fn two_charts_are_compared_linked_and_parted_again_with_a_reason() {
    let bench = Bench::new().await;
    let store = &bench.state.store;
    let line = r#"{"t":"patient","id":"P2","clinic":"0017","name":"吕晓兰","sex":"女","birth_date":"1958-04-01","id_no":"","phone":"","village":"柳树村","group":"3组","allergies":["青霉素"]}"#;
    let report = store.import([Ok(line.as_bytes().to_vec())].into_iter(), Box::new(|_| {}));
    assert_eq!(report.await.unwrap().refused, 0);
    let all = store.patients_page(None, 10).await.unwrap();
    let other = all.iter().find(|one| one.name == "吕晓兰").unwrap().id;
    let one = bench.patient;
    let mut expert = bench.desk("何县医").await;
    let found = expert.get(&format!("/patients/{one}/same?q=lxl")).await;
    let with = format!("/patients/{one}/same?with={other}");
    assert!(found.body.contains(&with.replace('&', "&amp;")), "{}", found.body);
    let page = expert.get(&with).await;
    for words in ["吕小兰", "吕晓兰", "青霉素", "还没有人提出"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    let at = format!("/patients/{one}/same");
    let other_text = other.to_string();
    // A reason is needed, and a desk decides, it does not propose.
    let bare = [("with", other_text.as_str()), ("say", "same"), ("reason", "")];
    assert_eq!(
        expert.send(&page, &at, &bare).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let proposed = [
        ("with", other_text.as_str()),
        ("say", "proposed"),
        ("reason", "像"),
    ];
    assert_eq!(
        expert.send(&page, &at, &proposed).await.status,
        StatusCode::FORBIDDEN
    );
    let same = [
        ("with", other_text.as_str()),
        ("say", "same"),
        ("reason", "当面核对身份证"),
    ];
    assert_eq!(expert.send(&page, &at, &same).await.status, StatusCode::SEE_OTHER);
    // Both pages name the other chart, and the allergy of one stands above the other, with its source.
    let page = expert.get(&format!("/patients/{one}")).await;
    assert!(
        page.body.contains("另有一份档案") && page.body.contains("青霉素（另一份档案 吕晓兰）"),
        "{}",
        page.body
    );
    assert!(
        expert
            .get(&format!("/patients/{other}"))
            .await
            .body
            .contains("另有一份档案")
    );
    let page = expert.get(&with).await;
    assert!(page.body.contains("县中心已确认是同一人") && page.body.contains("当面核对身份证"));
    let apart = [
        ("with", other_text.as_str()),
        ("say", "apart"),
        ("reason", "认错了"),
    ];
    assert_eq!(
        expert.send(&page, &at, &apart).await.status,
        StatusCode::SEE_OTHER
    );
    let page = expert.get(&format!("/patients/{one}")).await;
    assert!(!page.body.contains("另有一份档案") && !page.body.contains("青霉素"));
    let lines = store
        .audit_lines(
            AuditFilter {
                patient: Some(other),
                ..AuditFilter::default()
            },
            50,
        )
        .await
        .unwrap();
    assert_eq!(
        lines.iter().filter(|(_, line)| line.act == "link_decide").count(),
        2
    );
    // Whoever may not decide is not asked to.
    let mut desk = bench.desk("转诊台").await;
    assert_eq!(desk.get(&with).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_backup_goes_to_a_disk_and_the_key_that_opens_it_is_shown_once() {
    let bench = Bench::new().await;
    let mut administrator = bench.desk("管理员").await;
    let page = administrator.get("/keeping").await;
    assert!(
        page.body.contains("还没有备份过") && page.body.contains("还没有生成"),
        "{}",
        page.body
    );
    let status = administrator.get("/status").await;
    assert!(status.body.contains("还没有备份过"));
    let shown = administrator.post("/keeping/recovery-key", &[]).await;
    let (_, rest) = shown.body.split_once("AGE-SECRET-KEY-1").unwrap();
    let secret: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let page = administrator.get("/keeping").await;
    assert!(!page.body.contains(&secret) && !page.body.contains("AGE-SECRET"));
    // A folder that is none of the disks is refused.
    let elsewhere = administrator.post("/keeping/backup", &[("place", "/etc")]).await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST);
    let place = bench.disk.path().display().to_string();
    let begun = administrator.post("/keeping/backup", &[("place", &place)]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    let page = loop {
        let page = administrator.get("/keeping").await;
        if !page.body.contains("正在备份") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    assert!(
        page.body.contains("备份完成并核对无误") && page.body.contains("内容完整"),
        "{}",
        page.body
    );
    let files: Vec<_> = std::fs::read_dir(bench.disk.path()).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    // The key that was shown opens it.
    let keys = store::OpeningKey::read_all(&format!("AGE-SECRET-KEY-1{secret}")).unwrap();
    let target = TempDir::new().unwrap();
    let options = store::OpenOptions::new(
        store::Side::Hub,
        Arc::new(HubClock::start()),
        Box::new(|bytes: &mut [u8]| rand::fill(bytes)),
    );
    let into = target.path().join("restored");
    let restored = store::restore(&files[0].path(), &into, keys, options, Box::new(|_, _| {})).await;
    restored.unwrap();
    // Nobody else makes keys.
    let mut expert = bench.desk("何县医").await;
    assert_eq!(
        expert.post("/keeping/recovery-key", &[]).await.status,
        StatusCode::FORBIDDEN
    );
}
