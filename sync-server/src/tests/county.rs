//! A box and the running hub over the real wire: it joins by a token, its records arrive, and an edit made at a
//! desk travels back.

use std::net::SocketAddr;

use link::Cable;
use link::client::{ClientOptions, sync_once};
use records::conflicts::clashes;
use records::ids::{DocKind, StaffId};
use records::patients::{AllergyAnswer, AllergyState, ChartCommand, NewPatient};
use records::time::BirthDate;
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

/// A box of the clinic that has joined this hub.
async fn join_box(hub: &Running, folder: &TempDir) -> Store {
    clinics::add(hub.store(), &clinic(), "石桥村卫生室")
        .await
        .unwrap();
    let token = clinics::new_token(hub.store(), &clinic()).await.unwrap();
    let store = open_as(folder, Side::Box);
    let url = hub.link_url().unwrap();
    link::enrol::join(&store, &url, &token, None, "BOX-0017-A", &Cable::default())
        .await
        .unwrap();
    store
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
    let box_store = join_box(&hub, &box_folder).await;
    let lines = LINES.into_iter().map(|line| Ok(line.as_bytes().to_vec()));
    box_store.import(lines, Box::new(|_| {})).await.unwrap();
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
    let box_store = join_box(&hub, &box_folder).await;
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

/// Who is registered by card, born on a day whose midnight did not exist everywhere in China.
fn by_card() -> NewPatient {
    NewPatient {
        name: NAME.to_owned(),
        birth: "1986-05-04".parse().ok(),
        id_number: "110105198605040021".to_owned(),
        phone: "13900001234".to_owned(),
        allergies: AllergyAnswer::NotAsked,
        ..NewPatient::default()
    }
}

async fn write(store: &Store, target: Target, edits: Vec<records::tree::Edit>) -> records::ids::DocId {
    let commit = Commit {
        lane: Lane::P1,
        ..Commit::new(By::System, AuditAct::Register, vec![Write::new(target, edits)])
    };
    store.commit(commit).await.unwrap().docs[0]
}

/// A page that reads a birth date and writes it again would clash with the correction that the box makes meanwhile:
/// there is no change to it in what the hub wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_birth_date_survives_the_way_through_the_hub_and_an_edit_of_the_telephone() {
    let (hub_folder, box_folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let hub = hub(&hub_folder).await;
    staff::settle(hub.store(), Role::ReferralDesk, "转诊台", PASSWORD)
        .await
        .unwrap();
    let box_store = join_box(&hub, &box_folder).await;
    let at = box_store.clock().now();
    let edits = by_card().edits(None, at, &mut rand::random);
    let new = Target::New {
        kind: DocKind::Chart,
        owner: clinic(),
    };
    let doc = write(&box_store, new, edits).await;
    let patient = PatientId(doc.0);
    meet(&box_store).await;

    let router = router::pages(hub.state.clone());
    let mut desk = Desk::new(&router);
    desk.sign_in("转诊台", PASSWORD).await;
    let at_desk = format!("/patients/{patient}/edit");
    let page = desk.get(&at_desk).await;
    assert!(page.body.contains("1986-05-04"), "{}", page.body);

    // Meanwhile somebody at the box corrects the birth date.
    let corrected: BirthDate = "1986-05-05".parse().unwrap();
    let chart = box_store.chart(patient).await.unwrap().unwrap().value;
    assert_eq!(chart.birth, "1986-05-04".parse().ok());
    let edits = ChartCommand::SetBirth(Some(corrected))
        .edits(&chart, StaffId([7; 8]), at, &mut rand::random)
        .unwrap();
    write(&box_store, Target::Existing(doc), edits).await;

    let fields = [
        ("name", NAME),
        ("sex", "F"),
        ("birth", "1986-05-04"),
        ("id_number", "110105198605040021"),
        ("phone", "13911112222"),
    ];
    let answer = desk.send(&page, &at_desk, &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    meet(&box_store).await;
    meet(&box_store).await;
    for store in [&box_store, hub.store()] {
        let chart = store.chart(patient).await.unwrap().unwrap().value;
        assert_eq!(
            (chart.birth, chart.phone.as_str()),
            (Some(corrected), "13911112222")
        );
        let tree = store.chart_tree(patient).await.unwrap().unwrap().value;
        assert!(clashes(DocKind::Chart, &tree).is_empty(), "{:?}", chart.clashes);
    }
    hub.stop().await;
}

/// A chart with a visit in it, written at one clinic; another clinic that shares the chart writes into the visit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_not_taken_is_shown_with_its_clinic_and_what_to_do() {
    let (hub_folder, near, far) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    let hub = hub(&hub_folder).await;
    for (role, name) in [(Role::Expert, "何县医"), (Role::HubAdministrator, "管理员")] {
        staff::settle(hub.store(), role, name, PASSWORD).await.unwrap();
    }
    let other: ClinicCode = "0018".parse().unwrap();
    for (code, name) in [(clinic(), "石桥村卫生室"), (other.clone(), "柳树湾村卫生室")] {
        clinics::add(hub.store(), &code, name).await.unwrap();
    }
    let url = hub.link_url().unwrap();
    let mut boxes = Vec::new();
    for (folder, code) in [(&near, clinic()), (&far, other.clone())] {
        let store = open_as(folder, Side::Box);
        if code == clinic() {
            let lines = LINES.into_iter().map(|line| Ok(line.as_bytes().to_vec()));
            store.import(lines, Box::new(|_| {})).await.unwrap();
        }
        let token = clinics::new_token(hub.store(), &code).await.unwrap();
        link::enrol::join(&store, &url, &token, None, "BOX", &Cable::default())
            .await
            .unwrap();
        meet(&store).await;
        boxes.push(store);
    }
    let patient = boxes[0].patients_page(None, 1).await.unwrap()[0].id;
    let visit = boxes[0].visits_of(patient, 1).await.unwrap()[0].id;
    hub.store().join_patient(&other, patient).await.unwrap();
    meet(&boxes[1]).await;
    let write = Write::new(
        Target::Existing(visit.doc()),
        vec![records::tree::Edit::put(&["note", "complaint"], "不该写")],
    );
    let commit = Commit::new(By::System, AuditAct::VisitSave, vec![write]);
    boxes[1].commit(commit).await.unwrap();
    meet(&boxes[1]).await;

    let router = router::pages(hub.state.clone());
    let mut desk = Desk::new(&router);
    desk.sign_in("何县医", PASSWORD).await;
    let status = desk.get("/status").await;
    assert!(status.body.contains("/status/aside"), "{}", status.body);
    let page = desk.get("/status/aside").await;
    for words in [
        "接诊记录",
        "吕小兰",
        "柳树湾村卫生室",
        "这个诊室不能修改这份档案",
        "请县中心把这位居民加入该诊室",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("⟦"));
    // Who manages clinics, but may not find people, reads no name.
    let mut desk = Desk::new(&router);
    desk.sign_in("管理员", PASSWORD).await;
    let page = desk.get("/status/aside").await;
    assert!(page.body.contains("柳树湾村卫生室") && !page.body.contains("吕小兰"));
}

/// A box without any network: what it wrote comes to the desk's page on a stick, and the answer goes back on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stick_is_read_and_answered_from_the_page() {
    let (hub_folder, box_folder, stick) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    let hub = hub(&hub_folder).await;
    staff::settle(hub.store(), Role::HubAdministrator, "管理员", PASSWORD)
        .await
        .unwrap();
    let box_store = join_box(&hub, &box_folder).await;
    let lines = LINES.into_iter().map(|line| Ok(line.as_bytes().to_vec()));
    box_store.import(lines, Box::new(|_| {})).await.unwrap();

    let state = HubState {
        keeping: Keeping::at(vec![stick.path().to_owned()]),
        ..hub.state.clone()
    };
    let mut desk = Desk::new(&router::pages(state));
    desk.sign_in("管理员", PASSWORD).await;
    let place = stick.path().display().to_string();
    let empty = work(&mut desk, "/keeping/stick/take", &place).await;
    assert!(empty.body.contains("这个U盘上没有对方写的文件"), "{}", empty.body);
    let nobody = work(&mut desk, "/keeping/stick/write", &place).await;
    assert!(nobody.body.contains("还没有诊室带来过文件"), "{}", nobody.body);

    let file = stick.path().join(format!("box-{}.stick", box_store.device()));
    box_store.stick_to_hub(&file, "0.0.0-test").await.unwrap();
    // A stick that was pulled out too early.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let torn = work(&mut desk, "/keeping/stick/take", &place).await;
    assert!(torn.body.contains("文件损坏或不完整"), "{}", torn.body);
    assert_eq!(hub.store().patients_count().await.unwrap(), 0);
    std::fs::write(&file, &whole).unwrap();
    let taken = work(&mut desk, "/keeping/stick/take", &place).await;
    assert!(taken.body.contains("已从U盘读入"), "{}", taken.body);
    assert_eq!(hub.store().patients_count().await.unwrap(), 1);
    let again = work(&mut desk, "/keeping/stick/take", &place).await;
    assert!(again.body.contains("已从U盘读入（0 条新修改）"), "{}", again.body);

    let written = work(&mut desk, "/keeping/stick/write", &place).await;
    assert!(written.body.contains("已写到U盘"), "{}", written.body);
    let answer = stick.path().join(format!("hub-{}.stick", box_store.device()));
    box_store.stick_from_hub(&answer).await.unwrap();
    let waiting = box_store.link_status().await.unwrap().queue;
    assert!(waiting.iter().all(|lane| lane.items == 0), "{waiting:?}");
    hub.stop().await;
}

/// Begins a piece of work of the page on disks and sticks; the page once it is done.
async fn work(desk: &mut Desk, action: &str, place: &str) -> desk::Answer {
    let begun = desk.post(action, &[("place", place)]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    loop {
        let page = desk.get("/keeping").await;
        if !page.body.contains("请不要拔出") {
            return page;
        }
        tokio::task::yield_now().await;
    }
}
