//! Tests of routes: who may ask, what kiosks show, what is left on their screens.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use device_drivers::session::LinkState;
use records::ids::FormId;
use records::staff::Role;
use tower::ServiceExt as _;
use web::guard::Access;

use super::*;
use crate::bays::attachment::TrayReason;
use crate::bays::tray::{ClaimRefusal, Identifier};
use crate::config::BayConfig;
use crate::workbench::{Bench, bay, card, id_number, pressure};

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_000);
const TABLET: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 8, 20)),
    40_000,
);

struct Browser {
    router: Router,
    peer: SocketAddr,
    host: &'static str,
    cookie: Option<String>,
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Browser {
    fn new(bench: &Bench, transport: Transport) -> Self {
        let (peer, host) = match transport {
            Transport::Loopback => (HERE, "localhost:8080"),
            Transport::Lan => (TABLET, "box.clinic.internal"),
        };
        Self {
            router: pages(bench.state.clone(), transport),
            peer,
            host,
            cookie: None,
        }
    }

    async fn ask(&self, method: Method, path: &str, form: &str) -> Answer {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, self.host)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(ConnectInfo(self.peer));
        if method == Method::POST {
            let scheme = if self.peer == HERE { "http" } else { "https" };
            request = request.header(header::ORIGIN, format!("{scheme}://{}", self.host));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask(Method::POST, path, form).await
    }
}

fn bays() -> [BayConfig; 2] {
    [bay("读卡", "idcard-sam"), bay("血压", "omron-hbp9030")]
}

#[tokio::test]
async fn a_kiosk_is_a_place_and_not_a_person() {
    let bench = Bench::new(&bays()).await;
    assert_eq!(
        Browser::new(&bench, Transport::Loopback)
            .get("/kiosk")
            .await
            .status,
        StatusCode::OK
    );
    let tablet = Browser::new(&bench, Transport::Lan);
    assert_eq!(tablet.get("/kiosk").await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        tablet.post("/kiosk/press", "press=yes").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn the_boxs_own_screen_is_a_kiosk_and_nothing_more() {
    let bench = Bench::new(&bays()).await;
    let (_, administrator) = bench.sign_in(Role::ClinicAdministrator).await;
    let screen = Browser {
        router: own_screen(bench.state.clone()),
        cookie: Some(administrator),
        ..Browser::new(&bench, Transport::Loopback)
    };
    assert_eq!(screen.get("/").await.headers[header::LOCATION], "/kiosk");
    assert!(screen.get("/kiosk").await.text.contains("kiosk-top"));
    assert!(screen.post("/kiosk/call", "").await.text.contains("已经呼叫医生"));
    // What every listener has.
    let common = ["/ping", "/language", "/awake"];
    let mut shut = 0;
    for line in table(&bench.state) {
        if line.access == Access::Kiosk || common.contains(&line.path.as_str()) {
            continue;
        }
        let path = line.path.replace(['{', '}', '*'], "1");
        let answer = screen.ask(line.method.clone(), &path, "").await;
        assert!(
            [StatusCode::FORBIDDEN, StatusCode::SEE_OTHER].contains(&answer.status),
            "{} {path}: {}",
            line.method,
            answer.status
        );
        if answer.status == StatusCode::SEE_OTHER {
            assert_eq!(path, "/", "only the first page leads elsewhere");
            continue;
        }
        // Nobody is there who could lead the browser back.
        assert_eq!(answer.headers[header::REFRESH], LEAD_BACK);
        shut += 1;
    }
    assert!(shut > 50, "{shut}");
}

#[tokio::test]
async fn a_screen_becomes_a_kiosk_by_pairing_and_stops_when_it_is_forgotten() {
    let bench = Bench::new(&bays()).await;
    let mut screen = Browser::new(&bench, Transport::Lan);
    let (_, doctor) = bench.sign_in(Role::VillageDoctor).await;
    screen.cookie = Some(doctor);
    assert_eq!(
        screen.post("/kiosk/pair", "reader=0").await.status,
        StatusCode::FORBIDDEN
    );
    let (_, administrator) = bench.sign_in(Role::ClinicAdministrator).await;
    screen.cookie = Some(administrator.clone());
    let paired = screen.post("/kiosk/pair", "reader=0").await;
    assert_eq!(paired.status, StatusCode::SEE_OTHER);
    let cookies = paired.headers.get_all(header::SET_COOKIE);
    let cookie = cookies.iter().next().unwrap().to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("Secure"));
    screen.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    assert_eq!(screen.get("/kiosk").await.status, StatusCode::OK);
    let mut signed_out = Browser::new(&bench, Transport::Lan);
    signed_out.cookie = Some(administrator);
    assert_ne!(signed_out.post("/kiosk/forget", "").await.status, StatusCode::OK);
    bench
        .state
        .kiosks
        .screens()
        .forget_all(&bench.state.store)
        .await
        .unwrap();
    assert_eq!(screen.get("/kiosk").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn from_card_to_result_and_nothing_is_left() {
    let mut bench = Bench::new(&bays()).await;
    let (name, number) = ("王秀英", id_number(7));
    let patient = bench.register(name, &number).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    bench.device(0, card(name, &number)).await;
    let asked = kiosk.get("/kiosk").await.text;
    assert!(asked.contains("您是 王*英 吗？"), "{asked}");
    assert!(!asked.contains(name) && !asked.contains(&number));
    assert!(
        asked.contains("http-equiv=\"refresh\""),
        "renews itself without a script"
    );
    assert_eq!(
        kiosk.post("/kiosk/press", "press=yes").await.status,
        StatusCode::SEE_OTHER
    );
    let offered = kiosk.get("/kiosk").await.text;
    assert!(offered.contains("量血压") && offered.contains("value=\"bay-1\""));
    kiosk.post("/kiosk/press", "press=bay-1").await;
    assert!(kiosk.get("/kiosk").await.text.contains("坐好，别说话，1 分钟"));
    bench.pass(Duration::from_secs(40)).await;
    bench.device(1, pressure(138, 86, None)).await;
    let result = kiosk.get("/kiosk").await.text;
    assert!(
        result.contains("138/86") && result.contains("mmHg") && result.contains("正常"),
        "{result}"
    );
    assert!(!result.contains("高血压") && !result.contains(name));
    let readings = bench
        .state
        .store
        .observations_of(patient, None, 10)
        .await
        .unwrap();
    assert_eq!(readings.len(), 1);
    kiosk.post("/kiosk/clear", "").await;
    let cleared = kiosk.get("/kiosk").await;
    assert!(cleared.text.contains("请把身份证放在读卡区"));
    assert!(!cleared.text.contains("王*英") && !cleared.text.contains("138/86"));
    assert_eq!(cleared.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn an_idle_kiosk_asks_and_then_clears() {
    let mut bench = Bench::new(&bays()).await;
    let number = id_number(7);
    bench.register("王秀英", &number).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    bench.device(0, card("王秀英", &number)).await;
    bench.pass(Duration::from_secs(59)).await;
    assert!(!kiosk.get("/kiosk").await.text.contains("value=\"stay\""));
    bench.pass(Duration::from_secs(1)).await;
    assert!(kiosk.get("/kiosk").await.text.contains("value=\"stay\""));
    kiosk.post("/kiosk/press", "press=stay").await;
    assert!(!kiosk.get("/kiosk").await.text.contains("value=\"stay\""));
    bench.pass(Duration::from_secs(90)).await;
    let text = kiosk.get("/kiosk").await.text;
    assert!(text.contains("请把身份证放在读卡区") && !text.contains("王*英"));
}

#[tokio::test]
async fn whoever_the_card_does_not_fit_is_sent_to_the_doctor() {
    let mut bench = Bench::new(&bays()).await;
    bench.register("王秀英", &id_number(7)).await;
    bench.register("甲", &id_number(8)).await;
    bench.register("乙", &id_number(8)).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    for (name, number, sentence) in [
        ("李示例", id_number(9), "还没有在本诊室建档"),
        ("李示例", id_number(7), "对不上"),
        ("甲", id_number(8), "对不上"),
    ] {
        bench.device(0, card(name, &number)).await;
        let text = kiosk.get("/kiosk").await.text;
        assert!(text.contains(sentence), "{text}");
        assert!(!text.contains(name));
    }
}

#[tokio::test]
async fn the_screen_is_renewed_only_when_something_changed() {
    let mut bench = Bench::new(&bays()).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    assert_eq!(
        kiosk.get("/kiosk/changed?seen=0").await.status,
        StatusCode::NO_CONTENT
    );
    bench.device(0, card("王秀英", &id_number(7))).await;
    let changed = kiosk.get("/kiosk/changed?seen=0").await;
    assert_eq!(changed.headers["hx-refresh"], "true");
}

#[tokio::test]
async fn the_red_button_calls_the_doctor_once() {
    let bench = Bench::new(&bays()).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    for _ in 0..2 {
        assert!(kiosk.post("/kiosk/call", "").await.text.contains("已经呼叫医生"));
    }
    let calls = bench.state.live.calls();
    assert_eq!(
        calls.iter().map(|call| call.place.as_str()).collect::<Vec<_>>(),
        ["读卡"]
    );
}

#[tokio::test]
async fn kiosk_presses_are_bounded() {
    let bench = Bench::new(&bays()).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    let mut refused = 0;
    for _ in 0..60 {
        refused += usize::from(
            kiosk.post("/kiosk/press", "press=leave").await.status == StatusCode::TOO_MANY_REQUESTS,
        );
    }
    assert!(refused >= 10);
    for word in ["bay-9", "bay-0", "nonsense"] {
        bench.clock.advance(Duration::from_secs(60));
        let status = kiosk.post("/kiosk/press", &format!("press={word}")).await.status;
        assert!(status.is_client_error(), "{word}");
    }
}

#[tokio::test]
async fn plain_http_answers_only_under_the_names_of_this_machine() {
    let bench = Bench::new(&bays()).await;
    let mut browser = Browser::new(&bench, Transport::Loopback);
    browser.host = "evil.example";
    assert_eq!(
        browser.get("/kiosk").await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn streams_need_somebody_signed_in() {
    let bench = Bench::new(&bays()).await;
    let browser = Browser::new(&bench, Transport::Lan);
    assert_eq!(browser.get("/live").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/bays/0/ecg").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_page_is_open_but_those_that_must_be() {
    let bench = Bench::new(&bays()).await;
    let open: Vec<String> = table(&bench.state)
        .into_iter()
        .filter(|line| line.access == Access::Open)
        .map(|line| format!("{} {}", line.method, line.path))
        .collect();
    let must = [
        "/setup",
        "/sign-in",
        "/start",
        "/ping",
        "/language",
        "/assets",
        "/unlock",
        "/worker",
        "/health",
    ];
    for line in open {
        assert!(
            must.iter().any(|path| line.contains(path)) || line == "GET /",
            "{line} is open to everybody"
        );
    }
}

#[tokio::test]
async fn the_set_up_listener_shows_nothing_else() {
    let bench = Bench::new(&bays()).await;
    let browser = Browser {
        router: setup_page(bench.state.clone()),
        ..Browser::new(&bench, Transport::Lan)
    };
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/setup/ca.crt").await.status, StatusCode::NOT_FOUND);
    for path in ["/kiosk", "/patients", "/sign-in"] {
        assert_eq!(
            browser.get(path).await.status,
            StatusCode::TEMPORARY_REDIRECT,
            "{path}"
        );
    }
    let probe = Browser {
        host: "connectivitycheck.gstatic.com",
        ..browser
    };
    assert_eq!(probe.get("/generate_204").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_cards_wi_fi_is_a_code_for_those_who_joined_it_and_a_name_for_others() {
    let mut bench = Bench::new(&bays()).await;
    let radio = crate::setup::Radio {
        name: "乡医盒子-0017".to_owned(),
        password: "a9a9-bcde-fgh2".to_owned(),
    };
    let code = web::qr::code(&web::qr::wifi(&radio.name, &radio.password), "连接诊室无线网络")
        .unwrap()
        .into_string();
    assert!(!format!("{radio:?}").contains("a9a9"));
    bench.state.radio = std::sync::Arc::new(Some(radio));
    bench.state.lan = std::sync::Arc::new(Some(crate::setup::Lan {
        ca: Vec::new(),
        words: ["一", "二", "三", "四"].map(str::to_owned),
        address: "https://clinic.internal".to_owned(),
        setup_address: None,
    }));
    let cable: SocketAddr = "10.0.2.15:40000".parse().unwrap();
    for (peer, sees) in [(TABLET, true), (HERE, true), (cable, false)] {
        let browser = Browser {
            router: setup_page(bench.state.clone()),
            peer,
            ..Browser::new(&bench, Transport::Lan)
        };
        let page = browser.get("/").await.text;
        assert!(page.contains("乡医盒子-0017"), "{peer}: {page}");
        assert_eq!(page.contains(&code), sees, "{peer}");
        assert_eq!(page.contains("密码见机身标签"), !sees, "{peer}");
    }
}

#[tokio::test]
async fn the_check_page_is_not_green_over_plain_http() {
    let bench = Bench::new(&bays()).await;
    let plain = Browser::new(&bench, Transport::Loopback)
        .get("/setup/check")
        .await
        .text;
    assert!(plain.contains("trust-bad") && !plain.contains("<trust-check"));
    let secure = Browser::new(&bench, Transport::Lan)
        .get("/setup/check")
        .await
        .text;
    assert!(secure.contains("<trust-check") && !secure.contains("trust-good"));
}

#[tokio::test]
async fn a_reading_in_the_tray_is_claimed_by_two_identifiers_and_given_back() {
    let mut bench = Bench::new(&bays()).await;
    let number = id_number(7);
    let patient = bench.register("王秀英", &number).await;
    let (doctor, _) = bench.sign_in(Role::VillageDoctor).await;
    bench.device(1, pressure(138, 86, None)).await;
    let state = &bench.state;
    let waiting = bays::tray::list(state, store::TrayState::Waiting).await.unwrap();
    assert_eq!(waiting[0].reason, Some(TrayReason::NoSession));
    let id = waiting[0].id;
    let name = Identifier::Name("王秀英".to_owned());
    let birth = Identifier::BirthDate("1949-12-31".parse().unwrap());
    let wrong = Identifier::IdTail("0000".to_owned());
    let twice = bays::tray::claim(state, id, patient, &[name.clone(), name.clone()], doctor).await;
    assert!(matches!(twice, Err(ClaimRefusal::TwoIdentifiers)));
    let other = bays::tray::claim(state, id, patient, &[name.clone(), wrong], doctor).await;
    assert!(matches!(other, Err(ClaimRefusal::NotThisPerson)));
    bays::tray::claim(state, id, patient, &[name.clone(), birth.clone()], doctor)
        .await
        .unwrap();
    let again = bays::tray::claim(state, id, patient, &[name.clone(), birth.clone()], doctor).await;
    assert!(matches!(again, Err(ClaimRefusal::Moved)));
    let readings = state.store.observations_of(patient, None, 10).await.unwrap();
    assert_eq!(readings[0].observation.by, Some(doctor));
    bays::tray::give_back(state, id, doctor, "wrong_person")
        .await
        .unwrap();
    let readings = state.store.observations_of(patient, None, 10).await.unwrap();
    assert_eq!(
        readings[0].observation.withdrawn.as_ref().unwrap().reason,
        "wrong_person"
    );
    assert_eq!(
        bays::tray::list(state, store::TrayState::Waiting)
            .await
            .unwrap()
            .len(),
        1
    );
    let phone = Identifier::PhoneTail("0000".to_owned());
    bays::tray::claim(state, id, patient, &[birth, phone], doctor)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_device_that_goes_away_is_said_on_the_screen() {
    let mut bench = Bench::new(&bays()).await;
    let number = id_number(7);
    bench.register("王秀英", &number).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    bench.device(0, card("王秀英", &number)).await;
    kiosk.post("/kiosk/press", "press=yes").await;
    kiosk.post("/kiosk/press", "press=bay-1").await;
    bench.link(1, LinkState::Gone).await;
    let text = kiosk.get("/kiosk").await.text;
    assert!(
        text.contains("仪器没有连接") || text.contains("您想测什么"),
        "{text}"
    );
    bench.link(0, LinkState::Gone).await;
    assert!(kiosk.get("/kiosk").await.text.contains("读卡器没有连接"));
}

#[tokio::test]
async fn a_critical_value_at_the_kiosk_calls_the_doctor() {
    let mut bench = Bench::new(&bays()).await;
    let number = id_number(7);
    bench.register("王秀英", &number).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    bench.device(0, card("王秀英", &number)).await;
    kiosk.post("/kiosk/press", "press=yes").await;
    kiosk.post("/kiosk/press", "press=bay-1").await;
    bench.pass(Duration::from_secs(40)).await;
    bench.device(1, pressure(210, 125, None)).await;
    assert!(kiosk.get("/kiosk").await.text.contains("请找医生"));
    assert_eq!(bench.state.live.calls().len(), 1);
}

/// A full disk while a reading is on its way: the kiosk stops, the light says that a person is needed, and the
/// reading is saved once there is room.
#[tokio::test]
async fn a_reading_on_a_full_disk_is_kept_until_there_is_room() {
    let mut bench = Bench::with_pages(&bays(), Some(330)).await;
    let number = id_number(7);
    let patient = bench.register("王秀英", &number).await;
    let kiosk = Browser::new(&bench, Transport::Loopback);
    bench.device(0, card("王秀英", &number)).await;
    kiosk.post("/kiosk/press", "press=yes").await;
    kiosk.post("/kiosk/press", "press=bay-1").await;
    bench.pass(Duration::from_secs(40)).await;
    // Drafts take room that can be given back; charts fill the rest.
    let draft = serde_json::json!("x".repeat(30_000));
    let forms: Vec<FormId> = (0..8).map(|n| FormId([n; 16])).collect();
    for form in &forms {
        let staff = records::ids::StaffId([1; 8]);
        assert!(
            bench
                .state
                .store
                .put_draft(*form, staff, "filler", &draft)
                .await
                .unwrap()
        );
    }
    let mut n = 100;
    let other = bench.register("乙", &id_number(99)).await;
    while bench.try_register("甲", &id_number(n)).await.is_ok() {
        n += 1;
    }
    // What is left in half-filled pages goes to smaller commits of the kind that shall fail.
    while bench.try_reading(other).await.is_ok() {}
    bench.device(1, pressure(138, 86, None)).await;
    assert!(kiosk.get("/kiosk").await.text.contains("现在不能保存"));
    assert!(matches!(
        bench.state.light().await.unwrap(),
        web::light::StatusLight::NeedsPerson { .. }
    ));
    assert!(
        bench
            .state
            .store
            .observations_of(patient, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    for form in forms {
        bench.state.store.drop_draft(form).await.unwrap();
    }
    bench.save_again().await;
    assert_eq!(
        bench
            .state
            .store
            .observations_of(patient, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(!bench.state.bays.is_stuck());
}
