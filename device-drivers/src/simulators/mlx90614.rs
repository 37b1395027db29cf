//! An MLX90614: as an I2C device for programs and tests, and behind a simulated SC18IM700 bridge for a serial
//! line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress};

use super::{Command, SimOptions, SimulatedDevice};

const ADDRESS: u8 = 0x5a;
/// Temperature of the room, hundredths of °C.
const ROOM: i32 = 2_460;

/// The sensor. Clones share what it looks at.
#[derive(Debug, Clone)]
pub struct SimulatedSensor {
    object: Arc<AtomicI32>,
}

/// What the simulated bus complains about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody acknowledged")]
pub struct BusFault;

impl embedded_hal::i2c::Error for BusFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

impl Default for SimulatedSensor {
    fn default() -> Self {
        Self {
            object: Arc::new(AtomicI32::new(ROOM)),
        }
    }
}

impl SimulatedSensor {
    /// Holds a surface of this temperature, in hundredths of °C, before it.
    pub fn hold(&self, centi_celsius: i32) {
        self.object.store(centi_celsius, Ordering::Relaxed);
    }

    /// The three bytes that answer a read of this register.
    fn answer(&self, register: u8) -> Option<[u8; 3]> {
        let fiftieths = |centi: i32| ((centi + 27_315) / 2).clamp(0, 0x7fff) as u16;
        let raw = match register {
            0x06 => fiftieths(ROOM),
            0x07 | 0x08 => fiftieths(self.object.load(Ordering::Relaxed)),
            0x24 => 0xffff,
            _ => return None,
        };
        let [low, high] = raw.to_le_bytes();
        Some([
            low,
            high,
            check(&[ADDRESS << 1, register, (ADDRESS << 1) + 1, low, high]),
        ])
    }
}

/// CRC-8 of SMBus by long division of the whole message, eight zero bits appended.
fn check(bytes: &[u8]) -> u8 {
    let message = bytes.iter().chain([&0]);
    let remainder = message.fold(0u32, |remainder, byte| {
        (0..8).rev().fold(remainder, |remainder, bit| {
            let longer = remainder << 1 | u32::from(byte >> bit & 1);
            if longer & 0x100 == 0 {
                longer
            } else {
                longer ^ 0x107
            }
        })
    });
    remainder as u8
}

impl ErrorType for SimulatedSensor {
    type Error = BusFault;
}

impl I2c<SevenBitAddress> for SimulatedSensor {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        if address != ADDRESS {
            return Err(BusFault);
        }
        let mut register = 0;
        for operation in operations {
            match operation {
                Operation::Write(bytes) => register = bytes.first().copied().unwrap_or(register),
                Operation::Read(buffer) => {
                    let answer = self.answer(register).ok_or(BusFault)?;
                    for (byte, value) in buffer.iter_mut().zip(answer) {
                        *byte = value;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The sensor behind an SC18IM700: `S` address count data …, repeated start by another `S`, `P` ends, `R`
/// register `P` reads a register of the bridge.
#[derive(Debug)]
pub(super) struct Bridge {
    sensor: SimulatedSensor,
    heard: Vec<u8>,
    register: u8,
    status: u8,
    output: VecDeque<Vec<u8>>,
}

impl Bridge {
    pub(super) fn new(_options: &SimOptions) -> Self {
        let sensor = SimulatedSensor::default();
        Self {
            sensor,
            heard: Vec::new(),
            register: 0,
            status: 0xf0,
            output: VecDeque::new(),
        }
    }

    /// Takes one part of a command from what was heard; `None` while it is not whole.
    fn part(&mut self) -> Option<usize> {
        match *self.heard.first()? {
            b'S' => {
                let [address, count] = *self.heard.get(1..3)?.first_chunk()?;
                let count = usize::from(count);
                if address & 1 == 1 {
                    self.read(address >> 1, count);
                    return Some(3);
                }
                let data = self.heard.get(3..3 + count)?;
                self.status = if address >> 1 == ADDRESS { 0xf0 } else { 0xf1 };
                self.register = data.first().copied().unwrap_or_default();
                Some(3 + count)
            }
            b'R' => {
                let register = *self.heard.get(1)?;
                let value = if register == 0x0a { self.status } else { 0 };
                self.output.push_back(vec![value]);
                Some(2)
            }
            _ => Some(1),
        }
    }

    fn read(&mut self, address: u8, count: usize) {
        let answer = self.sensor.answer(self.register).filter(|_| address == ADDRESS);
        self.status = if answer.is_some() { 0xf0 } else { 0xf1 };
        self.output
            .extend(answer.map(|bytes| bytes.into_iter().take(count).collect()));
    }
}

impl SimulatedDevice for Bridge {
    fn handle_connected(&mut self, _now: Duration) {
        self.heard.clear();
    }

    fn handle_bytes(&mut self, bytes: &[u8], _now: Duration) {
        self.heard.extend_from_slice(bytes);
        while let Some(length) = self.part() {
            self.heard.drain(..length.min(self.heard.len()));
        }
    }

    fn handle_command(&mut self, command: &Command, _now: Duration) {
        match command {
            Command::Hold(centi) => self.sensor.hold(*centi),
            Command::Lift => self.sensor.hold(ROOM),
            Command::Measure(_)
            | Command::Fail(_)
            | Command::Card(_)
            | Command::Record
            | Command::Unplug
            | Command::Replug => {}
        }
    }

    fn handle_timeout(&mut self, _now: Duration) {}

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn survives_damage(&self) -> bool {
        true
    }
}
