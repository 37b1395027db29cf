//! The part of the status page about the systems of the card, over a card in a file.

use card::FileDevice;
use card::layout::Slot;
use card::slots::Card;
use card::state::{Content, System, Version, Why};
use tempfile::TempDir;
use web::texts::Lang;

use super::*;
use crate::clinic_card;
use crate::pages::systems::rows;

fn card(folder: &TempDir) -> CardConfig {
    let device = folder.path().join("card");
    clinic_card::image(&device);
    CardConfig {
        device,
        county_key: folder.path().join("none"),
        run: folder.path().join("run"),
    }
}

fn open(config: &CardConfig) -> Card<FileDevice> {
    Card::open(FileDevice::open_to_write(&config.device).unwrap()).unwrap()
}

async fn shown(config: Option<&CardConfig>, lang: Lang) -> String {
    let systems = of(config.cloned()).await;
    let rows = rows(lang, &systems);
    rows.iter()
        .map(|row| format!("{}: {}\n", row.title, row.words))
        .collect()
}

#[tokio::test]
async fn a_machine_without_a_card_says_so() {
    let zh = shown(None, Lang::Zh).await;
    assert!(zh.contains("不是从制好的卡启动"), "{zh}");
    let en = shown(None, Lang::En).await;
    assert!(en.contains("does not start from a provisioned card"), "{en}");
}

#[tokio::test]
async fn both_slots_a_trial_and_the_reason_of_a_roll_back_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = card(&folder);
    let fresh = shown(Some(&config), Lang::En).await;
    assert!(
        fresh.contains("version 1") && fresh.contains("empty") && fresh.contains("No update yet"),
        "{fresh}"
    );

    let bytes = vec![7; 4096];
    let system = System {
        version: Version(2),
        boot: Content::of(&bytes),
        root: Content::of(&bytes),
    };
    let mut device = open(&config);
    let (mut boot, mut root) = (bytes.as_slice(), bytes.as_slice());
    device
        .install(Slot::A, &system, [&mut boot, &mut root], |_| {})
        .unwrap();
    device.ask_for_trial(Slot::A).unwrap();
    let trying = shown(Some(&config), Lang::En).await;
    assert!(trying.contains("version 2, being tried"), "{trying}");

    device.begin(Slot::B).unwrap();
    device.roll_back(Why::Unhealthy, "store: no room").unwrap();
    let back = shown(Some(&config), Lang::En).await;
    assert!(
        back.contains("Went back from version 2")
            && back.contains("found a fault in itself")
            && back.contains("store: no room"),
        "{back}"
    );
    let zh = shown(Some(&config), Lang::Zh).await;
    assert!(
        zh.contains("已从版本 2 退回") && zh.contains("store: no room"),
        "{zh}"
    );

    device
        .install(
            Slot::A,
            &system,
            [&mut bytes.as_slice(), &mut bytes.as_slice()],
            |_| {},
        )
        .unwrap();
    device.ask_for_trial(Slot::A).unwrap();
    device.begin(Slot::B).unwrap();
    device.healthy(Slot::B).unwrap();
    let taken = shown(Some(&config), Lang::En).await;
    assert!(
        taken.contains("Version 2 was taken over") && taken.contains("B · version 2"),
        "{taken}"
    );
}

#[tokio::test]
async fn a_card_that_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = card(&folder);
    clinic_card::card(&config.device);
    let empty = shown(Some(&config), Lang::En).await;
    assert!(empty.contains("cannot be read"), "{empty}");
    config.device = folder.path().join("gone");
    let gone = shown(Some(&config), Lang::Zh).await;
    assert!(gone.contains("读不了存储卡"), "{gone}");
}
