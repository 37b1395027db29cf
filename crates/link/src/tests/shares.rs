//! Shares of openings over the wire: given by an open box, asked for by a locked one, and by others in vain.

use rustls::pki_types::ServerName;
use sync_core::identity::DeviceKey;
use sync_core::wire::{Frame, Knock, Meeting, Share, ShareAnswer, ShareAsk, ShareRefusal, ShareWhy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::enrol::read_frame;
use crate::share::{self, ShareError};
use crate::tls::{Trust, client_config, server_config};

const SHARE: Share = Share([5; 32]);
const NONCE: [u8; 32] = [3; 32];

fn opening_key(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

/// Whom this box asks once it is locked.
fn asked(hub: &Hub, machine: &Machine) -> share::Hub {
    share::Hub {
        url: hub.url(),
        county: hub.ca.county(),
        device: machine.store.device(),
    }
}

async fn give(machine: &Machine) -> Option<ShareWhy> {
    let public = opening_key(8).public().to_bytes();
    share::give(&machine.store, None, public, SHARE, &Cable::default())
        .await
        .unwrap()
}

async fn ask(of: &share::Hub, seed: u8) -> Result<ShareAnswer, ShareError> {
    share::ask(of, &Cable::default(), async |meeting| {
        Some(ShareAsk::sign(&opening_key(seed), &meeting, NONCE))
    })
    .await
}

fn why(answer: Result<ShareAnswer, ShareError>) -> ShareWhy {
    match answer.unwrap() {
        ShareAnswer::Refused(refusal) => refusal.why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_box_gets_the_share_that_it_gave_while_it_was_open_whatever_its_clock_says() {
    let hub = Hub::new().await;
    // Its clock says 1970, and the hub's 2026.
    let machine = Machine::at(Side::Box, 0);
    hub.take_in(&machine, "0017").await;
    let of = asked(&hub, &machine);
    assert_eq!(why(ask(&of, 8).await), ShareWhy::NotKept);
    assert_eq!(give(&machine).await, None);
    assert_eq!(ask(&of, 8).await.unwrap(), ShareAnswer::Given(SHARE));
    assert_eq!(why(ask(&of, 9).await), ShareWhy::BadProof);
    // Its certificate lies among its data, and it needs none; the hub of another county it does not believe.
    let other = share::Hub {
        county: [1; 32],
        ..of.clone()
    };
    assert!(matches!(ask(&other, 8).await, Err(ShareError::Unreached(_))));
    let hub = hub.restart().await;
    let of = asked(&hub, &machine);
    assert_eq!(ask(&of, 8).await.unwrap(), ShareAnswer::Given(SHARE));
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lost_everything_is_told_again_and_a_revoked_box_hears_so_from_its_own_hub() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    assert_eq!(give(&machine).await, None);
    let hub_key = hub.machine.store.device_key().public();
    let device = machine.store.device();
    assert!(hub.machine.store.revoke_device(device).await.unwrap());
    let of = asked(&hub, &machine);
    let (mut met, cable) = (None, Cable::default());
    let answer = share::ask(&of, &cable, async |meeting| {
        met = Some(meeting);
        Some(ShareAsk::sign(&opening_key(8), &meeting, NONCE))
    });
    let ShareAnswer::Refused(refusal) = answer.await.unwrap() else {
        panic!("a revoked box was not refused");
    };
    assert_eq!(refusal.why, ShareWhy::Revoked);
    assert_eq!(refusal.verify(hub_key, &met.unwrap(), &NONCE), Ok(()));
    assert_eq!(give(&machine).await, Some(ShareWhy::Revoked));
    let fresh = hub.emptied().await;
    assert_eq!(why(ask(&asked(&fresh, &machine), 8).await), ShareWhy::Unknown);
    fresh.server.stop().await;
}

/// A connection without a certificate on which a device has knocked; the hub's nonce.
async fn knocked(hub: &Hub, machine: &Machine) -> (TlsStream<TcpStream>, Meeting) {
    let config = client_config(Trust::County(hub.ca.county()), None).unwrap();
    let stream = TcpStream::connect(hub.server.local_addr()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let device = machine.store.device();
    let knock = Frame::Knock(Knock { device });
    stream.write_all(&knock.encode()).await.unwrap();
    let Frame::Nonce(nonce) = read_frame(&mut stream).await.unwrap() else {
        panic!("no nonce");
    };
    let county = hub.ca.county();
    let meeting = Meeting {
        county,
        device,
        nonce,
    };
    (stream, meeting)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_on_one_connection_opens_nothing_on_another() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    assert_eq!(give(&machine).await, None);
    let (mut first, meeting) = knocked(&hub, &machine).await;
    let question = Frame::ShareAsk(ShareAsk::sign(&opening_key(8), &meeting, NONCE)).encode();
    first.write_all(&question).await.unwrap();
    let answer = read_frame(&mut first).await.unwrap();
    assert_eq!(answer, Frame::ShareAnswer(ShareAnswer::Given(SHARE)));
    let (mut second, other) = knocked(&hub, &machine).await;
    assert_ne!(other.nonce, meeting.nonce);
    second.write_all(&question).await.unwrap();
    let Frame::ShareAnswer(ShareAnswer::Refused(refusal)) = read_frame(&mut second).await.unwrap() else {
        panic!("a replay was answered");
    };
    assert_eq!(refusal.why, ShareWhy::BadProof);
    // One question a connection.
    second.write_all(&question).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_question_end_the_connection_and_the_hub_goes_on() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    assert_eq!(give(&machine).await, None);
    for bytes in [
        vec![0xff; 64],
        vec![0; 64],
        Frame::Ping.encode(),
        Frame::Nonce([1; 32]).encode(),
        // A question that promises more than a frame may hold.
        [&[0xff, 0xff, 22][..], &[0; 40_000]].concat(),
        Frame::ShareAnswer(ShareAnswer::Kept).encode(),
    ] {
        let (mut stream, _) = knocked(&hub, &machine).await;
        // The hub may hang up before it has read all of it.
        let _ = (stream.write_all(&bytes).await, stream.shutdown().await);
        let mut heard = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok() && heard.is_empty());
    }
    let answer = ask(&asked(&hub, &machine), 8).await.unwrap();
    assert_eq!(answer, ShareAnswer::Given(SHARE));
    hub.server.stop().await;
}

/// A hub of our county that says one thing to whatever it hears first, and hangs up.
async fn answering(hub: &Hub, says: Vec<Frame>) -> String {
    let leaf = hub.ca.issue_leaf(&[], hub.machine.clock.now().at).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&hub.ca, &leaf).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        for frame in says {
            if read_frame(&mut stream).await.is_ok() {
                let _ = stream.write_all(&frame.encode()).await;
            }
        }
    });
    format!("https://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_before_this_question_and_one_that_answers_another_are_told_apart() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let of = |url| share::Hub {
        url,
        ..asked(&hub, &machine)
    };
    let old = of(answering(&hub, vec![]).await);
    assert!(matches!(ask(&old, 8).await, Err(ShareError::OldHub)));
    let meeting = Meeting {
        county: hub.ca.county(),
        device: machine.store.device(),
        nonce: [1; 32],
    };
    let key = opening_key(1);
    let refusal = ShareRefusal::sign(&key, &meeting, &NONCE, ShareWhy::Revoked);
    for says in [
        vec![Frame::Ping],
        vec![Frame::ShareAnswer(ShareAnswer::Refused(refusal))],
        vec![Frame::Nonce([1; 32]), Frame::Pong],
        vec![Frame::Nonce([1; 32]), Frame::ShareAnswer(ShareAnswer::Kept)],
    ] {
        let of = of(answering(&hub, says).await);
        assert!(matches!(ask(&of, 8).await, Err(ShareError::OutOfTurn)));
    }
    let unproved = share::ask(&asked(&hub, &machine), &Cable::default(), async |_| None).await;
    assert!(matches!(unproved, Err(ShareError::NoProof)));
    hub.server.stop().await;
}
