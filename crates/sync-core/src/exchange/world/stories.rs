//! What must hold in the world: everything arrives everywhere, once, whatever happens on the way.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::UNACCEPTABLE;
use super::*;
use crate::exchange::acks::ACK_GATHER;
use crate::identity::Position;

const NOW: Duration = Duration::from_secs(1000);

fn pair() -> (ModelBox, ModelHub, Dice) {
    (ModelBox::new(1), ModelHub::new(), Dice(42))
}

/// The same and their second connection: the first one told the box the hub's version.
fn pair_that_met() -> (ModelBox, ModelHub, Dice, Connection) {
    let (mut end, mut hub, dice) = pair();
    Connection::new(&mut end, &hub, NOW).settle(&mut end, &mut hub, NOW);
    let mut link = Connection::new(&mut end, &hub, NOW);
    link.settle(&mut end, &mut hub, NOW);
    (end, hub, dice, link)
}

#[test]
fn nothing_new_takes_one_round_trip_and_few_bytes() {
    let (mut end, mut hub, mut dice) = pair();
    (0..30).for_each(|_| end.write(Lane::P2, &mut dice, 300));
    Connection::new(&mut end, &hub, NOW).settle(&mut end, &mut hub, NOW);
    assert_eq!(end.pending(), 0);
    let mut again = Connection::new(&mut end, &hub, NOW);
    again.settle(&mut end, &mut hub, NOW);
    assert_eq!(
        again.at_box.counts(),
        Counts {
            round_trips: 1,
            ..Counts::default()
        }
    );
    let bytes = again.carried[0] + again.carried[1];
    assert!(bytes <= 150, "{bytes} bytes to learn that nothing is new");
}

#[test]
fn a_day_takes_one_round_trip() {
    let (mut end, mut hub, mut dice) = pair();
    Connection::new(&mut end, &hub, NOW).settle(&mut end, &mut hub, NOW);
    end.restart(5);
    while end.log.len() < 10 {
        end.write(Lane::P2, &mut dice, 300);
    }
    let blobs = end.blobs.len() as u64;
    let mut day = Connection::new(&mut end, &hub, NOW);
    day.settle(&mut end, &mut hub, NOW);
    let counts = day.at_box.counts();
    assert_eq!((counts.changes_sent, counts.blobs_sent), (10, blobs));
    assert!(counts.audit_bytes > 100 && counts.audit_bytes < 400);
    assert!(counts.round_trips <= 1 + 2 * blobs, "{counts:?}");
    assert_eq!((hub.repeated, end.repeated), (0, 0));
    assert_eq!(end.hub_print, Some(hub.print()));
    assert_eq!(end.print(), hub.print());
}

#[test]
fn what_the_hub_writes_arrives_while_connected() {
    let (mut end, mut hub, _) = pair();
    let mut link = Connection::new(&mut end, &hub, NOW);
    link.settle(&mut end, &mut hub, NOW);
    hub.write(1, Lane::P1, vec![1; 50]);
    link.at_hub.wake(Lane::P1, NOW);
    while link.step(&mut end, &mut hub, NOW, 100).unwrap() {}
    assert_eq!(end.log.len(), 1);
    assert!(link.at_box.is_settled());
    assert_eq!(link.at_box.counts().changes_received, 1);
}

#[test]
fn gathered_changes_wait_and_urgent_ones_do_not() {
    let (mut end, mut hub, mut dice) = pair();
    let gather = Duration::from_secs(60);
    let mut link = Connection::new(&mut end, &hub, NOW);
    link.at_box = Exchange::for_box(end.credentials(&hub), &end.hello(), gather, NOW);
    link.settle(&mut end, &mut hub, NOW);
    end.write(Lane::P2, &mut dice, 60);
    link.at_box.wake(Lane::P2, NOW);
    assert!(link.at_box.poll_ask(NOW).is_none());
    assert_eq!(link.at_box.poll_timeout(), NOW + gather);
    end.write(Lane::P1, &mut dice, 60);
    link.at_box.wake(Lane::P1, NOW);
    assert!(matches!(
        link.at_box.poll_ask(NOW),
        Some(Ask::Next { lane: Lane::P1, .. })
    ));
    let answer = end.answer(Ask::Next {
        lane: Lane::P1,
        after: 0,
        budget: 1,
        held: Default::default(),
    });
    link.at_box.handle_answer(answer, NOW).unwrap();
    while link.step(&mut end, &mut hub, NOW, 100).unwrap() {}
    assert_eq!(hub.log.len() + hub.parked.len(), 1);
    while link.step(&mut end, &mut hub, NOW + gather, 100).unwrap() {}
    assert_eq!(hub.log.len() + hub.parked.len(), 2);
}

