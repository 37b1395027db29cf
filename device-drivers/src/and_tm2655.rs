//! A&D TM-2655, TM-2655P, TM-2657, TM-2657P kiosk blood-pressure monitors on their RS-232 unit: framed text
//! with an XOR check, asked by two-letter commands (public implementation: Open BP Kiosk, `tm2655.rb`).

mod answer;
mod frame;
mod machine;

pub use answer::{PulseList, ResultFields};
pub use frame::{Body, Command, Frame, Rules};
pub use machine::{AndMachine, GIVE_UP_AFTER};

use std::ops::RangeInclusive;

/// Range of the pressures, mmHg: the display range of the family (0 to 299) without the values below 20 that
/// no pressure of a person has; both recalled, to be checked against the maker's sheet.
pub const PRESSURE_MMHG: RangeInclusive<i64> = 20..=299;
/// Range of the pulse, per minute; recalled, to be checked against the maker's sheet.
pub const PULSE_BPM: RangeInclusive<i64> = 30..=200;
