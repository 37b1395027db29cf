//! Omron HBP-9030 / HBP-9031C kiosk blood-pressure monitor, output format 5: one line of 53 characters and
//! CR LF per finished measurement, pushed without being asked (maker's manual 2873643-0F, page 20).

mod frame;
mod machine;

pub use frame::{Line, Rules, Values};
pub use machine::OmronMachine;

use std::ops::RangeInclusive;

/// Published range of the systolic pressure, mmHg (maker's manual).
pub const SYSTOLIC_MMHG: RangeInclusive<i64> = 60..=260;
/// Published range of the diastolic pressure, mmHg (maker's manual).
pub const DIASTOLIC_MMHG: RangeInclusive<i64> = 30..=215;
/// Published range of the pulse, per minute (maker's manual).
pub const PULSE_BPM: RangeInclusive<i64> = 40..=180;
