//! Rows: made, put onto a card by another library, read back by ours, used up; and what is not believed.

use super::*;
use crate::identity::{self, Drawn, Identity, IdentityFault, Kept, Row};
use crate::protection::Protection;
use crate::radio;
use crate::select::{CLINIC, IDENTITY, SECRETS};
use crate::signed::{Purpose, SecretKey};

pub(super) fn row() -> Row {
    Row {
        county: "441802".to_owned(),
        clinic: "0017".to_owned(),
        clinic_name: "石门村卫生室".to_owned(),
        hub: "https://hub.example:8444".to_owned(),
        hub_ca: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        wifi_name: "乡医盒子-0017".to_owned(),
        country: "CN".to_owned(),
        locale: "zh-CN".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        admin_key: Some("ssh-ed25519 AAAAC3Nza technician".to_owned()),
        data: Protection::Device,
        token: "ABCDEFGH-01234567-ABCDEFGH-01234567".to_owned(),
    }
}

pub(super) fn drawn() -> Drawn {
    Drawn {
        wifi: [0, 31, 32, 255, 7, 8, 9, 10, 11, 12, 13, 14],
        code: [0, 9, 10, 255, 4, 5, 6, 7],
        signature: 0xfeed_0001,
    }
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

fn put(card: &mut LoggedCard, files: &[(&str, &[u8])]) {
    let mut part = Part::new(card, layout().select);
    let system = fatfs::FileSystem::new(&mut part, fatfs::FsOptions::new()).unwrap();
    system.root_dir().create_dir(CLINIC).unwrap();
    for (name, bytes) in files {
        let mut file = system.root_dir().create_file(name).unwrap();
        file.write_all(bytes).unwrap();
    }
    system.unmount().unwrap();
    part.flush().unwrap();
}

/// A card that was provisioned.
fn provisioned() -> (LoggedCard, Layout) {
    provisioned_with(&[])
}

/// The same with more files beside the row.
pub(super) fn provisioned_with(more: &[(&str, &[u8])]) -> (LoggedCard, Layout) {
    let (identity, secrets) = row().make(&drawn(), "2026-11-26T08:00:00Z".to_owned()).unwrap();
    let mut card = card(&release(1));
    let (row, sector) = (identity.seal(&key()), secrets.to_sector());
    let own: [(&str, &[u8]); 2] = [(IDENTITY, row.as_bytes()), (SECRETS, &sector)];
    put(&mut card, &[&own, more].concat());
    Layout::sign(&mut card, identity.disk_signature).unwrap();
    let layout = Layout::read(&mut card).unwrap();
    (card, layout)
}

#[test]
fn a_row_is_read_back_by_its_box_and_its_secrets_are_used_once() {
    let (mut card, layout) = provisioned();
    let keys = [key().public()];
    let (identity, kept) = identity::read(&mut card, &layout, &keys).unwrap();
    assert!(
        identity.wifi_password.starts_with("a9a9-"),
        "{}",
        identity.wifi_password
    );
    assert_eq!(identity.wifi_password.len(), 14);
    let Kept::Fresh(secrets) = kept else {
        panic!("{kept:?}");
    };
    assert_eq!(
        (secrets.token.as_str(), secrets.code.as_str()),
        (row().token.as_str(), "09054567")
    );
    assert!(!format!("{secrets:?}").contains("ABCDEFGH"));
    let mut card = card.settled();
    identity::use_up(&mut card, &layout).unwrap();
    assert_eq!(card.events(), 2, "one sector and a flush");
    let (again, kept) = identity::read(&mut card, &layout, &keys).unwrap();
    assert_eq!((again, kept), (identity, Kept::Used));
    let mut bytes = vec![0; CAPACITY as usize];
    card.read_at(0, &mut bytes).unwrap();
    let token = b"ABCDEFGH-01234567";
    assert!(
        !bytes.windows(token.len()).any(|window| window == token),
        "the token is still on the card"
    );
}

#[test]
fn a_cut_while_secrets_are_used_up_leaves_them_or_not_and_never_half_believed() {
    let (card, layout) = provisioned();
    let mut card = card.settled();
    identity::use_up(&mut card, &layout).unwrap();
    card.cuts(1, |mut state| {
        match identity::read(&mut state, &layout, &[key().public()]) {
            Ok(_) | Err(IdentityFault::OtherSecrets) => {}
            Err(other) => panic!("{other}"),
        }
        identity::use_up(&mut state, &layout).unwrap();
        let (_, kept) = identity::read(&mut state, &layout, &[key().public()]).unwrap();
        assert_eq!(kept, Kept::Used);
    });
}

#[test]
fn a_row_of_another_card_another_key_or_with_other_secrets_is_not_believed() {
    let (mut card, layout) = provisioned();
    let mut read =
        |layout: &Layout, key: SecretKey| identity::read(&mut card, layout, &[key.public()]).unwrap_err();
    assert!(matches!(
        read(&layout, SecretKey::from_seed(&[9; 32])),
        IdentityFault::Signed(_)
    ));
    let moved = Layout {
        signature: layout.signature ^ 1,
        ..layout.clone()
    };
    assert_eq!(read(&moved, key()), IdentityFault::OtherCard);
    let mut other = self::card(&release(1));
    let bare = identity::read(&mut other, &self::layout(), &[key().public()]);
    assert_eq!(bare.unwrap_err(), IdentityFault::None);
    let (identity, _) = row().make(&drawn(), String::new()).unwrap();
    let (_, secrets) = Row {
        token: "0000000000000000".to_owned(),
        ..row()
    }
    .make(&drawn(), String::new())
    .unwrap();
    put(
        &mut other,
        &[
            (IDENTITY, identity.seal(&key()).as_bytes()),
            (SECRETS, &secrets.to_sector()),
        ],
    );
    Layout::sign(&mut other, identity.disk_signature).unwrap();
    let layout = Layout::read(&mut other).unwrap();
    let mixed = identity::read(&mut other, &layout, &[key().public()]);
    assert_eq!(mixed.unwrap_err(), IdentityFault::OtherSecrets);
}

#[test]
fn every_field_that_cannot_be_is_named() {
    let refused = |change: &dyn Fn(&mut Row)| {
        let mut row = row();
        change(&mut row);
        let fault = row.check().unwrap_err().to_string();
        assert!(row.make(&drawn(), String::new()).is_err());
        fault
    };
    assert!(refused(&|row| row.clinic = "../etc".to_owned()).contains("clinic code"));
    assert!(refused(&|row| row.clinic_name.clear()).contains("clinic name"));
    assert!(refused(&|row| row.hub = "http://hub".to_owned()).contains("hub address"));
    assert!(refused(&|row| row.hub = "https://a b".to_owned()).contains("hub address"));
    assert!(refused(&|row| row.hub_ca.clear()).contains("hub certificate"));
    assert!(refused(&|row| row.wifi_name = "盒".repeat(11)).contains("radio"));
    assert!(refused(&|row| row.wifi_name = "a\nb".to_owned()).contains("radio"));
    assert!(refused(&|row| row.country = "cn".to_owned()).contains("country"));
    assert!(refused(&|row| row.locale = "de".to_owned()).contains("language"));
    assert!(refused(&|row| row.time_zone = "../../etc/passwd".to_owned()).contains("time zone"));
    assert!(refused(&|row| row.admin_key = Some("ssh-rsa A".to_owned())).contains("key"));
    assert!(refused(&|row| row.token = "short".to_owned()).contains("token"));
    assert!(refused(&|row| row.token = "\"},{\"aaaaaaaaaaaaaaaaaa".to_owned()).contains("token"));
}

#[test]
fn one_token_is_one_row_however_it_was_typed() {
    let spaced = Row {
        token: "abcdefgh 01234567 abcdefgh 01234567".to_owned(),
        ..row()
    };
    assert_eq!(spaced.number(), row().number());
    assert!(!row().number().contains("abcd"));
    assert!(Identity::parse(b"", &[key().public()]).is_err());
    identity::fuzz_one(b"{\"form\":1}");
}

#[test]
fn a_row_says_how_the_data_are_protected_and_one_that_is_not_believed_says_nothing() {
    let (mut card, layout) = provisioned();
    let keys = [key().public()];
    let said = |card: &mut LoggedCard, keys: &[_]| identity::protection_on(card, &layout, keys);
    assert_eq!(said(&mut card, &keys), Ok(Protection::Device));
    let strangers = [SecretKey::from_seed(&[9; 32]).public()];
    assert!(matches!(
        said(&mut card, &strangers),
        Err(IdentityFault::Signed(_))
    ));
    let mut unowned = super::card(&release(1));
    assert_eq!(said(&mut unowned, &keys), Ok(Protection::Plain));
    // A row of before there was a choice.
    let (identity, _) = row().make(&drawn(), "2026-11-26T08:00:00Z".to_owned()).unwrap();
    let old = serde_json::to_string(&identity).unwrap();
    let old = old.replace("\"data\":\"device\",", "");
    let read = |line: &str| Identity::parse(key().seal(Purpose::Identity, line).as_bytes(), &keys);
    assert_eq!(read(&old).unwrap().data, Protection::Plain);
    // A kind of protection that this program does not know is no row that it may read past.
    let later = old.replacen('{', "{\"data\":\"later\",", 1);
    assert!(matches!(read(&later), Err(IdentityFault::Form(_))));
}

#[test]
fn a_radio_network_is_what_the_row_says_on_a_channel_that_every_tablet_has() {
    let mut channels = std::collections::BTreeSet::new();
    for signature in 1..=30 {
        let drawn = Drawn { signature, ..drawn() };
        let (identity, _) = row().make(&drawn, "2026-11-26T08:00:00Z".to_owned()).unwrap();
        let settings = radio::settings(&identity);
        let of = |key: &str| {
            let mut values = settings
                .lines()
                .filter_map(|line| line.split_once('='))
                .filter(|line| line.0 == key);
            let value = values.next().map(|line| line.1.to_owned());
            assert!(values.next().is_none(), "{key} stands twice");
            value.unwrap()
        };
        assert_eq!(hex::decode(of("ssid2")).unwrap(), identity.wifi_name.as_bytes());
        assert_eq!(of("wpa_passphrase"), identity.wifi_password);
        assert_eq!((of("country_code").as_str(), of("hw_mode").as_str()), ("CN", "g"));
        // WPA2 and nothing older.
        assert_eq!((of("wpa").as_str(), of("rsn_pairwise").as_str()), ("2", "CCMP"));
        channels.insert(of("channel").parse::<u8>().unwrap());
    }
    assert_eq!(channels.into_iter().collect::<Vec<_>>(), [1, 6, 11]);
}
