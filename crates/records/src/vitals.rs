//! Readings: what was measured, when, by what, and whether it alarms.

mod flags;
mod measured;
mod observations;
mod typed;

pub use flags::{BpClass, BpGrade, Flag, Isolated, PersonAge, bp_class, flag, flags};
pub use measured::{GlucoseTiming, Measured, MissingReason, VitalKind};
pub use observations::{
    Observation, Origin, SURFACE_MARK, Withdrawal, add_observation, read_observations, series_patient,
    start_series, withdraw_observation,
};
pub use typed::{check_typed, parse_typed};

pub(crate) use observations::{read_withdrawal, withdraw};
