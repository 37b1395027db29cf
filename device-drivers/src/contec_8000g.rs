//! Contec 8000G 12-lead ECG recorder behind a CP210x at 230,400 baud: eight 12-bit leads, 1,000 records a
//! second in steps of 2.5 µV (public implementation: the live module of "ECG Studio" and its capture notes).

mod flow;
mod frame;
mod machine;
mod wave;

pub use frame::{Command, Frame, HostRules, Record, Rules};
pub use machine::EcgMachine;
pub use wave::{Clip, Gap, WaveBlock};

/// Leads that the recorder acquires, in the order of its records.
pub const LEADS: [&str; LEAD_COUNT] = ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"];
/// Number of acquired leads.
pub const LEAD_COUNT: usize = 8;
/// One step of the converter in nanovolts.
pub const NANOVOLTS_PER_STEP: i64 = 2_500;
/// Rate of the line; the CP210x really runs 230,769.
pub const BAUD: u32 = 230_400;
/// Converter value of zero volts.
pub const BASE_LINE: i16 = 2048;
/// Records a second on the wire.
pub const RECORDS_PER_SECOND: u32 = 1_000;
/// Samples a second that are kept: one for each pair of records.
pub const SAMPLES_PER_SECOND: u32 = 500;
