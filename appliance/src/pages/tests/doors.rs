//! First start, sign-in, lock and lock-out.

use std::time::Duration;

use axum::http::StatusCode;
use web::cookies::SESSION_COOKIE;

use super::browser::Tablet;
use super::{found, founded, register};
use crate::workbench::Bench;

#[tokio::test]
async fn first_start_can_be_taken_up_again_at_each_step() {
    let bench = Bench::new(&[]).await;
    let mut tablet = Tablet::new(&bench);
    let page = tablet.get("/").await;
    tablet.send(&page, "/start/language", &[("language", "en")]).await;
    // Another tablet, another day: it goes on with the clinic.
    let mut other = Tablet::new(&bench);
    let page = other.get("/").await;
    assert_eq!(page.path, "/start/clinic");
    let refused = other
        .send(&page, "/start/clinic", &[("clinic_name", ""), ("code", "不行")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("有 2 处需要修改"), "{}", refused.text());
    let page = other
        .send(
            &refused,
            "/start/clinic",
            &[("clinic_name", "石桥村卫生室"), ("code", "0017")],
        )
        .await;
    assert_eq!(page.path, "/start/doctor");
    let weak = [
        ("name", "李医生"),
        ("login", "li"),
        ("password", "kurz7"),
        ("pin", "1234"),
    ];
    let refused = other.send(&page, "/start/doctor", &weak).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("至少 8 个字符") && refused.has("不能太简单"));
    assert!(!refused.html.contains("kurz7"), "a secret is never drawn again");
}

