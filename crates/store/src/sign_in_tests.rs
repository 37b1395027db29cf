//! Sign-in: lock-out that holds, tablets that lock, tokens that end.

use std::time::Duration;

use records::ids::StaffId;
use records::staff::{Role, StaffMember, StaffState};

use crate::workbench::Bench;
use crate::*;

const DOCTOR: StaffId = StaffId([7; 8]);

async fn doctor(store: &Store) -> StaffMember {
    StaffMember {
        id: DOCTOR,
        name: "李医生".into(),
        login: "li".into(),
        roles: vec![Role::VillageDoctor],
        state: StaffState::Active,
        password_hash: store.hash_secret("correct horse").await.unwrap(),
        pin_hash: store.hash_secret("2468").await.unwrap(),
        clinic: None,
        must_change: false,
    }
}

async fn with_doctor(bench: &Bench) -> Store {
    let store = bench.open();
    let member = doctor(&store).await;
    store.put_roster(vec![member], true).await.unwrap();
    store
}

#[tokio::test]
async fn the_right_password_signs_in_by_name_or_id_and_is_kept_as_a_hash() {
    let bench = Bench::new();
    let store = with_doctor(&bench).await;
    for login in ["li", " LI ", "ｌｉ", &DOCTOR.to_string()] {
        let answer = store.check_password(login, "correct horse").await.unwrap();
        assert_eq!(answer, SignIn::Ok(DOCTOR), "{login}");
    }
    let member = store.staff_member(DOCTOR).await.unwrap().unwrap();
    assert!(member.password_hash.starts_with("$argon2id$"));
    assert_ne!(
        member.password_hash,
        store.hash_secret("correct horse").await.unwrap()
    );
    for (login, password) in [("li", "wrong"), ("nobody", "correct horse"), ("", ""), ("li", "")] {
        let answer = store.check_password(login, password).await.unwrap();
        assert!(matches!(answer, SignIn::Wrong { .. }), "{login}");
    }
    let long = "x".repeat(SECRET_BYTES_MAX + 1);
    assert!(store.hash_secret(&long).await.is_err());
}

#[tokio::test]
async fn five_wrong_ones_lock_and_neither_restart_nor_wall_clock_opens() {
    let bench = Bench::new();
    let store = with_doctor(&bench).await;
    for left in (1..WRONG_MAX).rev() {
        assert_eq!(
            store.check_pin(DOCTOR, "0000").await.unwrap(),
            SignIn::Wrong { left }
        );
    }
    assert_eq!(
        store.check_pin(DOCTOR, "0000").await.unwrap(),
        SignIn::Locked { wait: LOCKED_FOR }
    );
    assert!(matches!(
        store.check_pin(DOCTOR, "2468").await.unwrap(),
        SignIn::Locked { .. }
    ));
    // The password is counted apart: a tablet in a stranger's hands does not lock the doctor out.
    assert_eq!(
        store.check_password("li", "correct horse").await.unwrap(),
        SignIn::Ok(DOCTOR)
    );
    bench.clock.advance(Duration::from_secs(120));
    let SignIn::Locked { wait } = store.check_pin(DOCTOR, "2468").await.unwrap() else {
        panic!("open")
    };
    assert_eq!(wait, Duration::from_secs(180));
    drop(store);
    let store = bench.open();
    assert!(matches!(
        store.check_pin(DOCTOR, "2468").await.unwrap(),
        SignIn::Locked { .. }
    ));
    bench.clock.advance(Duration::from_secs(181));
    assert_eq!(store.check_pin(DOCTOR, "2468").await.unwrap(), SignIn::Ok(DOCTOR));
    // A right one starts the count anew.
    assert_eq!(
        store.check_pin(DOCTOR, "0").await.unwrap(),
        SignIn::Wrong { left: WRONG_MAX - 1 }
    );
    let acts: Vec<String> = store
        .audit_lines(
            AuditFilter {
                by: Some(By::Staff(DOCTOR)),
                ..AuditFilter::default()
            },
            50,
        )
        .await
        .unwrap()
        .into_iter()
        .map(|(_, line)| line.act)
        .collect();
    assert_eq!(acts.iter().filter(|act| *act == "locked_out").count(), 1);
    assert_eq!(acts.iter().filter(|act| *act == "sign_in_failed").count(), 6);
}

#[tokio::test]
async fn tries_at_the_same_time_do_not_outrun_the_lock() {
    let bench = Bench::new();
    let store = with_doctor(&bench).await;
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.check_pin(DOCTOR, &format!("{n:04}")).await.unwrap() })
        })
        .collect();
    let mut compared = 0;
    for answer in tries {
        compared += usize::from(matches!(answer.await.unwrap(), SignIn::Wrong { .. }));
    }
    assert!(compared < WRONG_MAX as usize, "{compared}");
}

