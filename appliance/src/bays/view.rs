//! A bay as screens and kiosks see it.

use std::time::Duration;

use device_drivers::catalogue::Model;
use device_drivers::session::LinkState;
use records::ids::PatientId;

use super::attachment::{CloseReason, Opener, TrayReason};
use super::shown::Shown;
use crate::kiosk::flow::Failure;

/// What happened at a bay, for kiosks.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A card was read.
    Card,
    /// A card could not be read.
    CardUnreadable,
    /// The card was taken away.
    CardLifted,
    /// A reading was attached and saved.
    Attached(PatientId, Shown),
    /// A reading was saved in the tray.
    Handed(TrayReason),
    /// The measurement gave no result.
    Failed(Failure),
    /// The open session was closed otherwise than by its reading.
    SessionEnded(CloseReason),
    /// Nothing can be saved at present.
    CannotSave,
}

/// What a bay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing that it shows.
    Idle,
    /// It measures since this many seconds.
    Measuring {
        /// Seconds since the start.
        seconds: u64,
    },
    /// Its trace is shown, nothing is recorded.
    Watching,
    /// It records.
    Recording {
        /// How much of the recording is there, in percent.
        percent: u8,
    },
}

/// A session as screens show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// For whom.
    pub patient: PatientId,
    /// By whom.
    pub opener: Opener,
    /// For how long it is open.
    pub open_for: Duration,
}

/// A bay as screens show it.
#[derive(Debug, Clone)]
pub struct BayView {
    /// Its number, in the order of the settings.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Its device.
    pub device: &'static Model,
    /// The line to it.
    pub link: LinkState,
    /// The open session.
    pub session: Option<SessionView>,
    /// What it is doing.
    pub doing: Doing,
    /// Its last result of the last ten minutes: whose it is (none: it is in the tray), and what.
    pub last: Option<(Option<PatientId>, Shown)>,
}

/// Why a bay does not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BayRefusal {
    /// There is no such bay.
    #[error("no such bay")]
    NoBay,
    /// Its device measures no patients.
    #[error("this device measures nobody")]
    NotForPatients,
    /// Its device is not there.
    #[error("the device is not connected")]
    NotConnected,
    /// Only the person at the device starts it.
    #[error("the device is started at the device")]
    StartedAtDevice,
    /// No session is open.
    #[error("no session is open at the bay")]
    NoSession,
    /// Too much waits already.
    #[error("the device is busy")]
    Busy,
}

/// The word of a link's state in the bay's log and in `status`.
pub fn link_word(link: &LinkState) -> &'static str {
    match link {
        LinkState::Connected => "connected",
        LinkState::Silent { .. } => "silent",
        LinkState::Gone => "gone",
        LinkState::Busy { .. } => "busy",
        LinkState::Ambiguous { .. } => "ambiguous",
        LinkState::Denied => "denied",
        LinkState::Unusable => "unusable",
    }
}
