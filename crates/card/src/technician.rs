//! A technician's permit: for so many minutes of a running box, whoever holds this key may come in by SSH.
//!
//! The county signs it, as it signs identity rows and bundles. It lies on a stick or on the card's first partition. A box's
//! clock may be wrong by decades, so no date stands in it: it counts the minutes that the door was open, under the permit's
//! own number, and a permit whose minutes are used up opens nothing any more.

use serde::{Deserialize, Serialize};

use crate::device::BlockDevice;
use crate::fat::Fat;
use crate::identity::{Identity, IdentityFault};
use crate::layout::Layout;
use crate::select::PERMIT;
use crate::signed::{self, PublicKey, Purpose, SecretKey, SignedFault};

/// Longest permit with its signature, in bytes.
pub const PERMIT_MAX: usize = 4 << 10;
/// Longest time that one permit opens a box for, in minutes.
pub const MINUTES_MAX: u32 = 480;
/// The file's name on a stick.
pub const FILE: &str = "technician.permit";
/// Longest SSH key, in bytes.
const KEY_MAX: usize = 800;
/// Digits of a permit's number.
const NUMBER_DIGITS: usize = 16;
/// The form of a permit; others are refused.
const FORM: u32 = 1;
/// What an Ed25519 key begins with, as OpenSSH writes it, and how many letters of Base64 follow.
const KIND: &str = "ssh-ed25519";
const KEY_LETTERS: usize = 68;

/// Whom a permit lets in, where, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    form: u32,
    /// Its number, drawn at random: the box counts its minutes under it.
    pub number: String,
    /// Code of the county.
    pub county: String,
    /// Code of the one clinic that it opens.
    pub clinic: String,
    /// The technician's public key, one line as OpenSSH writes it, without the comment.
    pub key: String,
    /// Minutes of a running box with an open door.
    pub minutes: u32,
}

/// Why a permit opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitFault {
    /// The signature.
    #[error("the technician's permit is not believed: {0}")]
    Signed(#[from] SignedFault),
    /// A field that cannot be.
    #[error("the technician's permit is of another form: {0}")]
    Form(String),
    /// Another county's or clinic's.
    #[error("the technician's permit is for clinic {clinic} of county {county}, not for this box")]
    OtherClinic {
        /// Its county.
        county: String,
        /// Its clinic.
        clinic: String,
    },
    /// Its time is over.
    #[error("the technician's permit is used up: its {minutes} minutes are over; the county signs a new one")]
    UsedUp {
        /// How long it was good for.
        minutes: u32,
    },
}

impl PermitFault {
    fn form(what: impl Into<String>) -> Self {
        Self::Form(what.into())
    }
}

/// A public key as OpenSSH writes it, without its comment.
///
/// # Errors
/// [`PermitFault::Form`] for any other kind of key, and for options before it.
pub fn public_key(line: &str) -> Result<String, PermitFault> {
    let not_one = || PermitFault::form("the key is one line that begins with ssh-ed25519");
    let line = line.trim();
    if line.len() > KEY_MAX || line.chars().any(char::is_control) {
        return Err(not_one());
    }
    let mut words = line.split(' ');
    let (Some(KIND), Some(letters)) = (words.next(), words.next()) else {
        return Err(not_one());
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '+' || letter == '/';
    if letters.len() != KEY_LETTERS || !letters.chars().all(fits) {
        return Err(not_one());
    }
    Ok(format!("{KIND} {letters}"))
}

fn is_code(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Permit {
    /// A permit; `number` is drawn at random.
    ///
    /// # Errors
    /// [`PermitFault::Form`], the first field that cannot be.
    pub fn new(
        county: &str,
        clinic: &str,
        key: &str,
        minutes: u32,
        number: [u8; NUMBER_DIGITS / 2],
    ) -> Result<Self, PermitFault> {
        let this = Self {
            form: FORM,
            number: hex::encode(number),
            county: county.to_owned(),
            clinic: clinic.to_owned(),
            key: public_key(key)?,
            minutes,
        };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), PermitFault> {
        if self.form != FORM {
            return Err(PermitFault::form("made by a later program"));
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.number.len() != NUMBER_DIGITS || !self.number.bytes().all(is_digit) {
            return Err(PermitFault::form("its number has 16 hexadecimal digits"));
        }
        if !is_code(&self.county) || !is_code(&self.clinic) {
            return Err(PermitFault::form(
                "codes of county and clinic have 1 to 16 letters, digits or hyphens",
            ));
        }
        if !(1..=MINUTES_MAX).contains(&self.minutes) {
            return Err(PermitFault::form(format!("its minutes are 1 to {MINUTES_MAX}")));
        }
        // What goes into the file of keys is exactly this: no options, no second line.
        if public_key(&self.key)? != self.key {
            return Err(PermitFault::form("the key stands without a comment"));
        }
        Ok(())
    }

    /// The file of the permit.
    pub fn seal(&self, key: &SecretKey) -> String {
        key.seal(
            Purpose::Technician,
            &serde_json::to_string(self).unwrap_or_default(),
        )
    }

    /// Reads the file of a permit that one of these keys signed.
    ///
    /// # Errors
    /// [`PermitFault`].
    pub fn parse(file: &[u8], keys: &[PublicKey]) -> Result<Self, PermitFault> {
        if file.len() > PERMIT_MAX {
            return Err(PermitFault::form("it is too long"));
        }
        let line = signed::open(Purpose::Technician, file, keys)?;
        let permit: Self =
            serde_json::from_str(line).map_err(|error| PermitFault::form(error.to_string()))?;
        permit.check()?;
        Ok(permit)
    }

    /// The minutes that it still opens this box for, of which `used` are gone; never 0.
    ///
    /// # Errors
    /// [`PermitFault::OtherClinic`], [`PermitFault::UsedUp`].
    pub fn left(&self, here: &Identity, used: u32) -> Result<u32, PermitFault> {
        if self.county != here.county || self.clinic != here.clinic {
            return Err(PermitFault::OtherClinic {
                county: self.county.clone(),
                clinic: self.clinic.clone(),
            });
        }
        match self.minutes.saturating_sub(used) {
            0 => Err(PermitFault::UsedUp {
                minutes: self.minutes,
            }),
            left => Ok(left),
        }
    }
}

/// The file of a permit on the card's first partition, whatever it says; `None` where there is none.
///
/// # Errors
/// [`IdentityFault`] where the partition cannot be read.
pub fn file_on(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
) -> Result<Option<Vec<u8>>, IdentityFault> {
    let fat = Fat::open(device, layout.select)?;
    let Some(file) = fat.find(device, PERMIT)? else {
        return Ok(None);
    };
    if file.len > PERMIT_MAX as u64 {
        return Err(IdentityFault::Form(
            "the technician's permit is too long".to_owned(),
        ));
    }
    Ok(Some(fat.read(device, &file)?))
}

/// What a fuzzer calls: a permit under any signature is refused, and a line under a good one is read or refused.
pub fn fuzz_one(bytes: &[u8]) {
    let key = SecretKey::from_seed(&[1; 32]);
    assert!(Permit::parse(bytes, &[key.public()]).is_err());
    let line = String::from_utf8_lossy(bytes).replace('\n', " ");
    if let Ok(permit) = Permit::parse(key.seal(Purpose::Technician, &line).as_bytes(), &[key.public()]) {
        // What it says goes into a file of keys: one line, and nothing but a key.
        assert!(
            permit
                .key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        );
        assert_eq!(permit.key.split(' ').count(), 2);
    }
}
