//! Melexis MLX90614 infrared thermometer on SMBus. It sees the temperature of a surface, which is not a body
//! temperature: readings carry that site, and a rule outside the driver decides what follows from them.

mod bus;
mod frame;
mod machine;

pub use bus::{BusError, Mlx90614};
pub use frame::{ADDRESS, AnswerError, Register, Value, centi_celsius, decode_answer, packet_error_code};
pub use machine::{GIVE_UP_AFTER, SHORTEST_MEASUREMENT, SampleFault, ThermometerMachine};

use std::ops::RangeInclusive;

/// Published range of the object temperature, hundredths of °C (data sheet 3901090614: -70 to 380 °C).
pub const OBJECT_CENTI_CELSIUS: RangeInclusive<i64> = -7_000..=38_000;
