//! Every page, in both languages: it answers, no text is missing, no page about one person shows another.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use records::ids::PatientId;
use web::guard::Access;

use super::browser::Tablet;
use super::{found, register};
use crate::router;
use crate::workbench::{Bench, bay, pressure};

/// A box with something on each page, and a path for each pattern.
async fn furnished() -> (Bench, Tablet, Vec<(&'static str, String)>) {
    let mut bench = Bench::new(&[
        bay("诊桌", "omron-hbp9030"),
        bay("心电", "contec-8000g"),
        bay("大厅", "idcard-sam"),
    ])
    .await;
    let mut tablet = found(&bench).await;
    let path = register(
        &mut tablet,
        "王秀英",
        &[("birth", "1958-04-01"), ("allergies", "none")],
    )
    .await;
    let patient: PatientId = path.trim_start_matches("/patients/").parse().unwrap();
    let new = format!("{path}/readings/new");
    for pressure in ["138/86/77", "151/93"] {
        let page = tablet.get(&new).await;
        tablet
            .send(
                &page,
                &new,
                &[("bp", pressure), ("temp", "36.5"), ("glucose", "6.1")],
            )
            .await;
    }
    let page = tablet.get(&path).await;
    let visit = tablet.send(&page, &format!("{path}/visits"), &[]).await.path;
    bench.device(0, pressure(142, 88, None)).await;
    bench.pass(Duration::from_secs(1)).await;
    let reading = bench
        .state
        .store
        .observations_of(patient, None, 1)
        .await
        .unwrap()
        .remove(0);
    let tray = tablet
        .get("/tray")
        .await
        .attribute("href=\"/tray/", "href")
        .unwrap();
    let staff = bench.state.store.staff().await.unwrap().remove(0).id;
    let places = vec![
        ("/patients/{id}", path),
        ("/visits/{id}", visit),
        ("/bays/{number}", "/bays/0".to_owned()),
        ("/tray/{id}", tray),
        ("/staff/{id}", format!("/staff/{staff}")),
        (
            "{doc}/{reading}",
            format!("{}/{}", reading.doc, reading.observation.id),
        ),
    ];
    (bench, tablet, places)
}

fn address(pattern: &str, places: &[(&str, String)]) -> String {
    places
        .iter()
        .fold(pattern.to_owned(), |path, (from, to)| path.replace(from, to))
}

#[tokio::test]
async fn every_page_answers_in_both_languages_without_missing_texts() {
    let (bench, mut tablet, places) = furnished().await;
    let mut walked = 0;
    for lang in ["zh", "en"] {
        tablet.cookie("lang", lang);
        for line in router::table(&bench.state) {
            let person = matches!(
                line.access,
                Access::SignedIn | Access::May(_) | Access::Open | Access::LockedToo
            );
            let apart = ["/live", "/assets", "/kiosk", "/ecgs/", "/ping", "/favicon"];
            let socket = line.path == "/bays/{number}/ecg";
            if line.method != Method::GET
                || !person
                || socket
                || apart.iter().any(|start| line.path.starts_with(start))
            {
                continue;
            }
            let path = address(&line.path, &places);
            assert!(!path.contains('{'), "no example for {path}");
            let page = tablet.get(&path).await;
            let first_start = ["/start/language", "/start/clinic", "/start/doctor"].contains(&path.as_str());
            let expected = if first_start {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::OK
            };
            let expected = if path == "/setup/ca.crt" {
                page.status
            } else {
                expected
            };
            assert_eq!(page.status, expected, "{path} {lang}");
            assert!(!page.html.contains('⟦'), "{path} {lang}: {}", page.text());
            assert!(
                !page.html.contains("王秀英")
                    || path.contains("patient")
                    || path == "/residents.csv"
                    || page.path.contains("/visits")
                    || ["/", "/patients", "/audit", "/bays/0"].contains(&page.path.as_str()),
                "{path} names a patient"
            );
            if page.html.contains("<html") {
                assert_eq!(page.html.matches("<h1").count(), 1, "{path}: one heading");
                assert!(
                    !page.html.contains("style=\""),
                    "{path}: the policy forbids inline styles"
                );
                let title = page
                    .html
                    .split("<title>")
                    .nth(1)
                    .unwrap()
                    .split("</title>")
                    .next()
                    .unwrap();
                assert!(
                    !title.contains("王秀英"),
                    "{path}: titles stay in the browser's history"
                );
                walked += 1;
            }
        }
    }
    assert!(walked > 60, "{walked}");
}

#[tokio::test]
async fn parts_of_pages_are_parts() {
    let (bench, mut tablet, places) = furnished().await;
    let parts = [
        "/",
        "/patients?q=wxy",
        "/patients/new/card",
        "/patients/{id}",
        "/bays",
        "/bays/{number}",
        "/tray",
        "/status",
        "/light",
        "/visits/{id}/readings",
    ];
    for pattern in parts {
        let path = address(pattern, &places);
        let part = tablet.part(&path).await;
        assert!(
            !part.html.contains("<html") && part.html.contains('<'),
            "{path}: {}",
            part.html
        );
    }
    // Nothing changed: nothing is swapped.
    let path = address("/patients/{id}", &places);
    let page = tablet.get(&path).await;
    let renew = page.attribute("id=\"record\"", "hx-get").unwrap();
    assert_eq!(tablet.part(&renew).await.status, StatusCode::NO_CONTENT);
    let new = format!("{path}/readings/new");
    let form = tablet.get(&new).await;
    tablet.send(&form, &new, &[("bp", "128/80")]).await;
    assert!(tablet.part(&renew).await.has("128/80"));
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 1);
}

#[tokio::test]
async fn what_people_typed_is_never_markup() {
    let bench = Bench::new(&[]).await;
    let mut tablet = found(&bench).await;
    let evil = "<img src=x onerror=1>\"'";
    let path = register(
        &mut tablet,
        evil,
        &[("village", evil), ("allergies", "known"), ("allergy_agent", evil)],
    )
    .await;
    for page in [
        path.clone(),
        format!("{path}/edit"),
        format!("{path}/chart"),
        "/patients?q=%3Cimg".to_owned(),
        "/patients".to_owned(),
    ] {
        let page = tablet.get(&page).await;
        assert!(!page.html.contains("<img"), "{}", page.path);
    }
}

#[tokio::test]
async fn unknown_addresses_are_not_found_and_say_so() {
    let bench = Bench::new(&[]).await;
    let mut tablet = found(&bench).await;
    let nobody = PatientId([1; 16]);
    for path in [
        format!("/patients/{nobody}"),
        "/patients/xyz".into(),
        "/visits/xyz".into(),
        "/tray/xyz".into(),
        "/staff/xyz".into(),
        "/ecgs/a/b".into(),
        "/nowhere".into(),
    ] {
        let page = tablet.get(&path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.has("没有这个页面"), "{path}");
    }
}
