//! Permits of technicians: whom they let in, and what is refused.

use super::identities::{drawn, provisioned_with, row};
use crate::identity::Identity;
use crate::select::PERMIT;
use crate::signed::{Purpose, SecretKey};
use crate::technician::{PERMIT_MAX, Permit, PermitFault, file_on, public_key};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNqzPM6jgKPyXb1gUXoEKZbkBvO5sZTb8L0ks1nGGbT wang@county";

fn secret() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn permit() -> Permit {
    Permit::new("441802", "0017", KEY, 60, [5; 8]).unwrap()
}

fn here() -> Identity {
    row().make(&drawn(), String::new()).unwrap().0
}

#[test]
fn a_permit_opens_its_clinic_until_its_minutes_are_used_up() {
    let (permit, here) = (permit(), here());
    assert_eq!((here.county.as_str(), here.clinic.as_str()), ("441802", "0017"));
    let file = permit.seal(&secret());
    assert_eq!(
        Permit::parse(file.as_bytes(), &[secret().public()]),
        Ok(permit.clone())
    );
    assert_eq!(permit.left(&here, 0), Ok(60));
    assert_eq!(permit.left(&here, 59), Ok(1));
    for used in [60, 61, u32::MAX] {
        assert_eq!(permit.left(&here, used), Err(PermitFault::UsedUp { minutes: 60 }));
    }
    for (county, clinic) in [("441802", "0018"), ("441803", "0017")] {
        let other = Permit::new(county, clinic, KEY, 60, [5; 8]).unwrap();
        assert!(matches!(
            other.left(&here, 0),
            Err(PermitFault::OtherClinic { .. })
        ));
    }
}

#[test]
fn a_permit_of_another_key_or_purpose_is_not_believed() {
    let line = serde_json::to_string(&permit()).unwrap();
    let keys = [secret().public()];
    let other = SecretKey::from_seed(&[8; 32]);
    for file in [
        permit().seal(&other),
        secret().seal(Purpose::Identity, &line),
        secret().seal(Purpose::Bundle, &line),
        permit()
            .seal(&secret())
            .replace("\"minutes\":60", "\"minutes\":61"),
        line.clone(),
        String::new(),
    ] {
        let read = Permit::parse(file.as_bytes(), &keys);
        assert!(matches!(read, Err(PermitFault::Signed(_))), "{file}: {read:?}");
    }
    for line in [
        line.replace("\"form\":1", "\"form\":2"),
        line.replace("\"minutes\":60", "\"minutes\":0"),
        line.replace("\"minutes\":60", "\"minutes\":481"),
        line.replace("0505050505050505", "../../../etc/pass"),
        line.replace("\"0017\"", "\"\""),
        line.replace("ssh-ed25519 ", "command=\\\"sh\\\" ssh-ed25519 "),
        line.replace("GGbT\"", "GGbT\\nssh-ed25519 x\""),
        line.replace("{\"form\"", "{\"more\":1,\"form\""),
    ] {
        let read = Permit::parse(secret().seal(Purpose::Technician, &line).as_bytes(), &keys);
        assert!(matches!(read, Err(PermitFault::Form(_))), "{line}: {read:?}");
    }
}

#[test]
fn only_a_key_goes_into_the_file_of_keys() {
    let bare = KEY.rsplit_once(' ').unwrap().0;
    assert_eq!(public_key(KEY).as_deref(), Ok(bare));
    assert_eq!(public_key(&format!("{bare}\n")).as_deref(), Ok(bare));
    let other = [
        "",
        "ssh-rsa AAAA",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        &format!("no-pty {bare}"),
        &format!("{bare}\n{bare}"),
    ];
    for line in other {
        assert!(public_key(line).is_err(), "{line}");
    }
}

#[test]
fn a_permit_lies_beside_the_row_of_a_card() {
    let file = permit().seal(&secret());
    let (mut card, layout) = provisioned_with(&[(PERMIT, file.as_bytes())]);
    assert_eq!(
        file_on(&mut card, &layout).unwrap().as_deref(),
        Some(file.as_bytes())
    );
    let (mut card, layout) = provisioned_with(&[]);
    assert_eq!(file_on(&mut card, &layout).unwrap(), None);
    let (mut card, layout) = provisioned_with(&[(PERMIT, &vec![b'x'; PERMIT_MAX + 1])]);
    assert!(file_on(&mut card, &layout).is_err());
}