#[test]
fn what_is_urgent_does_not_wait_until_a_backlog_is_packed() {
    let (mut end, mut hub, mut dice, mut link) = pair_that_met();
    // Packing the backlog never ends at the box: what is urgent reaches the hub and is acknowledged all the same.
    link.late = u64::MAX;
    for _ in 0..20 {
        end.write(Lane::P3, &mut dice, 2000);
    }
    link.at_box.wake(Lane::P3, NOW);
    (0..50).for_each(|_| assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap()));
    let held = hub.log.len() + hub.parked.len();
    end.write(Lane::P0, &mut dice, 500);
    link.at_box.wake(Lane::P0, NOW);
    (0..50).for_each(|_| assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap()));
    assert_eq!(hub.log.len() + hub.parked.len(), held + 1);
    assert!(end.pending() > 0);
    link.finish_long();
    Lane::ALL.into_iter().for_each(|lane| link.at_box.wake(lane, NOW));
    link.settle(&mut end, &mut hub, NOW);
    assert_eq!(end.pending(), 0);
}

#[test]
fn an_acknowledgement_waits_a_little_for_the_next_one() {
    let (mut end, mut hub, mut dice, mut link) = pair_that_met();
    let held = hub.log.len() + hub.parked.len();
    // Two messages are at the hub before the first one is read.
    link.late = 2;
    for lane in [Lane::P2, Lane::P3] {
        end.write(lane, &mut dice, 500);
        link.at_box.wake(lane, NOW);
    }
    let waiting = end.pending();
    while link.beside[1].is_none() {
        assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap());
    }
    link.beside[1].as_mut().unwrap().1 = 20;
    (0..10).for_each(|_| assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap()));
    // The second one takes for ever.
    link.late = u64::MAX;
    while hub.log.len() + hub.parked.len() == held {
        assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap());
    }
    assert_eq!(link.at_hub.poll_transmit_at(), Some(NOW + ACK_GATHER));
    (0..20).for_each(|_| assert!(link.step(&mut end, &mut hub, NOW, 1500).unwrap()));
    assert_eq!(end.pending(), waiting, "it did not wait");
    let later = NOW + ACK_GATHER;
    (0..20).for_each(|_| assert!(link.step(&mut end, &mut hub, later, 1500).unwrap()));
    assert!(end.pending() < waiting, "it waits for ever");
    assert!(end.pending() > 0, "the second one was read");
    link.finish_long();
    link.settle(&mut end, &mut hub, later);
    assert_eq!(end.pending(), 0);
}

#[test]
fn what_is_due_while_a_backlog_is_packed_sets_off_no_timer_without_end() {
    let (mut end, mut hub, mut dice) = pair();
    Connection::new(&mut end, &hub, NOW).settle(&mut end, &mut hub, NOW);
    let gather = Duration::from_secs(5);
    let mut link = Connection::new(&mut end, &hub, NOW);
    link.at_box = Exchange::for_box(end.credentials(&hub), &end.hello(), gather, NOW);
    link.settle(&mut end, &mut hub, NOW);
    link.late = u64::MAX;
    for _ in 0..20 {
        end.write(Lane::P3, &mut dice, 2000);
    }
    link.at_box.wake(Lane::P3, NOW);
    (0..50).for_each(|_| assert!(link.step(&mut end, &mut hub, NOW + gather, 1500).unwrap()));
    end.write(Lane::P2, &mut dice, 500);
    link.at_box.wake(Lane::P2, NOW + gather);
    let due = NOW + gather * 2;
    assert_eq!(link.at_box.poll_timeout(), due);
    link.at_box.handle_timeout(due).unwrap();
    assert!(link.at_box.poll_ask(due).is_none(), "the long one is under way");
    assert!(link.at_box.poll_timeout() > due);
    link.finish_long();
    Lane::ALL.into_iter().for_each(|lane| link.at_box.wake(lane, due));
    link.settle(&mut end, &mut hub, due + gather);
    assert_eq!(end.pending(), 0);
}

