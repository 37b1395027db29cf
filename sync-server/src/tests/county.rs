//! A box and the running hub over the real wire: it joins by a token, its records arrive, and an edit made at a
//! desk travels back.

use std::net::SocketAddr;

use link::Cable;
use link::client::{ClientOptions, sync_once};
use records::patients::AllergyState;
use store::Side;

use super::*;
use crate::{Desk as DeskAddress, Options, Running};

const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn hub(folder: &TempDir) -> Running {
    let options = Options {
        desk: DeskAddress::LoopbackHttp(FREE),
        link: Some(FREE),
        password_cost_kib: Some(64),
        ..Options::new(folder.path())
    };
    crate::run(options).await.unwrap()
}

async fn meet(store: &Store) {
    let options = ClientOptions {
        gather: std::time::Duration::ZERO,
        ..ClientOptions::new("0.0.0-test")
    };
    let report = sync_once(store, None, &options).await.unwrap();
    assert_eq!(report.pending, 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_and_an_edit_at_a_desk_travels_back() {
    let (hub_folder, box_folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let hub = hub(&hub_folder).await;
    staff::settle(hub.store(), Role::Expert, "何县医", PASSWORD)
        .await
        .unwrap();
    staff::settle(hub.store(), Role::HubAdministrator, "管理员", PASSWORD)
        .await
        .unwrap();
    clinics::add(hub.store(), &clinic(), "石桥村卫生室")
        .await
        .unwrap();
    let token = clinics::new_token(hub.store(), &clinic()).await.unwrap();

    let box_store = open_as(&box_folder, Side::Box);
    let lines = LINES.into_iter().map(|line| Ok(line.as_bytes().to_vec()));
    box_store.import(lines, Box::new(|_| {})).await.unwrap();
    let url = hub.link_url().unwrap();
    link::enrol::join(&box_store, &url, &token, None, "BOX-0017-A", &Cable::default())
        .await
        .unwrap();
    meet(&box_store).await;

    let router = router::pages(hub.state.clone());
    let mut desk = Desk::new(&router);
    desk.sign_in("何县医", PASSWORD).await;
    let found = desk.get("/patients?q=lxl").await;
    assert!(found.body.contains(NAME), "{}", found.body);
    let patient = hub.store().patients_page(None, 1).await.unwrap()[0].id;
    let visit = hub.store().visits_of(patient, 1).await.unwrap()[0].id;
    let visit = desk.get(&format!("/visits/{visit}")).await;
    assert!(
        visit.body.contains("头晕3天") && visit.body.contains("到达县级中心于"),
        "{}",
        visit.body
    );
    let clinic_page = desk.get("/clinics/0017").await;
    assert!(clinic_page.body.contains("BOX-0017-A") && clinic_page.body.contains("一天内联系过"));

    let at = format!("/patients/{patient}/chart");
    let page = desk.get(&at).await;
    desk.send(&page, &format!("{at}/allergy"), &[("allergy_agent", "青霉素")])
        .await;
    meet(&box_store).await;
    let chart = box_store.chart(patient).await.unwrap().unwrap().value;
    let AllergyState::Known(known) = &chart.allergies else {
        panic!("{:?}", chart.allergies)
    };
    assert_eq!(known[0].agent, "青霉素");

    let of_clinic = hub
        .store()
        .verify(Some(clinic()), Box::new(|_, _| {}))
        .await
        .unwrap();
    assert_eq!(of_clinic.fingerprint, box_store.fingerprint().await.unwrap());
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_box_is_not_answered_and_somebody_new_reaches_the_clinic() {
    let (hub_folder, box_folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let hub = hub(&hub_folder).await;
    staff::settle(hub.store(), Role::HubAdministrator, "管理员", PASSWORD)
        .await
        .unwrap();
    clinics::add(hub.store(), &clinic(), "石桥村卫生室")
        .await
        .unwrap();
    let token = clinics::new_token(hub.store(), &clinic()).await.unwrap();
    let box_store = open_as(&box_folder, Side::Box);
    let url = hub.link_url().unwrap();
    link::enrol::join(&box_store, &url, &token, None, "BOX-0017-A", &Cable::default())
        .await
        .unwrap();
    let doctor = staff::add(
        hub.store(),
        By::System,
        Role::VillageDoctor,
        "冯素云",
        Some(&clinic()),
    )
    .await
    .unwrap();
    meet(&box_store).await;
    let known = box_store
        .check_password(&doctor.user, &doctor.password)
        .await
        .unwrap();
    assert!(matches!(known, store::SignIn::Ok(_)), "{known:?}");

    let router = router::pages(hub.state.clone());
    let mut desk = Desk::new(&router);
    desk.sign_in("管理员", PASSWORD).await;
    let device = box_store.device();
    let revoked = desk
        .post(&format!("/clinics/0017/boxes/{device}/revoke"), &[])
        .await;
    assert_eq!(revoked.location, "/clinics/0017");
    let other = desk
        .post("/clinics/0017/boxes/0000000000000000/revoke", &[])
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert!(
        sync_once(&box_store, None, &ClientOptions::new("0.0.0-test"))
            .await
            .is_err()
    );
    hub.stop().await;
}
