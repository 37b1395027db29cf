//! The recovery key of a box's data: drawn on the box, written down nowhere but on the card, sealed so that only the
//! county's key opens it ([`crate::sealed`]).

use zeroize::Zeroizing;

use crate::random::Random;
use crate::sealed;
use crate::signed::{PublicKey, SecretKey};

const PURPOSE: &[u8] = b"clinic box recovery key 1\n";
/// Longest sealed text that is looked at, in hex digits.
const SEALED_MAX: usize = 1024;

/// A sealed text that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recovery key was sealed to another key, or is damaged")]
pub struct DoesNotOpen;

/// Draws a recovery key: 64 hexadecimal digits, which a person can type.
pub fn draw(random: &mut Random) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(*random.draw::<32>()))
}

/// Seals a recovery key to the county.
pub fn seal(text: &str, to: &PublicKey, random: &mut Random) -> String {
    hex::encode(sealed::seal(PURPOSE, text.as_bytes(), to.to_montgomery(), random))
}

/// Opens what was sealed to the public half of this key.
///
/// # Errors
/// [`DoesNotOpen`].
pub fn open(sealed: &str, key: &SecretKey) -> Result<Zeroizing<String>, DoesNotOpen> {
    let bytes = (sealed.len() <= SEALED_MAX).then(|| hex::decode(sealed).ok());
    let bytes = bytes.flatten().ok_or(DoesNotOpen)?;
    let text = sealed::open(PURPOSE, &bytes, &key.to_scalar_bytes()).ok_or(DoesNotOpen)?;
    let text = String::from_utf8(text.to_vec());
    text.map(Zeroizing::new).map_err(|_| DoesNotOpen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_countys_key_opens_a_recovery_key_and_no_digit_may_change() {
        let mut random = Random::new(Zeroizing::new([7; 32]));
        let (county, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let text = draw(&mut random);
        assert_eq!(text.len(), 64);
        let sealed = seal(&text, &county.public(), &mut random);
        assert_eq!(open(&sealed, &county), Ok(text.clone()));
        assert_eq!(open(&sealed, &other), Err(DoesNotOpen));
        assert_ne!(seal(&text, &county.public(), &mut random), sealed);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            let digit = if &sealed[place..=place] == "0" { "1" } else { "0" };
            changed.replace_range(place..=place, digit);
            assert_eq!(open(&changed, &county), Err(DoesNotOpen), "digit {place}");
        }
        assert_eq!(open("", &county), Err(DoesNotOpen));
    }
}