#[test]
fn a_silent_hub_is_given_up_within_half_a_minute() {
    let (mut end, mut hub, mut dice) = pair();
    let mut link = Connection::new(&mut end, &hub, NOW);
    assert!(link.at_box.poll_timeout() <= NOW + SILENCE_LIMIT);
    assert_eq!(
        link.at_box.handle_timeout(NOW + SILENCE_LIMIT),
        Err(ExchangeFault::Silent("the greeting"))
    );
    link.settle(&mut end, &mut hub, NOW);
    // Idle for long: asks whether anybody is there, and gives up when nobody is.
    let idle = NOW + PING_AFTER;
    assert_eq!(link.at_box.poll_timeout(), idle);
    link.at_box.handle_timeout(idle).unwrap();
    assert!(link.at_box.poll_transmit(idle).is_some());
    let gone = link.at_box.poll_timeout();
    assert_eq!(gone, idle + SILENCE_LIMIT);
    assert!(link.at_box.handle_timeout(gone).is_err());
    // A hub that answers is not given up, and something sent after a long rest gets its own half minute.
    link.at_box.handle_bytes(&Frame::Pong.encode(), gone).unwrap();
    end.write(Lane::P2, &mut dice, 50);
    let later = gone + Duration::from_secs(55);
    link.at_box.wake(Lane::P2, later);
    while let Some(ask) = link.at_box.poll_ask(later) {
        link.at_box.handle_answer(end.answer(ask), later).unwrap();
    }
    assert_eq!(link.at_box.poll_timeout(), later + SILENCE_LIMIT);
    assert!(link.at_box.handle_timeout(later + SILENCE_LIMIT / 2).is_ok());
    assert!(link.at_box.handle_timeout(later + SILENCE_LIMIT).is_err());
}

#[test]
fn a_hub_refuses_what_does_not_belong_to_the_device() {
    let (mut end, mut hub, mut dice) = pair();
    let stranger = ModelBox::new(9);
    end.write(Lane::P2, &mut dice, 50);
    let mut link = Connection::new(&mut end, &hub, NOW);
    link.at_hub = Exchange::for_hub(hub.credentials(&stranger), NOW);
    let fault = (0..100).find_map(|_| link.step(&mut end, &mut hub, NOW, 1500).err());
    assert_eq!(fault, Some(ExchangeFault::ForeignBatch));
    assert_eq!(fault.and_then(|fault| fault.bye()), Some(Bye::Malformed));
    assert!(hub.log.is_empty());
}

#[test]
fn a_changed_byte_never_gets_past_the_signature() {
    let (mut end, mut hub, mut dice) = pair();
    end.write(Lane::P2, &mut dice, 200);
    let mut link = Connection::new(&mut end, &hub, NOW);
    while let Some(ask) = link.at_box.poll_ask(NOW) {
        link.at_box.handle_answer(end.answer(ask), NOW).unwrap();
    }
    let hello = link.at_box.poll_transmit(NOW).unwrap();
    let mut segment = link.at_box.poll_transmit(NOW).unwrap();
    *segment.last_mut().unwrap() ^= 1;
    link.at_hub.handle_bytes(&hello, NOW).unwrap();
    assert!(matches!(
        link.at_hub.handle_bytes(&segment, NOW),
        Err(ExchangeFault::Signature(_) | ExchangeFault::Wire(_))
    ));
    while let Some(ask) = link.at_hub.poll_ask(NOW) {
        link.at_hub
            .handle_answer(hub.answer(end.device(), ask), NOW)
            .unwrap();
    }
    assert!(hub.log.is_empty());
}

