//! Decides to whom a reading belongs. Pure: time comes in as the age of the process, which no clock correction
//! moves.
//!
//! A reading is attached to a patient only through a session that was open at its bay before the measurement
//! began and is still open when the result arrives. A bay seldom tells when a measurement began, so three bounds
//! stand for it: the device's shortest measurement (a result that comes sooner after the opening began before
//! it), its longest one (after somebody left without a result, a result may be theirs for so long), and the
//! result before it (a device measures one person at a time). Where the bounds leave a doubt, the reading waits
//! in the tray until a person decides.

use std::time::Duration;

use records::ids::{PatientId, StaffId};

/// Time without a sign of the person after which the kiosk asks whether they are still there.
pub const KIOSK_IDLE_ASK: Duration = Duration::from_secs(60);
/// Time that the question stands before the session is closed and the screen cleared.
pub const KIOSK_IDLE_BAR: Duration = Duration::from_secs(30);
/// Longest time that a session opened by a doctor waits for its reading.
pub const DOCTOR_SESSION_MAX: Duration = Duration::from_secs(600);
/// Longest time that a session lives, whatever happens at its bay.
pub const SESSION_MAX: Duration = Duration::from_secs(1800);

/// Counts the sessions of one bay since the process started; shown to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionNumber(pub u64);

/// Who opened a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// The person's ID card at the kiosk; the session lasts while the card lies there.
    Card {
        /// The reader on which it lies.
        reader: usize,
    },
    /// A doctor chose the patient on a tablet.
    Doctor(StaffId),
}

/// The person for whom a session is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their chart.
    pub patient: PatientId,
    /// What the device may name as its subject for this person: ID number, archive number, imported id.
    pub subjects: Vec<String>,
}

/// A session open at a bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub number: SessionNumber,
    /// For whom.
    pub person: Person,
    /// By whom.
    pub opener: Opener,
    /// When it was opened.
    pub opened: Duration,
    /// The last sign of the person: a touch, or the device saying that it measures.
    pub last_sign: Duration,
}

/// Why a session is no longer open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Its reading was attached.
    Finished,
    /// Another session was opened at the bay.
    Replaced,
    /// The card was taken from the reader.
    CardLifted,
    /// No sign of the person for too long.
    TimedOut,
    /// The person or the doctor ended it.
    Ended,
    /// The device went away.
    DeviceGone,
}

impl CloseReason {
    /// The word in the bay's log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Replaced => "replaced",
            Self::CardLifted => "card_lifted",
            Self::TimedOut => "timed_out",
            Self::Ended => "ended",
            Self::DeviceGone => "device_gone",
        }
    }
}

/// A session that was just closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The session.
    pub session: Session,
    /// Why.
    pub why: CloseReason,
}

/// Bounds of one device, from the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// No measurement is shorter.
    pub shortest: Duration,
    /// No measurement is longer.
    pub longest: Duration,
}

/// A result as it came from the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// When it arrived.
    pub at: Duration,
    /// Whom the device names, where it does.
    pub subject: Option<&'a str>,
    /// The device says, or its clock shows, that the result comes out of its memory.
    pub from_memory: bool,
}

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to this session's patient; the session is finished.
    Attach {
        /// The session through which it is attached.
        session: SessionNumber,
        /// The patient.
        patient: PatientId,
        /// Who opened the session.
        opener: Opener,
    },
    /// It waits until a person says whose it is.
    Tray(TrayReason),
}

/// Why a reading waits in the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrayReason {
    /// No session was open when it arrived.
    NoSession,
    /// It came sooner after the opening than a measurement takes.
    TooEarly,
    /// It came sooner after the result before it than a measurement takes.
    TooSoonAfterAnother,
    /// The device shows that the measurement began before the session.
    BegunBefore,
    /// The device names somebody else.
    OtherSubject,
    /// It came out of the device's memory.
    FromMemory,
    /// Somebody left without a result a short while ago, and this may be theirs.
    PersonBefore,
    /// The patient's record did not take it.
    RecordRefused,
    /// It was taken while the data were locked, and does not say for certain whose it is and of which day.
    TakenLocked,
}

impl TrayReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::NoSession,
        Self::TooEarly,
        Self::TooSoonAfterAnother,
        Self::BegunBefore,
        Self::OtherSubject,
        Self::FromMemory,
        Self::PersonBefore,
        Self::RecordRefused,
        Self::TakenLocked,
    ];

    /// The word in the tray's table and the bay's log.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::TooEarly => "too_early",
            Self::TooSoonAfterAnother => "too_soon_after_another",
            Self::BegunBefore => "begun_before",
            Self::OtherSubject => "other_subject",
            Self::FromMemory => "from_memory",
            Self::PersonBefore => "person_before",
            Self::RecordRefused => "record_refused",
            Self::TakenLocked => "taken_locked",
        }
    }

    /// The reason with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// Who may have started the measurement that the device is possibly busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doubt {
    patient: PatientId,
    /// From here on no measurement of theirs can still be running.
    until: Duration,
}

/// The state of one bay as far as it decides about readings.
#[derive(Debug, Clone)]
pub struct Attachment {
    bounds: Bounds,
    session: Option<Session>,
    opened_so_far: u64,
    /// When the device last finished a measurement, with or without a result.
    last_finish: Option<Duration>,
    /// When the running measurement began, where the device shows it.
    began: Option<Duration>,
    doubts: Vec<Doubt>,
}

/// Most persons in doubt that are kept; more only say again that the next reading is in doubt.
const DOUBTS_MAX: usize = 16;

