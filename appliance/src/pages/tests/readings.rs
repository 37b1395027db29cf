//! Readings: typed, by a bay, in the tray.

use std::time::Duration;

use axum::http::StatusCode;
use records::ids::PatientId;
use records::vitals::{Measured, Origin};
use store::Lane;

use super::{found, founded, register};
use crate::workbench::{Bench, bay, id_number, pressure};

fn patient(path: &str) -> PatientId {
    path.trim_start_matches("/patients/").parse().unwrap()
}

#[tokio::test]
async fn an_impossible_pressure_is_refused_and_a_rare_one_asked_once() {
    let (bench, mut tablet) = founded().await;
    let path = register(&mut tablet, "王秀英", &[("birth", "1958-04-01")]).await;
    let new = format!("{path}/readings/new");
    let page = tablet.get(&new).await;
    let refused = tablet
        .send(&page, &new, &[("bp", "300/400"), ("temp", "３６。５")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("数值不可能"), "{}", refused.text());
    assert!(
        bench
            .state
            .store
            .observations_of(patient(&path), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let asked = tablet.send(&refused, &new, &[("bp", "230/130")]).await;
    assert!(asked.has("血压 230/130，确认？"), "{}", asked.text());
    let critical = tablet.send(&asked, &new, &[("confirm", "yes")]).await;
    assert!(
        critical.path.contains("/critical/") && critical.has("危急值") && critical.has("230/130"),
        "{}",
        critical.path
    );
    let kept = bench
        .state
        .store
        .observations_of(patient(&path), None, 10)
        .await
        .unwrap();
    assert_eq!(kept.len(), 2);
    let step = tablet
        .send(&critical, &format!("{path}/critical"), &[("step", "visit")])
        .await;
    assert!(step.path.starts_with("/visits/"));
}

#[tokio::test]
async fn the_same_form_twice_is_one_reading_and_an_error_stays_readable() {
    let (bench, mut tablet) = founded().await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    let new = format!("{path}/readings/new");
    let page = tablet.get(&new).await;
    tablet.send(&page, &new, &[("bp", "138/86/77")]).await;
    let shown = tablet.send(&page, &new, &[("bp", "138/86/77")]).await;
    assert!(
        shown.has("138/86") && shown.has("脉搏 77 次/分") && shown.has("手工录入 · 李医生"),
        "{}",
        shown.text()
    );
    let kept = bench
        .state
        .store
        .observations_of(patient(&path), None, 10)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    let list = tablet.get(&format!("{path}/readings")).await;
    let withdraw = list.attribute("/withdraw", "href").unwrap();
    let page = tablet.get(&withdraw).await;
    assert_eq!(
        tablet.send(&page, &withdraw, &[("reason", "")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let list = tablet.send(&page, &withdraw, &[("reason", "袖带松脱")]).await;
    assert!(
        list.has("138/86") && list.has("袖带松脱") && list.has("李医生"),
        "{}",
        list.text()
    );
    let empty = tablet.get(&new).await;
    assert!(tablet.send(&empty, &new, &[]).await.has("至少填写一项"));
}

#[tokio::test]
async fn a_bay_opened_for_a_patient_brings_its_reading_without_reload() {
    let mut bench = Bench::new(&[bay("诊桌", "omron-hbp9030")]).await;
    let mut tablet = found(&bench).await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    let page = tablet.get(&format!("{path}/measure")).await;
    let page = tablet.send(&page, "/bays/0/open", &[]).await;
    assert!(
        page.path.starts_with("/bays/0?patient=") && page.has("请在设备上按开始键"),
        "{}",
        page.text()
    );
    assert!(page.html.contains("live-bay-0 from:body"));
    bench.pass(Duration::from_secs(40)).await;
    bench.device(0, pressure(138, 86, None)).await;
    let part = tablet.part(&page.path).await;
    assert!(
        part.has("已入档") && part.has("138/86") && !part.html.contains("<html"),
        "{}",
        part.text()
    );
    let shown = tablet.get(&path).await;
    assert!(shown.has("138/86"));
    let kept = bench
        .state
        .store
        .observations_of(patient(&path), None, 10)
        .await
        .unwrap();
    assert!(matches!(&kept[0].observation.origin, Origin::Device { key, .. } if key == "omron-hbp9030"));
    // Somebody else's page does not show it.
    let other = register(&mut tablet, "刘大山", &[]).await;
    let page = tablet.get(&format!("/bays/0?patient={}", patient(&other))).await;
    assert!(!page.has("138/86"), "{}", page.text());
}

#[tokio::test]
async fn an_unclaimed_reading_needs_two_identifiers_and_goes_back_with_a_trace() {
    let mut bench = Bench::new(&[bay("诊桌", "omron-hbp9030")]).await;
    let mut tablet = found(&bench).await;
    let number = id_number(8);
    let path = register(
        &mut tablet,
        "王秀英",
        &[("id_number", &number), ("phone", "13800001234")],
    )
    .await;
    bench.device(0, pressure(151, 93, None)).await;
    let tray = tablet.get("/tray").await;
    assert!(tray.has("151/93") && tray.has("没有选择居民"), "{}", tray.text());
    let item = tray.attribute("href=\"/tray/", "href").unwrap();
    let page = tablet.get(&format!("{item}?q=wxy")).await;
    let link = page
        .html
        .split("href=\"")
        .find(|part| part.contains("?patient="))
        .unwrap();
    let page = tablet.get(link.split('"').next().unwrap()).await;
    assert!(
        !page.has(&number) && !page.has("1949-12-31"),
        "the answers do not stand on the page"
    );
    let claim = format!("{item}/claim");
    let one = tablet.send(&page, &claim, &[("name", "王秀英")]).await;
    assert!(one.has("至少填两项") && one.status == StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = tablet
        .send(&page, &claim, &[("name", "王秀英"), ("phone_tail", "9999")])
        .await;
    assert!(wrong.has("不一致"), "{}", wrong.text());
    let tail = number[14..].to_owned();
    let claimed = tablet
        .send(&page, &claim, &[("name", "王秀英"), ("id_tail", &tail)])
        .await;
    assert_eq!(claimed.path, path);
    assert!(claimed.has("151/93"));
    let again = tablet
        .send(&page, &claim, &[("name", "王秀英"), ("id_tail", &tail)])
        .await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "claimed already");
    let back = tablet.get(&item).await;
    let tray = tablet
        .send(&back, &format!("{item}/return"), &[("reason", "认错人了")])
        .await;
    assert!(tray.has("151/93"), "{}", tray.text());
    let kept = bench
        .state
        .store
        .observations_of(patient(&path), None, 10)
        .await
        .unwrap();
    assert_eq!(kept[0].observation.withdrawn.as_ref().unwrap().reason, "认错人了");
    assert!(matches!(
        kept[0].observation.measured,
        Measured::BloodPressure { .. }
    ));
    // What belongs to nobody is dismissed, and that can be taken back.
    let page = tablet.get(&item).await;
    let tray = tablet.send(&page, &format!("{item}/dismiss"), &[]).await;
    assert!(tray.has("撤销"), "{}", tray.text());
    let tray = tablet.send(&tray, &format!("{item}/restore"), &[]).await;
    assert!(tray.has("151/93"));
}

#[tokio::test]
async fn a_critical_reading_from_the_tray_goes_before_everything_else() {
    for (mmhg, is_urgent) in [((138, 86), false), ((230, 130), true)] {
        let mut bench = Bench::new(&[bay("诊桌", "omron-hbp9030")]).await;
        let mut tablet = found(&bench).await;
        let birth = ("birth", "1958-04-01");
        let path = register(&mut tablet, "王秀英", &[birth, ("phone", "13800001234")]).await;
        bench.device(0, pressure(mmhg.0, mmhg.1, None)).await;
        let item = tablet
            .get("/tray")
            .await
            .attribute("href=\"/tray/", "href")
            .unwrap();
        let page = tablet.get(&format!("{item}?patient={}", patient(&path))).await;
        let named = [("name", "王秀英"), ("phone_tail", "1234")];
        let claimed = tablet.send(&page, &format!("{item}/claim"), &named).await;
        assert_eq!(claimed.path, path);
        let urgent = &bench.state.store.link_status().await.unwrap().queue[Lane::P0.index()];
        assert_eq!(urgent.items > 0, is_urgent, "{mmhg:?}");
    }
}

#[tokio::test]
async fn what_is_no_reading_stands_in_the_log_of_its_bay() {
    let mut bench = Bench::new(&[bay("诊桌", "omron-hbp9030")]).await;
    let mut tablet = found(&bench).await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    tablet
        .post("/bays/0/open", &[("patient", &patient(&path).to_string())])
        .await;
    bench.settle().await;
    let log = tablet.get("/bays/0/log").await;
    assert!(log.has("开始等待") && log.has("医生"), "{}", log.text());
    assert_eq!(tablet.get("/bays/7").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_page_left_open_about_somebody_else_starts_and_ends_nothing() {
    let mut bench = Bench::new(&[bay("心电", "contec-8000g")]).await;
    let mut tablet = found(&bench).await;
    let first = register(&mut tablet, "王秀英", &[]).await;
    let second = register(&mut tablet, "刘大山", &[]).await;
    let open = |path: &str| vec![("patient".to_owned(), patient(path).to_string())];
    for path in [&first, &second] {
        let fields = open(path);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        tablet.post("/bays/0/open", &fields).await;
    }
    let fields = open(&first);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let page = tablet.post("/bays/0/act/end", &fields).await;
    assert!(page.has("等的是另一位居民"), "{}", page.text());
    bench.settle().await;
    let session = bench.state.bays.bay(0).unwrap().session.unwrap();
    assert_eq!(session.patient, patient(&second));
}