/// One run: random writes, cuts, restarts, restores and clones; then peace, and everything is everywhere.
fn run(seed: u64) {
    let mut dice = Dice(seed | 1);
    let mut hub = ModelHub::new();
    // Hubs of all releases that are in the field.
    hub.version = u16::try_from(1 + dice.below(3)).unwrap();
    hub.listed_max = usize::try_from(dice.below(4)).unwrap();
    let mut boxes = vec![ModelBox::new(1), ModelBox::new(2)];
    hub.packs = dice.below(8) == 0;
    boxes.iter_mut().for_each(|end| end.packs = hub.packs);
    let mut links: Vec<Option<Connection>> = vec![None, None];
    let mut old_boxes = boxes.clone();
    let mut old_hub = hub.clone();
    let (mut restored_hub, mut desk) = (0, 0);
    for round in 0..60 {
        let which = usize::try_from(dice.below(boxes.len() as u64)).unwrap();
        match dice.below(20) {
            0..=5 => {
                let lane = Lane::ALL[usize::try_from(dice.below(5)).unwrap()];
                let length = usize::try_from(dice.below(3000)).unwrap();
                boxes[which].write(lane, &mut dice, length);
                if let Some(link) = &mut links[which] {
                    link.at_box.wake(lane, NOW);
                    link.at_box.wake(Lane::P3, NOW);
                    link.at_box.wake(Lane::P4, NOW);
                }
            }
            6 if dice.below(3) == 0 => {
                desk += 1;
                hub.state(desk);
                links
                    .iter_mut()
                    .flatten()
                    .for_each(|link| link.at_hub.wake(Lane::P1, NOW));
            }
            6 => {
                desk += 1;
                hub.write(
                    desk + 1000 * round,
                    Lane::P2,
                    (0..60).map(|_| dice.roll().to_be_bytes()[1] & 0x3f).collect(),
                );
                links
                    .iter_mut()
                    .flatten()
                    .for_each(|link| link.at_hub.wake(Lane::P2, NOW));
            }
            7..=10 => {
                let mut link = Connection::new(&mut boxes[which], &hub, NOW);
                link.life = [0, 1].map(|_| usize::try_from(1 + dice.below(40_000)).unwrap());
                link.late = dice.below(4);
                links[which] = Some(link);
            }
            11..=16 => {
                for _ in 0..dice.below(60) {
                    let most = usize::try_from(1 + dice.below(2000)).unwrap();
                    let Some(link) = &mut links[which] else { break };
                    if link.step(&mut boxes[which], &mut hub, NOW, most).is_err() {
                        links[which] = None;
                    }
                    for link in links.iter_mut().flatten() {
                        Lane::ALL.into_iter().for_each(|lane| link.at_hub.wake(lane, NOW));
                    }
                }
            }
            17 => {
                links[which] = None;
                boxes[which].restart(dice.roll());
            }
            18 => match dice.below(4) {
                0 => old_boxes.clone_from(&boxes),
                1 => old_hub = hub.clone(),
                2 if which < old_boxes.len() => {
                    links[which] = None;
                    boxes[which] = old_boxes[which].clone();
                    boxes[which].restart(dice.roll());
                }
                _ => {
                    // Every second time the folder was merely copied back: no new epoch tells it.
                    links.iter_mut().for_each(|link| *link = None);
                    hub = old_hub.clone();
                    hub.epoch += u32::try_from(dice.below(2)).unwrap();
                    restored_hub += 1;
                }
            },
            _ if boxes.len() < 4 => {
                let mut twin = boxes[which].clone();
                twin.restart(dice.roll());
                boxes.push(twin);
                links.push(None);
            }
            _ => {}
        }
    }
    make_peace(&mut boxes, &mut hub, restored_hub, dice.below(3));
}

fn make_peace(boxes: &mut [ModelBox], hub: &mut ModelHub, restores: u32, late: u64) {
    let restored_hub = restores > 0;
    let mut expected: BTreeSet<Position> = hub.log.keys().copied().collect();
    for end in boxes.iter() {
        let own = end.log.iter().filter(|(at, _)| at.actor.device == end.device());
        // What a box was fed is as good as at the hub: it is handed back to a hub that lost it, as often as it does.
        let fed = end.log.keys().filter(|at| at.actor.device == hub.key.device());
        expected.extend(fed);
        expected.extend(
            own.filter(|(_, entry)| entry.change.bytes[0] != UNACCEPTABLE)
                .map(|(at, _)| *at),
        );
    }
    for _ in 0..2 {
        for end in boxes.iter_mut() {
            let mut link = Connection::new(end, hub, NOW);
            link.late = late;
            link.settle(end, hub, NOW);
            assert_eq!(end.pending(), 0);
        }
    }
    let at_hub: BTreeSet<Position> = hub.log.keys().copied().collect();
    assert!(at_hub.is_superset(&expected), "lost at the hub");
    for end in boxes.iter() {
        let accepted = end
            .log
            .iter()
            .filter(|(_, entry)| entry.change.bytes[0] != UNACCEPTABLE);
        let here: BTreeSet<Position> = accepted.map(|(at, _)| *at).collect();
        assert!(here.is_superset(&at_hub), "lost at a box");
        if !restored_hub {
            assert_eq!(here, at_hub);
            assert_eq!(end.print(), hub.print());
            assert_eq!(end.hub_print, Some(hub.print()));
        }
        assert!(
            hub.blobs.keys().all(|blob| end.blobs.contains_key(blob)),
            "a blob is missing at a box"
        );
        assert!(end.blobs.keys().all(|blob| hub.blobs.contains_key(blob)) || restored_hub);
        let own_audit = end
            .audit
            .iter()
            .filter(|((actor, _), _)| actor.device == end.device());
        assert!(
            own_audit
                .into_iter()
                .all(|(at, entry)| hub.audit.get(at) == Some(entry)),
            "audit is missing"
        );
        let mut quiet = end.clone();
        let mut link = Connection::new(&mut quiet, hub, NOW);
        link.settle(&mut quiet, hub, NOW);
        // A blob that a restored hub lost together with its author is asked for again and again.
        let most = if restored_hub { 2 } else { 1 };
        assert!(link.at_box.counts().round_trips <= most, "peace is not quiet");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn everything_arrives_everywhere_whatever_happens(seed: u64) {
        run(seed);
    }
}
