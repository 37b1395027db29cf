//! Tests of the decision: single cases, and properties over any order of events.

use proptest::prelude::*;

use super::*;

const CUFF: Bounds = Bounds {
    shortest: Duration::from_secs(20),
    longest: Duration::from_secs(180),
};

/// The reader of the kiosk.
const READER: usize = 0;
const CARD: Opener = Opener::Card { reader: READER };

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn patient(n: u8) -> PatientId {
    PatientId([n; 16])
}

fn person(n: u8) -> Person {
    Person {
        patient: patient(n),
        subjects: vec![format!("11010519491231{n:03}X")],
    }
}

fn doctor() -> Opener {
    Opener::Doctor(StaffId([1; 8]))
}

fn arrival(at: u64) -> Arrival<'static> {
    Arrival {
        at: s(at),
        subject: None,
        from_memory: false,
    }
}

fn tray(verdict: Verdict) -> Option<TrayReason> {
    match verdict {
        Verdict::Tray(reason) => Some(reason),
        Verdict::Attach { .. } => None,
    }
}

fn attached(verdict: Verdict) -> Option<PatientId> {
    match verdict {
        Verdict::Attach { patient, .. } => Some(patient),
        Verdict::Tray(_) => None,
    }
}

#[test]
fn a_reading_in_an_open_session_is_attached_once() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    let (verdict, closed) = bay.reading(&arrival(140));
    assert_eq!(attached(verdict), Some(patient(1)));
    assert_eq!(closed.unwrap().why, CloseReason::Finished);
    assert_eq!(tray(bay.reading(&arrival(190)).0), Some(TrayReason::NoSession));
}

#[test]
fn the_shortest_measurement_is_the_edge() {
    for (at, reason) in [(119, Some(TrayReason::TooEarly)), (120, None)] {
        let mut bay = Attachment::new(CUFF);
        bay.open(person(1), doctor(), s(100));
        assert_eq!(tray(bay.reading(&arrival(at)).0), reason);
    }
}

#[test]
fn after_an_early_reading_the_next_one_counts() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    assert_eq!(tray(bay.reading(&arrival(110)).0), Some(TrayReason::TooEarly));
    assert_eq!(attached(bay.reading(&arrival(150)).0), Some(patient(1)));
}

#[test]
fn a_swapped_card_leaves_the_running_measurement_in_the_tray() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    let (_, replaced) = bay.open(person(2), CARD, s(110));
    assert_eq!(replaced.unwrap().why, CloseReason::Replaced);
    assert_eq!(tray(bay.reading(&arrival(140)).0), Some(TrayReason::PersonBefore));
    assert_eq!(attached(bay.reading(&arrival(175)).0), Some(patient(2)));
}

#[test]
fn the_doubt_about_the_person_before_ends() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    bay.card_lifted(READER, s(105));
    bay.open(person(2), doctor(), s(110));
    assert_eq!(attached(bay.reading(&arrival(105 + 180)).0), Some(patient(2)));

    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    bay.card_lifted(READER, s(105));
    bay.finished_without_result(s(108));
    bay.open(person(2), doctor(), s(110));
    assert_eq!(attached(bay.reading(&arrival(135)).0), Some(patient(2)));
}

#[test]
fn the_same_person_coming_back_is_no_doubt() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    bay.card_lifted(READER, s(105));
    bay.open(person(1), CARD, s(110));
    assert_eq!(attached(bay.reading(&arrival(140)).0), Some(patient(1)));
}

#[test]
fn a_device_that_shows_its_start_leaves_no_doubt() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    bay.open(person(2), CARD, s(110));
    bay.measuring(s(115), s(115));
    assert_eq!(attached(bay.reading(&arrival(150)).0), Some(patient(2)));

    let mut bay = Attachment::new(CUFF);
    bay.measuring(s(95), s(95));
    bay.open(person(1), CARD, s(100));
    assert_eq!(tray(bay.reading(&arrival(130)).0), Some(TrayReason::BegunBefore));
}

#[test]
fn another_subject_is_never_attached() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    let other = Arrival {
        subject: Some("110105194912310029"),
        ..arrival(140)
    };
    assert_eq!(tray(bay.reading(&other).0), Some(TrayReason::OtherSubject));
    let own = person(1).subjects[0].to_lowercase();
    let own = Arrival {
        subject: Some(&own),
        ..arrival(180)
    };
    assert_eq!(attached(bay.reading(&own).0), Some(patient(1)));
}

#[test]
fn a_result_out_of_the_memory_neither_counts_nor_settles() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    let memory = Arrival {
        from_memory: true,
        ..arrival(140)
    };
    assert_eq!(tray(bay.reading(&memory).0), Some(TrayReason::FromMemory));
    assert_eq!(attached(bay.reading(&arrival(141)).0), Some(patient(1)));
}

#[test]
fn two_results_at_once_cannot_both_be_measured() {
    let mut bay = Attachment::new(CUFF);
    bay.reading(&arrival(120));
    bay.open(person(1), CARD, s(100));
    assert_eq!(
        tray(bay.reading(&arrival(121)).0),
        Some(TrayReason::TooSoonAfterAnother)
    );
}

#[test]
fn who_walks_away_is_timed_out() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    bay.touched(s(130));
    assert_eq!(bay.tick(s(219)), None);
    assert_eq!(bay.tick(s(220)).unwrap().why, CloseReason::TimedOut);
    bay.open(person(2), doctor(), s(300));
    assert_eq!(bay.card_lifted(READER, s(310)), None);
    assert_eq!(bay.tick(s(900)).unwrap().session.person, person(2));
}

