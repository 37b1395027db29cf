//! The pages as a browser without scripts sees them: forms are read off the page, filled in and sent.

mod browser;
mod checkup;
mod doors;
mod people;
mod readings;
mod room;
mod update;
mod visits;
mod walk;

use browser::Tablet;

use crate::workbench::Bench;

/// One who was registered, and their page.
const NAME: &str = "吕小兰";

/// A box that went through first start, and the doctor's tablet.
async fn founded() -> (Bench, Tablet) {
    let bench = Bench::new(&[]).await;
    let tablet = found(&bench).await;
    (bench, tablet)
}

/// Goes through first start.
async fn found(bench: &Bench) -> Tablet {
    let mut tablet = Tablet::new(bench);
    let mut page = tablet.get("/").await;
    assert_eq!(page.path, "/start/language", "a fresh box leads to first start");
    page = tablet.send(&page, "/start/language", &[("language", "zh")]).await;
    assert_eq!(page.path, "/start/clinic");
    page = tablet
        .send(
            &page,
            "/start/clinic",
            &[("clinic_name", "石桥村卫生室"), ("code", "0017")],
        )
        .await;
    assert_eq!(page.path, "/start/doctor");
    let doctor = [
        ("name", "李医生"),
        ("login", "li"),
        ("password", "correct horse"),
        ("pin", "4827"),
    ];
    page = tablet.send(&page, "/start/doctor", &doctor).await;
    assert_eq!(page.path, "/start/hub");
    page = tablet.send(&page, "/start/hub/later", &[]).await;
    assert_eq!(page.path, "/start/tablet");
    page = tablet.send(&page, "/start/tablet", &[]).await;
    assert_eq!(page.path, "/");
    tablet
}

/// Registers somebody by the form; the address of their page.
async fn register(tablet: &mut Tablet, name: &str, fields: &[(&str, &str)]) -> String {
    let page = tablet.get("/patients/new").await;
    let all: Vec<(&str, &str)> = [("name", name)]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    let page = tablet.send(&page, "/patients/new", &all).await;
    assert!(
        page.path.starts_with("/patients/") && page.path != "/patients/new",
        "{}",
        page.text()
    );
    page.path
}