impl Attachment {
    /// A bay without a session.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            session: None,
            opened_so_far: 0,
            last_finish: None,
            began: None,
            doubts: Vec::new(),
        }
    }

    /// The open session.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Opens a session; one that is open already is replaced. Opening it again for the same patient by the same
    /// opener only counts as a sign of the person.
    pub fn open(&mut self, person: Person, opener: Opener, now: Duration) -> (SessionNumber, Option<Closed>) {
        if let Some(open) = self.session.as_mut()
            && open.person.patient == person.patient
            && open.opener == opener
        {
            open.last_sign = now;
            return (open.number, None);
        }
        let closed = self.close(CloseReason::Replaced, now);
        self.opened_so_far += 1;
        let number = SessionNumber(self.opened_so_far);
        self.session = Some(Session {
            number,
            person,
            opener,
            opened: now,
            last_sign: now,
        });
        (number, closed)
    }

    /// Closes the open session.
    pub fn close(&mut self, why: CloseReason, now: Duration) -> Option<Closed> {
        let session = self.session.take()?;
        if why != CloseReason::Finished && self.doubts.len() < DOUBTS_MAX {
            let until = now.saturating_add(self.bounds.longest);
            self.doubts.push(Doubt {
                patient: session.person.patient,
                until,
            });
        }
        Some(Closed { session, why })
    }

    /// Closes the session that the card on this reader had opened.
    pub fn card_lifted(&mut self, from: usize, now: Duration) -> Option<Closed> {
        match self.session.as_ref()?.opener {
            Opener::Card { reader } if reader == from => self.close(CloseReason::CardLifted, now),
            Opener::Card { .. } | Opener::Doctor(_) => None,
        }
    }

    /// Closes the session if nobody gave a sign for too long.
    pub fn tick(&mut self, now: Duration) -> Option<Closed> {
        if self.deadline()? > now {
            return None;
        }
        self.close(CloseReason::TimedOut, now)
    }

    /// When the open session is closed unless the person gives a sign.
    pub fn deadline(&self) -> Option<Duration> {
        let session = self.session.as_ref()?;
        let idle = match session.opener {
            Opener::Card { .. } => KIOSK_IDLE_ASK + KIOSK_IDLE_BAR,
            Opener::Doctor(_) => DOCTOR_SESSION_MAX,
        };
        Some((session.last_sign + idle).min(session.opened + SESSION_MAX))
    }

    /// The person touched the screen.
    pub fn touched(&mut self, now: Duration) {
        if let Some(session) = self.session.as_mut() {
            session.last_sign = now;
        }
    }

    /// The device shows that it is measuring since `began`.
    pub fn measuring(&mut self, began: Duration, now: Duration) {
        self.began = Some(began);
        self.touched(now);
    }

    /// The device finished without a result.
    pub fn finished_without_result(&mut self, now: Duration) {
        self.settle(now);
    }

    /// The device went away: what it was doing is not known any more.
    pub fn device_gone(&mut self, now: Duration) -> Option<Closed> {
        self.began = None;
        self.close(CloseReason::DeviceGone, now)
    }

    /// Decides about a result; a session is used up by the reading attached through it.
    pub fn reading(&mut self, arrival: &Arrival<'_>) -> (Verdict, Option<Closed>) {
        let now = arrival.at;
        let timed_out = self.tick(now);
        if arrival.from_memory {
            return (Verdict::Tray(TrayReason::FromMemory), timed_out);
        }
        let verdict = self.judge(arrival);
        self.settle(now);
        let closed = match verdict {
            Verdict::Attach { .. } => self.close(CloseReason::Finished, now),
            Verdict::Tray(_) => timed_out,
        };
        (verdict, closed)
    }

    fn judge(&self, arrival: &Arrival<'_>) -> Verdict {
        let Some(session) = self.session.as_ref() else {
            return Verdict::Tray(TrayReason::NoSession);
        };
        let began_at_latest = arrival.at.checked_sub(self.bounds.shortest);
        let after = |earlier: Duration| began_at_latest.is_some_and(|latest| latest >= earlier);
        if !after(session.opened) {
            return Verdict::Tray(TrayReason::TooEarly);
        }
        if !self.last_finish.is_none_or(after) {
            return Verdict::Tray(TrayReason::TooSoonAfterAnother);
        }
        if self.began.is_some_and(|began| began < session.opened) {
            return Verdict::Tray(TrayReason::BegunBefore);
        }
        if arrival
            .subject
            .is_some_and(|named| !names(&session.person, named))
        {
            return Verdict::Tray(TrayReason::OtherSubject);
        }
        let patient = session.person.patient;
        let in_doubt = |doubt: &Doubt| doubt.patient != patient && doubt.until > arrival.at;
        if self.began.is_none() && self.doubts.iter().any(in_doubt) {
            return Verdict::Tray(TrayReason::PersonBefore);
        }
        Verdict::Attach {
            session: session.number,
            patient,
            opener: session.opener,
        }
    }

    /// The device is idle from here on.
    fn settle(&mut self, now: Duration) {
        self.last_finish = Some(now);
        self.began = None;
        self.doubts.clear();
    }
}

/// Whether the device names this person. Monitors pad the field and drop the letter case.
fn names(person: &Person, named: &str) -> bool {
    let named = named.trim();
    person
        .subjects
        .iter()
        .any(|subject| subject.eq_ignore_ascii_case(named))
}

#[cfg(test)]
#[path = "attachment_tests.rs"]
mod tests;
