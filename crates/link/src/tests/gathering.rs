//! An acknowledgement that waits for the next one is not held for ever: a timer lets it go, where nothing else happens.

use std::future::pending;

use store::StoreError;
use sync_core::exchange::{Answer, Ask, Credentials, Exchange};
use sync_core::identity::DevicePublicKey;
use sync_core::wire::Lane;
use tokio::io::{AsyncReadExt as _, duplex};
use tokio::time::Instant;

use super::*;
use crate::carry::{Answers, Beside, Carried, Outside, carry};
use crate::client::sync_once;

/// Answers as the hub's store does, but never finishes reading a message.
struct Stuck<'a> {
    store: &'a Store,
    peer: DevicePublicKey,
}

impl Answers for Stuck<'_> {
    async fn answer(&mut self, ask: Ask) -> Result<Answer, StoreError> {
        self.store.answer_as_hub(self.peer.device(), ask).await
    }

    fn answer_beside(&self, ask: Ask) -> Beside {
        assert!(matches!(ask, Ask::Unpack { .. }));
        tokio::spawn(pending())
    }

    async fn news(&mut self) -> Result<Vec<Lane>, StoreError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn an_acknowledgement_goes_out_while_the_next_message_is_still_being_read() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let chart = chart(&machine.store, "0017", "王秀英").await;
    sync_once(&machine.store, None, &options()).await.unwrap();
    // Each run of the program is a session, and each session a message of its own.
    visit(&machine.store, "0017", chart, "咳嗽").await;
    let machine = machine.restart();
    visit(&machine.store, "0017", chart, "头痛").await;

    let (at_box, at_hub) = (&machine.store, &hub.machine.store);
    let peer = at_box.device_key().public();
    let county = hub.ca.county();
    let of = |key, peer| Credentials {
        key,
        county,
        peer,
        predecessors: Vec::new(),
    };
    let hello = at_box.hello("test").await.unwrap().unwrap();
    let near = of(at_box.device_key().clone(), at_hub.device_key().public());
    let mut near = Exchange::for_box(near, &hello, Duration::ZERO, Duration::ZERO);
    let mut far = Exchange::for_hub(of(at_hub.device_key().clone(), peer), Duration::ZERO);
    // Both messages are at the hub before the first one is read.
    let (mut first, mut moved) = (None, true);
    while std::mem::take(&mut moved) {
        while let Some(ask) = near.poll_ask(Duration::ZERO) {
            let answer = at_box.answer_as_box(ask).await.unwrap();
            near.handle_answer(answer, Duration::ZERO).unwrap();
        }
        while let Some(bytes) = near.poll_transmit(Duration::ZERO) {
            moved = true;
            far.handle_bytes(&bytes, Duration::ZERO).unwrap();
        }
        while let Some(ask) = far.poll_ask(Duration::ZERO) {
            if ask.is_long() {
                assert!(first.replace(ask).is_none(), "one long ask at a time");
                continue;
            }
            let answer = at_hub.answer_as_hub(peer.device(), ask).await.unwrap();
            far.handle_answer(answer, Duration::ZERO).unwrap();
        }
        while let Some(bytes) = far.poll_transmit(Duration::ZERO) {
            moved = true;
            near.handle_bytes(&bytes, Duration::ZERO).unwrap();
        }
    }
    let first = first.expect("the hub reads nothing");
    assert_eq!(near.counts().changes_sent, 0);

    let (mut heard, stream) = duplex(4096);
    let mut answers = Stuck { store: at_hub, peer };
    let store = at_hub.clone();
    let mut stop = Box::pin(pending());
    let outside = Outside {
        store: at_hub,
        events: at_hub.changes(),
        beside: Some(tokio::spawn(async move {
            store.answer_as_hub(peer.device(), first).await
        })),
        cable: &hub.cable,
        stop: &mut stop,
        look_every: None,
        until_settled: false,
        again: None,
    };
    let mut carried = Carried::default();
    let carrying = carry(
        stream,
        &mut far,
        Instant::now(),
        &mut answers,
        outside,
        &mut carried,
    );
    let hears = async {
        let mut bytes = [0; 4096];
        while near.counts().changes_sent == 0 {
            let count = heard.read(&mut bytes).await.unwrap();
            near.handle_bytes(&bytes[..count], Duration::ZERO).unwrap();
        }
    };
    let hears = timeout(PATIENCE, hears);
    tokio::select! {
        end = carrying => panic!("{end}"),
        heard = hears => heard.expect("it is never acknowledged"),
    }
}
