//! What a box's program and the opener say to each other over their socket: one question and one answer a connection,
//! each a length of four bytes and that much JSON.

use std::io::{self, Read, Write};

use card::pin::PinFault;
use card::vestibule::{HubPapers, Papers};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Longest question or answer, in bytes: the longest item twice over, since it goes in hexadecimal digits.
pub const BYTES_MAX: usize = 64 << 10;

/// A question.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the data stand.
    State,
    /// Open the data with the start PIN.
    Open {
        /// The PIN.
        pin: Zeroizing<String>,
    },
    /// Open the data with the county's recovery key, and set a new start PIN.
    Recover {
        /// The recovery key.
        key: Zeroizing<String>,
        /// The new PIN.
        pin: Zeroizing<String>,
    },
    /// Set the first start PIN, or another one in place of the one that is.
    SetPin {
        /// The PIN that is; empty where there is none yet.
        old: Zeroizing<String>,
        /// The new one.
        new: Zeroizing<String>,
    },
    /// What the locked pages are served with.
    Papers,
    /// Leave papers for the next start.
    Leave {
        /// The papers.
        papers: Papers,
    },
    /// Whom a locked box asks to open its data.
    Hub,
    /// Leave for the next start whom it asks.
    LeaveHub {
        /// The hub.
        hub: HubPapers,
    },
    /// The public half of the key by which the locked box proves itself to its hub.
    OpeningKey,
    /// Make the question to the hub that told this nonce.
    AskHub {
        /// The hub's nonce.
        #[serde(with = "hex::serde")]
        nonce: [u8; 32],
    },
    /// The hub gave its share: open the data with it.
    HubGave {
        /// The share, in hexadecimal digits.
        share: Zeroizing<String>,
    },
    /// The hub refused what was asked last.
    HubRefused {
        /// Why, as a number of the wire.
        why: u8,
        /// The hub's signature.
        #[serde(with = "hex::serde")]
        signature: [u8; 64],
    },
    /// The hub keeps this share: let it open the data from now on.
    SetShare {
        /// The share, in hexadecimal digits.
        share: Zeroizing<String>,
    },
    /// Keep a sealed reading.
    Put {
        /// Its id, in hexadecimal digits.
        #[serde(with = "hex::serde")]
        id: [u8; 16],
        /// The sealed reading.
        #[serde(with = "hex::serde")]
        message: Vec<u8>,
    },
    /// The first item that waits from this place on.
    Next {
        /// The place.
        from: usize,
    },
    /// Forget the item of a place: it is kept elsewhere.
    Remove {
        /// The place.
        place: usize,
    },
}

/// How the data stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Whether they are mounted.
    pub is_open: bool,
    /// Whether there is a start PIN.
    pub has_pin: bool,
    /// Start PINs that did not open the data since one did.
    pub wrong: u32,
    /// Seconds until the next one is tried.
    pub wait_seconds: u64,
    /// Readings that wait to be taken in.
    pub waiting: usize,
    /// Whether no reading more is kept.
    pub is_full: bool,
    /// Whether the county's hub may open the data.
    pub by_hub: bool,
    /// Whether it can: it keeps a share, and a slot opens with it.
    pub has_share: bool,
    /// Whether the county revoked this box: only its recovery key opens the data.
    pub is_revoked: bool,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// See [`Standing`].
    State {
        /// How the data stand.
        standing: Standing,
    },
    /// It was done.
    Done,
    /// The data are open; the box's program is started.
    Opened,
    /// The papers, where there are any.
    Papers {
        /// The papers.
        papers: Option<Papers>,
    },
    /// Whom a locked box asks, where the open box left that.
    Hub {
        /// The hub.
        hub: Option<HubPapers>,
    },
    /// The public half of the key by which the locked box proves itself.
    OpeningKey {
        /// The key.
        #[serde(with = "hex::serde")]
        key: [u8; 32],
    },
    /// The question to the hub.
    Question {
        /// The public half of the key.
        #[serde(with = "hex::serde")]
        key: [u8; 32],
        /// The box's own nonce.
        #[serde(with = "hex::serde")]
        nonce: [u8; 32],
        /// Proof that the box has the key.
        #[serde(with = "hex::serde")]
        signature: [u8; 64],
    },
    /// The county revoked this box: its data were left to the county.
    Revoked,
    /// What is said of the hub is not the hub's word, or not the answer to what was asked last.
    NotBelieved,
    /// An item.
    Item {
        /// Its place.
        place: usize,
        /// Its id in hexadecimal digits; `None` for one that is damaged.
        id: Option<String>,
        /// The sealed reading, or the damaged block.
        #[serde(with = "hex::serde")]
        bytes: Vec<u8>,
    },
    /// Nothing waits there.
    NoItem,
    /// This PIN does not open the data.
    WrongPin {
        /// Seconds until the next one is tried.
        wait_seconds: u64,
    },
    /// No PIN is tried yet.
    Wait {
        /// Seconds until the next one is.
        wait_seconds: u64,
    },
    /// This is not the volume's recovery key.
    WrongKey,
    /// The new PIN is not taken.
    BadPin {
        /// Why, as [`bad_pin`] reads it.
        why: String,
    },
    /// No reading more is kept.
    Full,
    /// Not in this state of the data.
    NotNow,
    /// A fault of card or system; what the log says of it.
    Failed {
        /// A sentence.
        why: String,
    },
}