#[test]
fn a_result_after_the_deadline_is_late_even_if_no_tick_came() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    let (verdict, closed) = bay.reading(&arrival(200));
    assert_eq!(tray(verdict), Some(TrayReason::NoSession));
    assert_eq!(closed.unwrap().why, CloseReason::TimedOut);
}

#[test]
fn a_card_lifted_elsewhere_is_not_this_one() {
    let mut bay = Attachment::new(CUFF);
    bay.open(person(1), CARD, s(100));
    assert_eq!(bay.card_lifted(READER + 1, s(110)), None);
    assert_eq!(attached(bay.reading(&arrival(140)).0), Some(patient(1)));
}

#[test]
fn words_round_trip() {
    for reason in TrayReason::ALL {
        assert_eq!(TrayReason::from_word(reason.word()), Some(reason));
    }
}

/// What can happen at a bay; the number is the seconds since the event before.
#[derive(Debug, Clone)]
enum Event {
    Open(u8, bool),
    Close,
    Lift,
    Touch,
    Began,
    Failed,
    Gone,
    Tick,
    Reading { names: Option<u8>, from_memory: bool },
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let event = prop_oneof![
        5 => (1..4u8, any::<bool>()).prop_map(|(who, card)| Event::Open(who, card)),
        1 => Just(Event::Close),
        2 => Just(Event::Lift),
        1 => Just(Event::Touch),
        1 => Just(Event::Began),
        1 => Just(Event::Failed),
        1 => Just(Event::Gone),
        1 => Just(Event::Tick),
        6 => (prop::option::weighted(0.3, 1..4u8), prop::bool::weighted(0.1))
            .prop_map(|(names, from_memory)| Event::Reading { names, from_memory }),
    ];
    (0..70u64, event)
}

/// What an onlooker who knows only the events would say about the bay.
#[derive(Default)]
struct Onlooker {
    open: Option<(u8, u64)>,
    left: Vec<(u8, u64)>,
    began: Option<u64>,
    last_finish: Option<u64>,
}

impl Onlooker {
    fn left(&mut self, now: u64) {
        if let Some((who, _)) = self.open.take() {
            self.left.push((who, now));
        }
    }

    fn idle(&mut self, now: u64) {
        self.left.clear();
        self.began = None;
        self.last_finish = Some(now);
    }

    /// Every condition under which a reading at `now` may be attached to `who`.
    fn check(&self, who: u8, names: Option<u8>, now: u64) {
        let (open, opened) = self.open.expect("attached without an open session");
        assert_eq!(
            open, who,
            "attached to somebody else than the open session's patient"
        );
        assert!(now - opened >= 20, "attached too early");
        assert!(
            self.last_finish.is_none_or(|finish| now - finish >= 20),
            "measured in no time"
        );
        assert!(
            names.is_none_or(|named| named == who),
            "attached against the subject"
        );
        match self.began {
            Some(began) => assert!(began >= opened, "begun before the session"),
            None => {
                let recent = self.left.iter().any(|(left, at)| *left != who && now - at < 180);
                assert!(!recent, "may be the person before");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the order of events: nothing is attached that may belong to somebody else.
    #[test]
    fn nothing_is_attached_in_doubt(events in prop::collection::vec(event(), 1..40)) {
        let mut bay = Attachment::new(CUFF);
        let mut onlooker = Onlooker::default();
        let mut now = 1000;
        for (later, event) in events {
            now += later;
            if bay.tick(s(now)).is_some() {
                onlooker.left(now);
            }
            match event {
                Event::Open(who, card) => {
                    let opener = if card { CARD } else { doctor() };
                    let before = bay.session().map(|open| open.number);
                    let (number, _) = bay.open(person(who), opener, s(now));
                    if before != Some(number) {
                        onlooker.left(now);
                        onlooker.open = Some((who, now));
                    }
                }
                Event::Close => {
                    bay.close(CloseReason::Ended, s(now));
                    onlooker.left(now);
                }
                Event::Lift => {
                    if bay.card_lifted(READER, s(now)).is_some() {
                        onlooker.left(now);
                    }
                }
                Event::Touch => bay.touched(s(now)),
                Event::Began => {
                    bay.measuring(s(now), s(now));
                    onlooker.began = Some(now);
                }
                Event::Failed => {
                    bay.finished_without_result(s(now));
                    onlooker.idle(now);
                }
                Event::Gone => {
                    bay.device_gone(s(now));
                    onlooker.left(now);
                    onlooker.began = None;
                }
                Event::Tick => {}
                Event::Reading { names, from_memory } => {
                    let subject = names.map(|who| person(who).subjects[0].clone());
                    let arrival = Arrival { at: s(now), subject: subject.as_deref(), from_memory };
                    let (verdict, _) = bay.reading(&arrival);
                    if let Verdict::Attach { patient: PatientId([who, ..]), .. } = verdict {
                        assert!(!from_memory);
                        onlooker.check(who, names, now);
                        onlooker.open = None;
                    }
                    if !from_memory {
                        onlooker.idle(now);
                    }
                }
            }
        }
    }

    /// The ordinary case is never refused: alone at the bay, card on the reader, one measurement.
    #[test]
    fn the_ordinary_case_is_attached(opened in 0..10_000u64, takes in 20..90u64) {
        let mut bay = Attachment::new(CUFF);
        bay.open(person(1), CARD, s(opened));
        prop_assert_eq!(attached(bay.reading(&arrival(opened + takes)).0), Some(patient(1)));
    }
}
