//! What a box does while it reaches its hub.

use std::future::pending;
use std::pin::pin;

use store::StoreError;
use sync_core::exchange::{Answer, Ask};
use sync_core::wire::Lane;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::carry::{Answers, Beside};
use crate::client::{BoxAnswers, Contact, Handshakes, reach};

/// Answers as a box does and counts the messages that are packed.
struct Counted<'a> {
    answers: BoxAnswers<'a>,
    packed: Arc<Semaphore>,
}

impl Answers for Counted<'_> {
    async fn answer(&mut self, ask: Ask) -> Result<Answer, StoreError> {
        self.answers.answer(ask).await
    }

    fn answer_beside(&self, ask: Ask) -> Beside {
        let (answer, packed) = (self.answers.answer_beside(ask), Arc::clone(&self.packed));
        tokio::spawn(async move {
            let answer = answer.await.unwrap();
            packed.add_permits(usize::from(matches!(answer, Ok(Answer::Packed { .. }))));
            answer
        })
    }

    async fn news(&mut self) -> Result<Vec<Lane>, StoreError> {
        self.answers.news().await
    }
}

#[tokio::test]
async fn all_that_goes_out_first_is_packed_before_the_hub_is_reached() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    // Each run of the program is a session, and each session a message of its own.
    let chart = chart(&machine.store, "0017", "王秀英").await;
    let machine = machine.restart();
    visit(&machine.store, "0017", chart, "咳嗽").await;
    let machine = machine.restart();
    visit(&machine.store, "0017", chart, "头痛").await;

    let (options, mut handshakes) = (options(), Handshakes::default());
    let enrolment = machine.store.enrolment().await.unwrap().unwrap();
    let contact = Contact::new(&machine.store, &options, &mut handshakes);
    let mut exchange = contact.exchange(&enrolment, false).await.unwrap();
    let packed = Arc::new(Semaphore::new(0));
    let mut answers = Counted {
        answers: BoxAnswers {
            store: &machine.store,
            on_hub_time: None,
        },
        packed: Arc::clone(&packed),
    };
    let mut dialling = JoinSet::new();
    dialling.spawn(async move {
        packed.acquire_many(3).await.unwrap().forget();
        Ok(())
    });
    let mut never = pin!(pending());
    let reached = reach(dialling, &mut exchange, &mut answers, &mut never);
    let reached = timeout(PATIENCE, reached)
        .await
        .expect("the rest waits for the hub");
    assert!(reached.is_ok());
}
