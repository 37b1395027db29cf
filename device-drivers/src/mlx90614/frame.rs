//! Register answers: two bytes, low first, and the SMBus packet error code over the whole exchange.

/// Address of the sensor as delivered.
pub const ADDRESS: u8 = 0x5a;

/// Registers that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Register {
    /// Temperature of the sensor itself (RAM 06).
    Ambient,
    /// Object temperature, zone 1 (RAM 07).
    Object1,
    /// Object temperature, zone 2 (RAM 08).
    Object2,
    /// Emissivity correction (EEPROM 04, command 24).
    Emissivity,
}

impl Register {
    /// Every register.
    pub const ALL: [Self; 4] = [Self::Ambient, Self::Object1, Self::Object2, Self::Emissivity];

    /// The command byte that reads it.
    pub fn command(self) -> u8 {
        match self {
            Self::Ambient => 0x06,
            Self::Object1 => 0x07,
            Self::Object2 => 0x08,
            Self::Emissivity => 0x24,
        }
    }
}

/// What a register held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A temperature in hundredths of °C.
    CentiCelsius(i32),
    /// An emissivity in 65535ths.
    Emissivity(u16),
}

/// Why an answer is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The packet error code does not fit: a disturbed exchange.
    #[error("packet error code does not fit")]
    PacketError,
    /// The sensor set its error flag.
    #[error("the sensor reports an error")]
    ErrorFlag,
}

/// CRC-8 of SMBus: polynomial x^8 + x^2 + x + 1, start 0.
pub fn packet_error_code(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| {
            if crc & 0x80 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x07
            }
        })
    })
}

/// Hundredths of °C of a raw temperature in fiftieths of a kelvin.
pub fn centi_celsius(raw: u16) -> i32 {
    i32::from(raw) * 2 - 27_315
}

/// Checks and reads the three bytes that answered a read of `register` at `address`.
pub fn decode_answer(address: u8, register: Register, answer: [u8; 3]) -> Result<Value, AnswerError> {
    let [low, high, sent] = answer;
    let exchange = [address << 1, register.command(), address << 1 | 1, low, high];
    if packet_error_code(&exchange) != sent {
        return Err(AnswerError::PacketError);
    }
    let raw = u16::from_le_bytes([low, high]);
    match register {
        Register::Emissivity => Ok(Value::Emissivity(raw)),
        Register::Ambient | Register::Object1 | Register::Object2 => {
            if raw & 0x8000 == 0 {
                Ok(Value::CentiCelsius(centi_celsius(raw)))
            } else {
                Err(AnswerError::ErrorFlag)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_error_code_is_the_smbus_one() {
        // Check value of CRC-8/SMBUS in the catalogue of parametrised CRC algorithms.
        assert_eq!(packet_error_code(b"123456789"), 0xf4);
    }

    #[test]
    fn any_single_flipped_bit_is_noticed() {
        let good = [0x82, 0x3c, 0x2e];
        assert_eq!(
            decode_answer(ADDRESS, Register::Object1, good),
            Ok(Value::CentiCelsius(3666 - 1))
        );
        for bit in 0..24 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                decode_answer(ADDRESS, Register::Object1, bad),
                Err(AnswerError::PacketError)
            );
        }
    }
}
