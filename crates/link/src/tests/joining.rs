//! Joining a hub, and everyday work over the link.

use super::*;
use crate::client::sync_once;
use crate::enrol::EnrolError;
use crate::token::TokenError;
use store::{AlarmKind, Cause};

#[tokio::test(flavor = "multi_thread")]
async fn a_box_joins_and_its_work_is_at_the_hub_and_an_edit_comes_back() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    assert_eq!(machine.store.clinic().await.unwrap(), Some(code("0017")));
    let patient = chart(&machine.store, "0017", "示例甲").await;
    visit(&machine.store, "0017", patient, "咳嗽").await;
    let blob = attach(&machine.store, patient, 50_000).await;
    let report = sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!(
        (report.changes_sent, report.blobs_sent, report.pending),
        (3, 1, 0)
    );
    assert!(report.audit_bytes > 0 && report.bytes_up > 1_000 && report.bytes_down > 100);
    assert_eq!(
        name_of(&hub.machine.store, patient).await.as_deref(),
        Some("示例甲")
    );
    let (here, there) = (
        machine.store.blob(blob).await.unwrap(),
        hub.machine.store.blob(blob).await.unwrap(),
    );
    assert!(here.is_some() && here == there);
    edit(&hub.machine.store, patient, &["person", "phone"], "13800000000").await;
    assert_eq!(
        sync_once(&machine.store, None, &options())
            .await
            .unwrap()
            .changes_received,
        1
    );
    same(&machine, &hub, "0017").await;
    let quiet = sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!(quiet.round_trips, 1);
    assert!(quiet.bytes_up + quiet.bytes_down < 170, "{quiet:?}");
    let row = hub.machine.store.clinics().await.unwrap().remove(0);
    assert!(row.last_contact.is_some() && row.software == "test" && row.patients == 1);
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_link_carries_news_both_ways_and_survives_the_cable() {
    let hub = Hub::new().await;
    let machine = Machine::new(Side::Box);
    let patient = chart(&machine.store, "0017", "示例乙").await;
    let client_options = ClientOptions {
        cable: Cable::default(),
        ..options()
    };
    let cable = client_options.cable.clone();
    let client = Client::start(machine.store.clone(), None, client_options);
    hub.take_in(&machine, "0017").await;
    let (at_hub, at_box) = (&hub.machine.store, &machine.store);
    until(at_hub, "the chart is at the hub", async || {
        name_of(at_hub, patient).await.is_some()
    })
    .await;
    until(at_box, "connected", async || status(&machine).await.connected).await;
    edit(at_hub, patient, &["person", "name"], "示例丙").await;
    until(at_box, "the edit is at the box", async || {
        name_of(at_box, patient).await.as_deref() == Some("示例丙")
    })
    .await;
    cable.cut();
    until(at_box, "the box knows that the cable is out", async || {
        let status = status(&machine).await;
        !status.connected && status.cause.is_some() && status.next_try.is_some()
    })
    .await;
    let later = chart(at_box, "0017", "示例丁").await;
    assert_eq!(status(&machine).await.pending, 1);
    assert_eq!(name_of(at_hub, later).await, None);
    cable.restore();
    until(at_hub, "what was written meanwhile is at the hub", async || {
        name_of(at_hub, later).await.is_some()
    })
    .await;
    until(at_box, "nothing waits", async || {
        status(&machine).await.pending == 0
    })
    .await;
    until(at_box, "the cause is gone", async || {
        status(&machine).await.cause.is_none()
    })
    .await;
    assert!(status(&machine).await.spent_today.up > 0);
    // The same at the hub's end of it.
    hub.cable.cut();
    until(at_box, "the box knows it again", async || {
        !status(&machine).await.connected
    })
    .await;
    hub.cable.restore();
    client.try_now();
    until(at_box, "connected again", async || {
        status(&machine).await.connected
    })
    .await;
    client.stop().await;
    assert!(!status(&machine).await.connected);
    same(&machine, &hub, "0017").await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_served_like_its_twin_and_an_alarm_names_it() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await.restart();
    let twin = machine.copy();
    let (one, two) = (
        Client::start(machine.store.clone(), None, options()),
        Client::start(twin.store.clone(), None, options()),
    );
    for round in 0..3 {
        for store in [&machine.store, &twin.store] {
            let patient = chart(store, "0017", &format!("示例{round}")).await;
            for other in [&hub.machine.store, &machine.store, &twin.store] {
                until(other, "everybody has the chart", async || {
                    name_of(other, patient).await.is_some()
                })
                .await;
            }
        }
    }
    let at_hub = &hub.machine.store;
    until(at_hub, "the alarm", async || {
        let alarms = at_hub.alarms().await.unwrap();
        alarms
            .iter()
            .any(|alarm| alarm.kind == AlarmKind::Clone && alarm.text == machine.store.device().to_string())
    })
    .await;
    one.stop().await;
    two.stop().await;
    same(&machine, &hub, "0017").await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_may_be_restarted_at_any_time() {
    let mut hub = Hub::new().await;
    let mut machine = joined(&hub, "0017").await;
    let mut client = Client::start(machine.store.clone(), None, options());
    for round in 0..4 {
        let patient = chart(&machine.store, "0017", &format!("示例{round}")).await;
        {
            let at_hub = &hub.machine.store;
            until(at_hub, "the chart is at the hub", async || {
                name_of(at_hub, patient).await.is_some()
            })
            .await;
        }
        if round % 2 == 0 {
            client.stop().await;
            machine = machine.restart();
            client = Client::start(machine.store.clone(), None, options());
        } else {
            hub = hub.restart().await;
            client.try_now();
        }
    }
    client.stop().await;
    sync_once(&machine.store, None, &options()).await.unwrap();
    same(&machine, &hub, "0017").await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_token_has_its_own_answer_and_changes_nothing() {
    let hub = Hub::new().await;
    let machine = Machine::new(Side::Box);
    let (store, whole) = (&machine.store, Cable::default());
    let url = hub.url();
    let attempt =
        async |url: &str, token: &str, ca: Option<&str>| join(store, url, token, ca, "box", &whole).await;
    let token = hub.token("0017").await;
    assert!(matches!(
        attempt("http://hub", &token, None).await,
        Err(EnrolError::BadAddress(_))
    ));
    assert!(matches!(
        attempt(&url, "nonsense", None).await,
        Err(EnrolError::BadToken(_))
    ));
    let other = Hub::new().await;
    assert!(matches!(
        attempt(&other.url(), &token, None).await,
        Err(EnrolError::NotThisHub)
    ));
    assert!(matches!(
        attempt(&url, &token, Some(other.ca.pem())).await,
        Err(EnrolError::WrongCa)
    ));
    let stranger = crate::token::Token {
        secret: [9; 16],
        county: hub.ca.county(),
    }
    .text();
    assert!(matches!(
        attempt(&url, &stranger, None).await,
        Err(EnrolError::WrongToken)
    ));
    assert_eq!(store.enrolment().await.unwrap(), None);
    store.set_clinic(&code("0018")).await.unwrap();
    assert!(matches!(
        attempt(&url, &token, None).await,
        Err(EnrolError::OtherClinic)
    ));
    store.set_clinic(&code("0017")).await.unwrap();
    // Not used up by any of these tries.
    attempt(&url, &token, Some(hub.ca.pem())).await.unwrap();
    let second = Machine::new(Side::Box);
    let reused = join(&second.store, &url, &token, None, "box", &whole).await;
    assert!(matches!(reused, Err(EnrolError::UsedToken)));
    assert_eq!(second.store.enrolment().await.unwrap(), None);
    let late = hub.token("0018").await;
    let life = i64::try_from(store::TOKEN_LIFE.as_millis()).unwrap();
    hub.machine.clock.0.fetch_add(life + 1, Ordering::SeqCst);
    let expired = join(&second.store, &url, &late, None, "box", &whole).await;
    assert!(matches!(expired, Err(EnrolError::ExpiredToken)));
    let nowhere = new_token(&hub.machine.store, hub.ca.county(), &code("9999")).await;
    assert!(matches!(nowhere, Err(TokenError::UnknownClinic(_))));
    let other_url = other.url();
    other.server.stop().await;
    let gone = join(&second.store, &other_url, &late, None, "box", &whole).await;
    assert!(matches!(gone, Err(EnrolError::Unreached(error)) if error.cause == Cause::Unreachable));
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_who_is_not_of_the_county() {
    let (hub, other) = (Hub::new().await, Hub::new().await);
    let machine = joined(&other, "0017").await;
    chart(&machine.store, "0017", "示例").await;
    // The box pins its county: it takes another hub for something that is in the way.
    let wrong = sync_once(&machine.store, Some(&hub.url()), &options()).await;
    assert_eq!(wrong.err().map(|error| error.cause), Some(Cause::LoginPage));
    // A revoked box is told so, and keeps everything.
    assert!(
        other
            .machine
            .store
            .revoke_device(machine.store.device())
            .await
            .unwrap()
    );
    let revoked = sync_once(&machine.store, None, &options()).await;
    assert_eq!(revoked.err().map(|error| error.cause), Some(Cause::Revoked));
    let status = status(&machine).await;
    assert_eq!((status.pending, status.cause), (1, Some(Cause::Revoked)));
    assert!(machine.store.enrolment().await.unwrap().is_some());
    // A box that never joined says so.
    let alone = sync_once(&Machine::new(Side::Box).store, Some(&hub.url()), &options()).await;
    assert_eq!(alone.err().map(|error| error.cause), Some(Cause::NotJoined));
    other.server.stop().await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_hub_takes_its_boxes_in_again() {
    // The hub's folder is new but for its CA: as after a restore from before the box joined.
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let patient = chart(&machine.store, "0017", "示例").await;
    sync_once(&machine.store, None, &options()).await.unwrap();
    let hub = hub.emptied().await;
    let report = sync_once(&machine.store, Some(&hub.url()), &options()).await;
    assert!(report.is_ok(), "{report:?}");
    assert!(name_of(&hub.machine.store, patient).await.is_some());
    same(&machine, &hub, "0017").await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_do_not_matter() {
    for now_ms in [0, 4_039_286_400_000] {
        // 1970 and 2098 at the box, today at the hub.
        let hub = Hub::new().await;
        let machine = Machine::at(Side::Box, now_ms);
        hub.take_in(&machine, "0017").await;
        let patient = chart(&machine.store, "0017", "示例").await;
        sync_once(&machine.store, None, &options()).await.unwrap();
        assert!(name_of(&hub.machine.store, patient).await.is_some());
        let notes = machine.store.clock_notes().await.unwrap();
        assert!(notes.iter().any(|note| note.stamp.source == ClockSource::Hub));
        assert_eq!(
            status(&machine).await.last_contact,
            Some(hub.machine.clock.now().at)
        );
        hub.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_with_a_new_key_is_known_to_a_hub_that_forgot_everything() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let patient = chart(&machine.store, "0017", "示例甲").await;
    sync_once(&machine.store, None, &options()).await.unwrap();
    visit(&machine.store, "0017", patient, "咳嗽").await;
    let old = machine.store.device();
    crate::enrol::change_key(&machine.store, "box", &Cable::default())
        .await
        .unwrap();
    // Before the next start the box is still the old device, which is not served any more.
    assert!(sync_once(&machine.store, None, &options()).await.is_err());
    let machine = machine.restart();
    assert_ne!(machine.store.device(), old);
    let report = sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!((report.changes_sent, report.pending), (1, 0));
    same(&machine, &hub, "0017").await;
    // A hub of the same county whose directory is empty: the certificate says whose place the box took.
    let hub = hub.emptied().await;
    let url = hub.url();
    for _ in 0..2 {
        sync_once(&machine.store, Some(&url), &options()).await.unwrap();
    }
    assert_eq!(
        hub.machine
            .store
            .predecessors(machine.store.device())
            .await
            .unwrap(),
        [old]
    );
    assert_eq!(
        name_of(&hub.machine.store, patient).await.as_deref(),
        Some("示例甲")
    );
    assert_eq!(status(&machine).await.pending, 0);
    hub.server.stop().await;
}

/// Bytes of a contact in which nothing is new, handshake included.
async fn quiet_contact(machine: &Machine, cable: &Cable) -> u64 {
    let spent = async || {
        let today = status(machine).await.spent_today;
        today.up + today.down
    };
    let before = spent().await;
    cable.restore();
    until(&machine.store, "connected", async || {
        status(machine).await.connected
    })
    .await;
    cable.cut();
    until(&machine.store, "the bytes are on the meter", async || {
        spent().await > before && !status(machine).await.connected
    })
    .await;
    spent().await - before
}

/// Certificates and their signatures of both ends; a ticket that takes their place is shorter than the rest of it.
const CERTIFICATES: u64 = 800;

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_comes_back_pays_for_no_certificates_and_is_known_when_it_is_revoked() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let cable = Cable::default();
    cable.cut();
    let options = ClientOptions {
        cable: cable.clone(),
        ..options()
    };
    let client = Client::start(machine.store.clone(), None, options);
    let first = quiet_contact(&machine, &cable).await;
    let second = quiet_contact(&machine, &cable).await;
    assert!(
        second + CERTIFICATES < first,
        "{first} bytes, and {second} at the second contact"
    );
    let device = machine.store.device();
    hub.machine.store.revoke_device(device).await.unwrap();
    cable.restore();
    until(&machine.store, "the box is told", async || {
        status(&machine).await.cause == Some(Cause::Revoked)
    })
    .await;
    client.stop().await;
    hub.server.stop().await;
}
