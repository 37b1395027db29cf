//! The start PIN: what a person types to open a box's data. It opens nothing by itself: what opens the slot is the PIN
//! mixed with the machine's key, so that who has the card alone cannot try PINs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::protection::DeviceKey;

/// Fewest and most characters.
pub const PIN_CHARS: std::ops::RangeInclusive<usize> = 6..=64;
/// Fewest different characters.
pub const PIN_DIFFERENT_MIN: usize = 3;

/// A start PIN as a person chose it; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct StartPin(Zeroizing<String>);

/// Why a text is no start PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinFault {
    /// Fewer characters than [`PIN_CHARS`].
    #[error("a start PIN has 6 characters at least")]
    TooShort,
    /// More of them.
    #[error("a start PIN has 64 characters at most")]
    TooLong,
    /// Fewer different characters than [`PIN_DIFFERENT_MIN`], or digits in a row.
    #[error("a start PIN of one or two characters, or of digits in a row, is guessed at once")]
    TooPlain,
}

impl StartPin {
    /// Takes a PIN that somebody types to open the data: whatever it is, the slot will tell.
    ///
    /// # Errors
    /// [`PinFault::TooLong`].
    pub fn typed(text: &str) -> Result<Self, PinFault> {
        if text.chars().count() > *PIN_CHARS.end() {
            return Err(PinFault::TooLong);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Takes a new PIN.
    ///
    /// # Errors
    /// [`PinFault`].
    pub fn chosen(text: &str) -> Result<Self, PinFault> {
        let pin = Self::typed(text)?;
        let mut chars: Vec<char> = text.chars().collect();
        if chars.len() < *PIN_CHARS.start() {
            return Err(PinFault::TooShort);
        }
        let step = |by: i64| {
            let pairs = chars.windows(2);
            pairs
                .map(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])))
                .all(|step| step == by)
        };
        let is_row = step(1) || step(-1);
        chars.sort_unstable();
        chars.dedup();
        if is_row || chars.len() < PIN_DIFFERENT_MIN {
            return Err(PinFault::TooPlain);
        }
        Ok(pin)
    }

    /// The PIN, to be handed to who opens the data.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The secret of the slot in the volume of this number, on the machine of this key.
    pub fn secret(&self, own: &DeviceKey, volume: [u8; 16]) -> Zeroizing<[u8; 32]> {
        mixed(own, b"clinic box start PIN 1\n", volume, self.0.as_bytes())
    }
}

impl std::fmt::Debug for StartPin {
    /// Never shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StartPin")
    }
}

/// A secret of this machine and of one volume, for one use.
pub(crate) fn mixed(own: &DeviceKey, purpose: &[u8], volume: [u8; 16], with: &[u8]) -> Zeroizing<[u8; 32]> {
    // A key of any length is taken, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(own.secret()) else {
        return Zeroizing::new([0; 32]);
    };
    for part in [purpose, &volume, with] {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::Source;

    #[test]
    fn a_pin_that_is_guessed_at_once_is_not_taken() {
        for text in ["482759", "红旗渠1969年", "a1b2c3d4"] {
            StartPin::chosen(text).unwrap();
        }
        for (text, fault) in [
            ("", PinFault::TooShort),
            ("48275", PinFault::TooShort),
            ("111111", PinFault::TooPlain),
            ("121212", PinFault::TooPlain),
            ("123456", PinFault::TooPlain),
            ("987654", PinFault::TooPlain),
            (&"48".repeat(33), PinFault::TooLong),
        ] {
            assert_eq!(StartPin::chosen(text), Err(fault), "{text}");
        }
        assert!(StartPin::typed("1").is_ok());
    }

    #[test]
    fn another_pin_another_machine_and_another_volume_have_other_secrets() {
        let own = |first: u8| DeviceKey::of(Source::Otp, &(first..first + 32).collect::<Vec<u8>>()).unwrap();
        let pin = |text| StartPin::typed(text).unwrap();
        let secret = pin("482759").secret(&own(0), [1; 16]);
        assert_eq!(secret, pin("482759").secret(&own(0), [1; 16]));
        assert_ne!(secret, pin("482758").secret(&own(0), [1; 16]));
        assert_ne!(secret, pin("482759").secret(&own(1), [1; 16]));
        assert_ne!(secret, pin("482759").secret(&own(0), [2; 16]));
        assert_eq!(format!("{:?}", pin("482759")), "StartPin");
    }
}