/// The word of a fault of a new PIN.
pub fn pin_word(fault: PinFault) -> &'static str {
    match fault {
        PinFault::TooShort => "short",
        PinFault::TooLong => "long",
        PinFault::TooPlain => "plain",
    }
}

/// The fault of a word.
pub fn bad_pin(word: &str) -> PinFault {
    let all = [PinFault::TooShort, PinFault::TooLong];
    all.into_iter()
        .find(|fault| pin_word(*fault) == word)
        .unwrap_or(PinFault::TooPlain)
}

/// Reads one question or answer.
///
/// # Errors
/// What the system says, or that it is none.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Zeroizing::new(vec![0; len]);
    from.read_exact(&mut bytes)?;
    // What is wrong with it is not told: it may hold a PIN.
    serde_json::from_slice(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Writes one.
///
/// # Errors
/// What the system says.
pub fn write(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let bytes = Zeroizing::new(serde_json::to_vec(what)?);
    if bytes.len() > BYTES_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    to.write_all(&(bytes.len() as u32).to_be_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// What a fuzzer calls: any bytes are a question or none.
pub fn fuzz_one(bytes: &[u8]) {
    let mut at = bytes;
    let _ = read::<Request>(&mut at);
    let framed = [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let _ = read::<Request>(&mut framed.as_slice());
    let _ = read::<Answer>(&mut framed.as_slice());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_was_written_and_nothing_longer_is() {
        let mut bytes = Vec::new();
        let put = Request::Put {
            id: [3; 16],
            message: vec![1; card::vestibule::ITEM_BYTES_MAX],
        };
        write(&mut bytes, &put).unwrap();
        let back: Request = read(&mut bytes.as_slice()).unwrap();
        assert!(matches!(back, Request::Put { id, message } if id == [3; 16] && message[0] == 1));
        assert!(read::<Request>(&mut &bytes[..bytes.len() - 1]).is_err());
        let long = (BYTES_MAX as u32 + 1).to_be_bytes();
        assert!(read::<Request>(&mut long.as_slice()).is_err());
        let foreign = br#"{"ask":"open","pin":"482759","more":1}"#;
        let framed = [&(foreign.len() as u32).to_be_bytes()[..], foreign].concat();
        let fault = read::<Request>(&mut framed.as_slice()).err().unwrap();
        assert!(!fault.to_string().contains("482759"), "{fault}");
    }

    #[test]
    fn a_fault_of_a_pin_keeps_its_meaning_over_the_socket() {
        for fault in [PinFault::TooShort, PinFault::TooLong, PinFault::TooPlain] {
            assert_eq!(bad_pin(pin_word(fault)), fault);
        }
    }
}
