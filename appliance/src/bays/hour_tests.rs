//! An hour of twenty people at two bays with everything that goes wrong there, against the real store: nothing is
//! attached to somebody else, and every reading stands in a record or in the tray.

use std::collections::BTreeMap;
use std::time::Duration;

use device_drivers::events::{DeviceEvent, Status};
use device_drivers::session::LinkState;
use records::ids::PatientId;
use records::vitals::Measured;
use store::TrayState;

use crate::kiosk::flow::Press;
use crate::workbench::{Bench, bay, card, id_number, pressure};

const PEOPLE: u32 = 20;
/// Readers at 0 and 1, the cuffs beside them at 2 and 3.
const READERS: [usize; 2] = [0, 1];

/// What happens, and when in seconds.
#[derive(Debug, Clone)]
enum Act {
    Card(u32),
    Lift,
    Press(Press),
    /// The cuff of this kiosk finishes measuring this person, and names that one.
    Reading {
        of: u32,
        names: Option<u32>,
    },
    Unplug,
    Replug,
}

/// A small generator, so that a seed gives the same hour everywhere (SplitMix64, Steele and others 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// The acts of one person at a kiosk from second `t` on; returns when the next one comes.
fn visit(kiosk: usize, me: u32, t: u64, dice: &mut Dice, hour: &mut Vec<(u64, usize, Act)>) -> u64 {
    let cuff = kiosk + 2;
    let other = (me + 1) % PEOPLE;
    let takes = 25 + dice.below(40);
    let mut at = |second: u64, act: Act| hour.push((second, kiosk, act));
    // Card, yes, the cuff: the session is open 8 seconds later.
    let began = arrive(cuff, t, me, &mut at);
    match dice.below(7) {
        // All goes well.
        0 => {
            at(
                began + takes,
                Act::Reading {
                    of: me,
                    names: Some(me).filter(|_| takes.is_multiple_of(2)),
                },
            );
            at(began + takes + 10, Act::Lift);
            began + takes + 15
        }
        // The plug falls out while measuring; the cuff sends its result after it is back.
        1 => {
            at(began + 5, Act::Unplug);
            at(began + 9, Act::Replug);
            at(began + takes, Act::Reading { of: me, names: None });
            at(began + takes + 2, Act::Lift);
            began + takes + 10
        }
        // Walks away with the card; a stranger sits down and measures.
        2 => {
            at(began + 4, Act::Lift);
            at(
                began + 8 + takes,
                Act::Reading {
                    of: other,
                    names: None,
                },
            );
            began + takes + 20
        }
        // Measures, but the next one puts a card down before the result is there.
        3 => {
            at(began + 5, Act::Lift);
            let next_began = arrive(cuff, began + 6, other, &mut at);
            let result = (began + takes).max(next_began + 1);
            at(result, Act::Reading { of: me, names: None });
            at(
                result + 30,
                Act::Reading {
                    of: other,
                    names: None,
                },
            );
            at(result + 35, Act::Lift);
            result + 40
        }
        // Began before the card was read.
        4 => {
            at(
                began + dice.below(15),
                Act::Reading {
                    of: other,
                    names: None,
                },
            );
            at(began + 20 + takes, Act::Reading { of: me, names: None });
            at(began + takes + 25, Act::Lift);
            began + takes + 30
        }
        // The next one swaps the cards so fast that nobody tells of the lifting, and measures.
        5 => {
            at(began + 4, Act::Card(other));
            at(
                began + 8 + takes,
                Act::Reading {
                    of: other,
                    names: None,
                },
            );
            at(began + takes + 15, Act::Lift);
            began + takes + 20
        }
        // The monitor still has the number of somebody else.
        _ => {
            at(
                began + takes,
                Act::Reading {
                    of: other,
                    names: Some(other),
                },
            );
            at(began + takes + 5, Act::Lift);
            began + takes + 10
        }
    }
}

fn arrive(cuff: usize, from: u64, who: u32, at: &mut impl FnMut(u64, Act)) -> u64 {
    at(from, Act::Card(who));
    at(from + 3, Act::Press(Press::Yes));
    at(from + 6, Act::Press(Press::Bay(cuff)));
    from + 8
}

fn hour(seed: u64) -> Vec<(u64, usize, Act)> {
    let mut dice = Dice(seed);
    let mut acts = Vec::new();
    let mut free = [0, 7];
    for me in 0..PEOPLE {
        let kiosk = READERS[usize::try_from(me).unwrap() % 2];
        free[kiosk] = visit(kiosk, me, free[kiosk] + dice.below(40), &mut dice, &mut acts);
    }
    acts.sort_by_key(|(at, ..)| *at);
    acts
}