#[tokio::test]
async fn a_suspended_account_and_one_without_secret_never_sign_in() {
    let bench = Bench::new();
    let store = bench.open();
    let member = doctor(&store).await;
    let suspended = StaffMember {
        state: StaffState::Suspended,
        ..member.clone()
    };
    store.put_roster(vec![suspended], true).await.unwrap();
    let answer = store.check_password("li", "correct horse").await.unwrap();
    assert!(matches!(answer, SignIn::Wrong { .. }));
    let without = StaffMember {
        password_hash: String::new(),
        ..member
    };
    store.put_roster(vec![without], true).await.unwrap();
    assert!(matches!(
        store.check_password("li", "").await.unwrap(),
        SignIn::Wrong { .. }
    ));
}

#[tokio::test]
async fn at_a_hub_nobody_of_a_clinic_takes_the_name_of_one_of_the_county() {
    let bench = Bench::new();
    let mut options = bench.options();
    options.side = Side::Hub;
    let store = Store::open(bench.folder.path(), options).unwrap();
    let county = doctor(&store).await;
    let village = StaffMember {
        id: StaffId([1; 8]),
        name: "A".into(),
        clinic: Some(crate::workbench::clinic()),
        password_hash: store.hash_secret("other").await.unwrap(),
        ..county.clone()
    };
    store.put_roster(vec![village, county], true).await.unwrap();
    assert_eq!(
        store.check_password("li", "correct horse").await.unwrap(),
        SignIn::Ok(DOCTOR)
    );
    assert!(matches!(
        store.check_password("li", "other").await.unwrap(),
        SignIn::Wrong { .. }
    ));
}

#[tokio::test]
async fn an_idle_tablet_locks_and_the_pin_unlocks_it() {
    let bench = Bench::new();
    let store = with_doctor(&bench).await;
    let token = store.new_session(DOCTOR, "tablet 1").await.unwrap();
    assert_eq!(token.len(), 64);
    bench.clock.advance(IDLE_MAX - Duration::from_secs(1));
    let session = store.browser_session(&token, true).await.unwrap().unwrap();
    assert!(!session.locked);
    assert_eq!((session.staff.id, session.tablet.as_str()), (DOCTOR, "tablet 1"));
    // Background requests keep nothing awake.
    bench.clock.advance(Duration::from_secs(100));
    assert!(
        !store
            .browser_session(&token, false)
            .await
            .unwrap()
            .unwrap()
            .locked
    );
    bench.clock.advance(Duration::from_secs(80));
    assert!(store.browser_session(&token, true).await.unwrap().unwrap().locked);
    assert!(store.browser_session(&token, true).await.unwrap().unwrap().locked);
    assert!(matches!(
        store.unlock_session(&token, "1111").await.unwrap(),
        SignIn::Wrong { .. }
    ));
    assert_eq!(
        store.unlock_session(&token, "2468").await.unwrap(),
        SignIn::Ok(DOCTOR)
    );
    assert!(!store.browser_session(&token, true).await.unwrap().unwrap().locked);
    store.lock_session(&token).await.unwrap();
    assert!(store.browser_session(&token, true).await.unwrap().unwrap().locked);
}

#[tokio::test]
async fn a_restart_locks_and_an_ended_session_is_gone() {
    let bench = Bench::new();
    let store = with_doctor(&bench).await;
    let token = store.new_session(DOCTOR, "a").await.unwrap();
    let other = store.new_session(DOCTOR, "b").await.unwrap();
    drop(store);
    let store = bench.open();
    assert!(store.browser_session(&token, true).await.unwrap().unwrap().locked);
    store.end_sessions_of(DOCTOR, Some(&token)).await.unwrap();
    assert_eq!(store.browser_session(&other, true).await.unwrap(), None);
    assert!(store.browser_session(&token, true).await.unwrap().is_some());
    store.end_session(&token).await.unwrap();
    assert_eq!(store.browser_session(&token, true).await.unwrap(), None);
    assert!(matches!(
        store.unlock_session(&token, "2468").await.unwrap(),
        SignIn::Wrong { .. }
    ));
    assert_eq!(store.browser_session("", true).await.unwrap(), None);
    // Somebody who was suspended is out at once.
    let token = store.new_session(DOCTOR, "a").await.unwrap();
    let member = store.staff_member(DOCTOR).await.unwrap().unwrap();
    let suspended = StaffMember {
        state: StaffState::Suspended,
        ..member
    };
    store.put_roster(vec![suspended], true).await.unwrap();
    assert_eq!(store.browser_session(&token, true).await.unwrap(), None);
}
