//! From an empty card to a working clinic: a card is provisioned for a clinic of a real hub, the box starts from it in
//! QEMU, joins by itself, and its first patient arrives at the hub. The image is that of release 1 in the folder that
//! `CLINIC_IMAGES` names; the short lane starts this one box, the long lane does too.

use std::time::Instant;

use card::FileDevice;
use card::identity::{self, Kept};
use card::layout::Layout;
use card::signed::PublicKey;
use serde_json::Value;

use crate::clinic::{Clinic, found, sign_in};
use crate::county_hub::CountyHub;

/// Where a box in QEMU finds this machine's loopback.
pub(crate) const HOST: &str = "10.0.2.2";
const CODE: &str = "0017";
const NAME: &str = "石门村卫生室";

/// What stands beside the row on the card.
fn kept(clinic: &Clinic) -> Kept {
    let key = std::fs::read_to_string(format!("{}.pub", clinic.key())).unwrap();
    let key = PublicKey::parse(key.trim()).unwrap();
    let mut device = FileDevice::open_to_read(&clinic.at("card")).unwrap();
    let layout = Layout::read(&mut device).unwrap();
    identity::read(&mut device, &layout, &[key]).unwrap().1
}

/// When the hub heard the clinic's box last.
fn heard(hub: &CountyHub) -> Option<String> {
    let told = hub.verb(&["release", "list"], &["--json"]).json();
    let boxes: Vec<&Value> = told["boxes"].as_array()?.iter().collect();
    assert!(boxes.len() < 2, "{told}");
    let one = boxes.first()?;
    assert_eq!(one["clinic"], CODE, "{told}");
    one["last_contact"].as_str().map(str::to_owned)
}

/// How many patients the hub has of the clinic.
fn patients(hub: &CountyHub) -> u64 {
    let told = hub.verb(&["verify"], &["--clinic", CODE, "--json"]).json();
    told["patients"].as_u64().unwrap()
}

#[test]
fn a_provisioned_card_joins_a_real_hub_without_a_keyboard_and_sends_its_first_patient() {
    let folder = tempfile::tempdir().unwrap();
    let hub = CountyHub::start(folder.path());
    let token = hub.invite(CODE, NAME);
    let authority = std::fs::read_to_string(hub.authority()).unwrap();

    let begin = Instant::now();
    let minutes = || begin.elapsed().as_secs_f64() / 60.0;
    let address = format!("https://{HOST}:{}", hub.link().port());
    let clinic = Clinic::of(&address, &authority, &token, &[]);
    assert!(matches!(kept(&clinic), Kept::Fresh(_)));
    let mut machine = clinic.start("first", None, false);

    machine.until("the hub hears the box", |_| heard(&hub));
    println!("from provision to the first sync: {:.1} minutes", minutes());
    machine.until("the token goes from the card", |_| {
        (kept(&clinic) == Kept::Used).then_some(())
    });

    machine.until("the box finds itself healthy", |machine| {
        machine.log().contains("\"settled\":\"Note\"").then_some(())
    });

    // Nobody touched the box so far. The doctor comes, and a patient.
    let (last, page) = machine.get("/");
    assert!(last.ends_with("/start/language 200"), "{last}");
    assert!(page.contains("lang=\"zh-CN\""), "{page}");
    let (last, _) = machine.get("/health");
    assert_eq!(last, "/health 404", "its health is told on its loopback only");
    found(&mut machine);
    std::fs::remove_file(clinic.at("cookies")).unwrap();
    let (last, _) = machine.get("/");
    assert!(last.starts_with("/sign-in") && last.ends_with(" 200"), "{last}");
    sign_in(&mut machine);
    assert_eq!(patients(&hub), 0);
    std::fs::write(clinic.at("residents.csv"), "姓名,电话\n蔺骞茗,13970310007\n").unwrap();
    let (last, page) = machine.upload("/residents", "file", &clinic.at("residents.csv"));
    assert!(
        last.ends_with(" 200") && page.contains("新登记 1 人"),
        "{last} {page}"
    );
    machine.until("the patient arrives at the hub", |_| {
        (patients(&hub) == 1).then_some(())
    });
    println!("from provision to the first patient: {:.1} minutes", minutes());
}