async fn play(bench: &mut Bench, kiosk: usize, act: Act, names: &[String]) -> bool {
    let person = |n: u32| (names[n as usize].as_str(), id_number(n));
    match act {
        Act::Card(who) => {
            let (name, number) = person(who);
            bench.device(kiosk, card(name, &number)).await;
        }
        Act::Lift => bench.device(kiosk, DeviceEvent::Status(Status::CardGone)).await,
        Act::Press(press) => {
            bench.state.kiosks.press(kiosk, press).await;
            bench.settle().await;
        }
        Act::Reading { of, names } => {
            let subject = names.map(id_number);
            // The pressure tells whose it really is.
            bench
                .device(kiosk + 2, pressure(100 + i64::from(of), 60, subject.as_deref()))
                .await;
            return true;
        }
        Act::Unplug => bench.link(kiosk + 2, LinkState::Gone).await,
        Act::Replug => bench.link(kiosk + 2, LinkState::Connected).await,
    }
    false
}

#[tokio::test]
async fn nobody_gets_the_reading_of_somebody_else() {
    let mut attached_in_all = 0;
    for seed in 0..6 {
        let bays = [
            bay("读卡1", "idcard-sam"),
            bay("读卡2", "idcard-sam"),
            bay("血压1", "omron-hbp9030"),
            bay("血压2", "omron-hbp9030"),
        ];
        let mut bench = Bench::new(&bays).await;
        let names: Vec<String> = (0..PEOPLE)
            .map(|n| format!("示例{}", char::from_u32(0x4e00 + n).unwrap()))
            .collect();
        let mut patients: BTreeMap<PatientId, u32> = BTreeMap::new();
        for n in 0..PEOPLE {
            patients.insert(bench.register(&names[n as usize], &id_number(n)).await, n);
        }
        let (mut now, mut sent) = (0, 0);
        for (at, kiosk, act) in hour(seed) {
            while now < at {
                let step = (at - now).min(5);
                bench.pass(Duration::from_secs(step)).await;
                now += step;
            }
            sent += usize::from(play(&mut bench, kiosk, act, &names).await);
        }
        bench.pass(Duration::from_secs(300)).await;
        let mut attached = 0;
        for (patient, me) in &patients {
            for line in bench
                .state
                .store
                .observations_of(*patient, None, 100)
                .await
                .unwrap()
            {
                let Measured::BloodPressure { systolic, .. } = line.observation.measured else {
                    panic!("a pressure")
                };
                assert_eq!(
                    systolic.get(),
                    100 + i64::from(*me),
                    "seed {seed}: attached to somebody else"
                );
                attached += 1;
            }
        }
        let waiting = bench
            .state
            .store
            .tray_list(TrayState::Waiting, 1000)
            .await
            .unwrap()
            .len();
        assert_eq!(attached + waiting, sent, "seed {seed}: a reading got lost");
        attached_in_all += attached;
    }
    assert!(
        attached_in_all > 30,
        "the ordinary cases are attached: {attached_in_all}"
    );
}

#[tokio::test]
async fn another_card_ends_the_bay_session_of_the_last_whether_or_not_a_screen_watches() {
    let mut bench = Bench::new(&[bay("读卡", "idcard-sam"), bay("血压", "omron-hbp9030")]).await;
    let first = bench.register("示例一", &id_number(1)).await;
    bench.register("示例二", &id_number(2)).await;
    bench.device(0, card("示例一", &id_number(1))).await;
    let person = bench.state.person(first).await.unwrap().unwrap();
    // The session is the bay's own: no kiosk screen stands between the reader and it.
    bench.state.bays.open_by_card(1, 0, person).unwrap();
    bench.device(0, card("示例二", &id_number(2))).await;
    bench.pass(Duration::from_secs(60)).await;
    bench.device(1, pressure(150, 90, None)).await;
    let store = &bench.state.store;
    assert_eq!(store.observations_of(first, None, 10).await.unwrap(), []);
    assert_eq!(store.tray_list(TrayState::Waiting, 10).await.unwrap().len(), 1);

    // The same card told once more is no exchange: its holder measures on.
    bench.device(0, card("示例一", &id_number(1))).await;
    let person = bench.state.person(first).await.unwrap().unwrap();
    bench.state.bays.open_by_card(1, 0, person).unwrap();
    bench.device(0, card("示例一", &id_number(1))).await;
    bench.pass(Duration::from_secs(60)).await;
    bench.device(1, pressure(152, 91, None)).await;
    assert_eq!(
        bench
            .state
            .store
            .observations_of(first, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}