#[tokio::test]
async fn first_start_is_closed_once_somebody_works_here() {
    let (bench, _) = founded().await;
    let mut stranger = Tablet::new(&bench);
    for path in ["/start/language", "/start/clinic", "/start/doctor"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let forced = [
        ("name", "x"),
        ("login", "x"),
        ("password", "long enough"),
        ("pin", "4827"),
    ];
    assert_eq!(
        stranger.post("/start/doctor", &forced).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(bench.state.store.staff().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_gets_a_sentence_and_in_the_end_a_lock() {
    let (bench, _) = founded().await;
    let mut tablet = Tablet::new(&bench);
    let page = tablet.get("/patients").await;
    assert!(page.path.starts_with("/sign-in?next="), "{}", page.path);
    let empty = tablet
        .send(&page, "/sign-in", &[("user", ""), ("password", "")])
        .await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = tablet
        .send(&page, "/sign-in", &[("user", "li"), ("password", "wrong")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.has("姓名或密码不对"));
    for _ in 0..5 {
        tablet
            .send(&page, "/sign-in", &[("user", "li"), ("password", "wrong")])
            .await;
        bench.clock.advance(Duration::from_secs(7));
    }
    let locked = tablet
        .send(
            &page,
            "/sign-in",
            &[("user", "li"), ("password", "correct horse")],
        )
        .await;
    assert!(locked.has("已锁定"), "{}", locked.text());
    bench.clock.advance(Duration::from_secs(600));
    let page = tablet
        .send(
            &page,
            "/sign-in",
            &[("user", "李医生"), ("password", "correct horse")],
        )
        .await;
    assert_eq!(
        page.path, "/patients",
        "signs in by name and goes on where it was asked for"
    );
}

#[tokio::test]
async fn many_tries_of_one_address_are_slowed_down() {
    let (bench, _) = founded().await;
    let mut tablet = Tablet::new(&bench);
    let page = tablet.get("/sign-in").await;
    let mut last = StatusCode::OK;
    for n in 0..12 {
        let user = format!("nobody{n}");
        last = tablet
            .send(&page, "/sign-in", &[("user", &user), ("password", "wrong")])
            .await
            .status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn three_idle_minutes_lock_the_screen_and_keep_the_draft() {
    let (bench, mut tablet) = founded().await;
    let page = tablet.get("/patients/new").await;
    let form = page.form("/patients/new").value("form").unwrap().to_owned();
    let typed = [
        ("page", "/patients/new"),
        ("form", form.as_str()),
        ("name", "半个名字"),
    ];
    let kept = tablet.post(&format!("/drafts/{form}"), &typed).await;
    assert_eq!(kept.status, StatusCode::OK);
    assert!(
        kept.html.len() == 5 && kept.html.contains(':'),
        "answers with the time: {}",
        kept.html
    );
    bench.clock.advance(Duration::from_secs(181));
    let locked = tablet.get("/patients/new").await;
    assert!(locked.path.starts_with("/unlock?next="), "{}", locked.path);
    assert!(!locked.has("半个名字"));
    let wrong = tablet.send(&locked, "/unlock", &[("pin", "0001")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.has("PIN 码不对"));
    let page = tablet.send(&locked, "/unlock", &[("pin", "4827")]).await;
    assert_eq!(page.path, "/patients/new");
    assert_eq!(page.form("/patients/new").value("name"), Some("半个名字"));
    assert_eq!(
        page.form("/patients/new").value("form"),
        Some(form.as_str()),
        "the form goes on under its own id"
    );
    // Also after signing out and in again.
    tablet.post("/sign-out", &[]).await;
    let door = tablet.get("/patients/new").await;
    let page = tablet
        .send(
            &door,
            "/sign-in",
            &[("user", "li"), ("password", "correct horse")],
        )
        .await;
    assert_eq!(page.form("/patients/new").value("name"), Some("半个名字"));
    assert!(page.has("草稿已保存"));
    // Somebody else's tablet does not see it.
    let front = tablet.get("/").await;
    assert!(front.has("未保存的草稿"));
}

#[tokio::test]
async fn after_signing_out_no_page_of_a_patient_opens() {
    let (_bench, mut tablet) = founded().await;
    let patient = register(&mut tablet, "王秀英", &[]).await;
    let page = tablet.get(&patient).await;
    assert_eq!(page.headers["cache-control"], "no-store");
    let token = tablet.cookie_of(SESSION_COOKIE).unwrap().to_owned();
    let out = tablet.post("/sign-out", &[]).await;
    assert!(out.path.starts_with("/sign-in"));
    tablet.cookie(SESSION_COOKIE, &token);
    let back = tablet.get(&patient).await;
    assert!(back.path.starts_with("/sign-in") && !back.has("王秀英"));
}

#[tokio::test]
async fn the_language_is_kept_and_every_door_speaks_it() {
    let bench = Bench::new(&[]).await;
    let mut tablet = found(&bench).await;
    let page = tablet.get("/").await;
    let page = tablet.send(&page, "/language", &[]).await;
    assert!(
        page.has("Residents") && page.html.contains("lang=\"en\""),
        "{}",
        page.text()
    );
    tablet.post("/sign-out", &[]).await;
    assert!(tablet.get("/sign-in").await.has("Sign in"));
}

#[tokio::test]
async fn staff_are_added_once_and_change_the_password_that_they_were_given() {
    let (bench, mut tablet) = founded().await;
    let page = tablet.get("/staff/new").await;
    let nurse = [
        ("name", "赵护士"),
        ("login", "zhao"),
        ("roles", "nurse"),
        ("password", "long enough"),
        ("pin", "5918"),
    ];
    let filled = page.filled("/staff/new", &nurse);
    let pairs: Vec<(&str, &str)> = filled
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(tablet.post("/staff/new", &pairs).await.path, "/staff");
    assert_eq!(
        tablet.post("/staff/new", &pairs).await.path,
        "/staff",
        "sent twice"
    );
    assert_eq!(bench.state.store.staff().await.unwrap().len(), 2);
    let page = tablet.get("/staff/new").await;
    let taken = tablet.send(&page, "/staff/new", &nurse).await;
    assert!(taken.has("这个工号已有人使用"));

    let mut other = Tablet::new(&bench);
    let door = other.get("/").await;
    other
        .send(
            &door,
            "/sign-in",
            &[("user", "zhao"), ("password", "long enough")],
        )
        .await;
    assert_eq!(other.get("/staff").await.status, StatusCode::FORBIDDEN);
    assert_eq!(other.get("/audit").await.status, StatusCode::FORBIDDEN);
    let door = other.get("/sign-in").await;
    let account = other
        .send(
            &door,
            "/sign-in",
            &[("user", "zhao"), ("password", "long enough")],
        )
        .await;
    assert!(
        account.path == "/account" && account.has("密码由他人设定"),
        "a password that somebody else set comes first"
    );
    let wrong = [
        ("present", "no"),
        ("password", "much longer"),
        ("repeat", "much longer"),
    ];
    assert!(
        other
            .send(&account, "/account", &wrong)
            .await
            .has("现在的密码不对")
    );
    let right = [
        ("present", "long enough"),
        ("password", "much longer"),
        ("repeat", "much longer"),
    ];
    assert!(other.send(&account, "/account", &right).await.has("已保存"));
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (bench, mut tablet) = founded().await;
    let doctor = bench
        .state
        .store
        .staff()
        .await
        .unwrap()
        .into_iter()
        .find(|member| member.login == "li")
        .unwrap();
    let path = format!("/staff/{}", doctor.id);
    let page = tablet.get(&path).await;
    let last = tablet.send(&page, &path, &[("roles", "village_doctor")]).await;
    assert!(last.has("至少要保留一位"), "{}", last.text());
}

#[tokio::test]
async fn a_return_address_stays_at_home() {
    let (_bench, mut tablet) = founded().await;
    tablet.post("/sign-out", &[]).await;
    let fields = [
        ("user", "li"),
        ("password", "correct horse"),
        ("next", "//evil.example/"),
    ];
    assert_eq!(tablet.post("/sign-in", &fields).await.path, "/");
}
