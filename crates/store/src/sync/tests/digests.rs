//! Who has thousands of old sessions learns what differs in a few kilobytes, and nothing new stays as short as ever.

use sync_core::identity::Actor;

use super::*;
use crate::audit::Chain;

/// The program starts anew, as it does every morning.
async fn morning(end: &End) {
    end.store
        .write(|tx| {
            let actor = Actor {
                session: records::ids::SessionId(tx.state.fresh()),
                ..tx.state.actor
            };
            tx.state.actor = actor;
            tx.state.chain = Chain::new(actor);
            Ok::<_, crate::StoreError>(())
        })
        .await
        .unwrap();
}

/// A box that started so many times, each time with one change, and its hub.
async fn years(on: Engine, seed: u64, sessions: usize) -> (End, End, DocId) {
    let hub = hub(on).await;
    let end = boxed(&hub, seed, "0017").await;
    let mut patient = chart(&end, "0017", "示例甲").await;
    for day in 0..sessions {
        morning(&end).await;
        patient = chart(&end, "0017", &format!("{day}")).await;
    }
    sync(&end, &hub).await;
    (hub, end, patient)
}

async fn lone(end: &End, hub: &End) -> (Counts, usize) {
    exchange(&end.store, &hub.store, usize::MAX).await.unwrap()
}

async fn a_restored_hub_is_told_what_it_lost_and_not_of_every_old_session(on: Engine) {
    let (hub, end, patient) = years(on, 1000, 400).await;
    let (counts, carried) = lone(&end, &hub).await;
    assert_eq!(counts.round_trips, 1);
    assert!(carried < 160, "{carried} bytes to learn that nothing is new");
    let (hub, backup) = hub.copied(Side::Hub).await;
    let mut lost = 0;
    for day in 0..7 {
        morning(&end).await;
        for nth in 0..10 {
            visit(&end, "0017", patient, &format!("{day}.{nth}")).await;
        }
        lost += lone(&end, &hub).await.1;
    }
    let hub = hub.restored(backup, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    let (counts, carried) = lone(&end, &hub).await;
    assert!(counts.round_trips <= 2, "{counts:?}");
    // A list of the sessions alone would be 18 kB, each way.
    assert!(
        carried < lost + 4_000,
        "{carried} bytes for {lost} that were lost"
    );
    same(&end, &hub, "0017").await;
    let (counts, carried) = lone(&end, &hub).await;
    assert_eq!(counts.round_trips, 1);
    assert!(carried < 160, "{carried} bytes to learn that nothing is new");
}

async fn a_cut_before_the_acknowledgement_costs_no_list_either(on: Engine) {
    let (hub, end, patient) = years(on, 1010, 300).await;
    morning(&end).await;
    visit(&end, "0017", patient, "咳嗽").await;
    // The hub stored it, and the connection broke before the box heard.
    let hello = end.store.hello("test").await.unwrap().unwrap();
    let mut at_box = Exchange::for_box(
        credentials(&end.store, &hub.store, end.store.device()).await,
        &hello,
        Duration::ZERO,
        NOW,
    );
    let mut at_hub = Exchange::for_hub(credentials(&hub.store, &end.store, end.store.device()).await, NOW);
    for _ in 0..3 {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box
                .handle_answer(end.store.answer_as_box(ask).await.unwrap(), NOW)
                .unwrap();
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            at_hub.handle_bytes(&bytes, NOW).unwrap();
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            let answer = hub.store.answer_as_hub(end.store.device(), ask).await.unwrap();
            at_hub.handle_answer(answer, NOW).unwrap();
        }
    }
    assert!(end.store.link_status().await.unwrap().pending > 0);
    let (counts, carried) = lone(&end, &hub).await;
    assert!(counts.round_trips <= 2, "{counts:?}");
    assert!(carried < 4_000, "{carried} bytes after a cut");
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    same(&end, &hub, "0017").await;
}

async fn a_restored_box_and_one_whose_memory_is_too_old_learn_everything(on: Engine) {
    let (hub, end, patient) = years(on, 1020, 120).await;
    let (end, backup) = end.copied(Side::Box).await;
    // More days than a sketch tells: the hub lists them.
    for day in 0..80 {
        morning(&end).await;
        visit(&end, "0017", patient, &format!("{day}")).await;
    }
    sync(&end, &hub).await;
    let end = end.restored(backup, Side::Box);
    visit(&end, "0017", patient, "neu").await;
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
    assert_eq!(lone(&end, &hub).await.0.round_trips, 1);
}

on_both_engines! {
    a_restored_hub_is_told_what_it_lost_and_not_of_every_old_session,
    a_cut_before_the_acknowledgement_costs_no_list_either,
    a_restored_box_and_one_whose_memory_is_too_old_learn_everything,
}
