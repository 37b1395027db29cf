//! The one-time token by which a box is taken in: a secret, and the pin of the hub's CA, so that the box knows
//! its hub before it has ever spoken to it.

use records::ids::ClinicCode;
use sha2::{Digest, Sha256};
use store::{Store, StoreError};
use sync_core::wire::TOKEN_SECRET_LEN;

/// Version of the token's form.
const FORM: u8 = 1;
/// Bytes of the check sum, against slips of the pen.
const CHECK_LEN: usize = 2;
const TOKEN_LEN: usize = 1 + TOKEN_SECRET_LEN + 32 + CHECK_LEN;
/// Characters between two hyphens.
const GROUP: usize = 8;
/// Longest text that is read as a token, in bytes.
const TEXT_MAX: usize = 512;
/// Crockford's base 32: no letter that is taken for a digit.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an enrolment token, or mistyped")]
pub struct BadToken;

/// No token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The hub has no such clinic.
    #[error("there is no clinic {0}")]
    UnknownClinic(ClinicCode),
    /// The hub's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The one-time secret.
    pub secret: [u8; TOKEN_SECRET_LEN],
    /// The county: SHA-256 of the public key of the hub's CA.
    pub county: [u8; 32],
}

impl Token {
    /// The text of the token: groups of letters and digits.
    pub fn text(&self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.county);
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check[..CHECK_LEN]);
        let letters = encode(&bytes);
        let groups: Vec<&str> = (0..letters.len())
            .step_by(GROUP)
            .map(|at| &letters[at..letters.len().min(at + GROUP)])
            .collect();
        groups.join("-")
    }

    /// Reads a token; case, spaces and hyphens do not matter.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let bytes = decode(text).ok_or(BadToken)?;
        let bytes: [u8; TOKEN_LEN] = bytes.try_into().map_err(|_| BadToken)?;
        let (content, check) = bytes.split_at(TOKEN_LEN - CHECK_LEN);
        if content[0] != FORM || Sha256::digest(content)[..CHECK_LEN] != *check {
            return Err(BadToken);
        }
        let (secret, county) = content[1..].split_at(TOKEN_SECRET_LEN);
        Ok(Self {
            secret: secret.try_into().map_err(|_| BadToken)?,
            county: county.try_into().map_err(|_| BadToken)?,
        })
    }
}

/// Draws a token for a clinic at the hub of this county and keeps its hash.
pub async fn new_token(hub: &Store, county: [u8; 32], clinic: &ClinicCode) -> Result<String, TokenError> {
    let secret = hub.new_token_secret(clinic).await?;
    let secret = secret.ok_or_else(|| TokenError::UnknownClinic(clinic.clone()))?;
    Ok(Token { secret, county }.text())
}

/// One run of a fuzzer: what is read as a token is told the same again.
pub fn fuzz_one(text: &str) {
    if let Ok(token) = Token::parse(text) {
        assert!(Token::parse(&token.text()) == Ok(token), "a token changed");
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut held) = (0u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(DIGITS[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        text.push(char::from(DIGITS[(bits << (5 - held) & 31) as usize]));
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for letter in text
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
    {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let value = DIGITS.iter().position(|digit| char::from(*digit) == letter)?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 255).to_le_bytes()[0]);
        }
    }
    (bits & ((1 << held) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_copied_by_hand() {
        let token = Token {
            secret: [0xa5; 16],
            county: [0x3c; 32],
        };
        let text = token.text();
        assert!(text.len() < 100 && text.is_ascii());
        let by_hand = format!(
            " {}\n",
            text.to_lowercase()
                .replace('-', " ")
                .replace('0', "o")
                .replace('1', "l")
        );
        assert!(Token::parse(&by_hand) == Ok(token));
    }

    #[test]
    fn a_slip_of_the_pen_is_noticed() {
        let text = Token {
            secret: [1; 16],
            county: [2; 32],
        }
        .text();
        let at = text.len() / 2;
        let other = if text.as_bytes()[at] == b'7' { "8" } else { "7" };
        let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        for wrong in [
            slip.as_str(),
            "",
            "U",
            "卫生室",
            &text[..text.len() - 3],
            &"0".repeat(2000),
        ] {
            assert!(Token::parse(wrong) == Err(BadToken), "{wrong}");
        }
    }
}
