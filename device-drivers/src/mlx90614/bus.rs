//! Reads the sensor over any `embedded-hal` I2C bus.

use embedded_hal::i2c::I2c;

use super::frame::{ADDRESS, AnswerError, Register, Value, decode_answer};

/// Why a register could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError<E> {
    /// The bus failed or nobody answered at the address.
    #[error("the bus gave no answer")]
    Bus(E),
    /// An answer came that is no value.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// The sensor on a bus, which it owns.
#[derive(Debug)]
pub struct Mlx90614<I2C> {
    bus: I2C,
    address: u8,
}

impl<I2C: I2c> Mlx90614<I2C> {
    /// The sensor at its delivered address.
    pub fn new(bus: I2C) -> Self {
        Self::at(bus, ADDRESS)
    }

    /// The sensor at another seven-bit address.
    pub fn at(bus: I2C, address: u8) -> Self {
        Self { bus, address }
    }

    /// Reads a register in one exchange with a repeated start and checks its packet error code.
    pub fn read(&mut self, register: Register) -> Result<Value, BusError<I2C::Error>> {
        let mut answer = [0; 3];
        self.bus
            .write_read(self.address, &[register.command()], &mut answer)
            .map_err(BusError::Bus)?;
        Ok(decode_answer(self.address, register, answer)?)
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.bus
    }
}
