//! Identities. Each kind of id is a type of its own, so that mixing two does not compile.

use std::fmt;
use std::str::FromStr;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: expected {expected}")]
pub struct BadId {
    /// Name of the kind of id.
    pub kind: &'static str,
    /// What a well-formed text of this kind looks like.
    pub expected: &'static str,
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Declares ids of fixed length, written as lower-case hexadecimal.
macro_rules! byte_ids {
    ($($(#[$doc:meta])* $name:ident($len:literal);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Number of bytes.
            pub const LEN: usize = $len;

            /// The bytes, for storage and the wire.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads an id from exactly its number of bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, BadId> {
                bytes.try_into().map(Self).map_err(|_| Self::bad())
            }

            fn bad() -> BadId {
                BadId { kind: stringify!($name), expected: concat!("2 x ", $len, " hexadecimal digits") }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                from_hex(text).map(Self).ok_or_else(Self::bad)
            }
        }
    )+};
}

byte_ids! {
    /// Names a document: a kind byte and 15 bytes of the hash of (device, session, n).
    DocId(16);
    /// Names a patient: the id of the patient's chart document.
    PatientId(16);
    /// Names a visit: the id of its encounter document.
    EncounterId(16);
    /// Names one observation inside an encounter or series document.
    ObservationId(8);
    /// Names an ECG recording inside an encounter or series document.
    EcgId(8);
    /// Names a form from the moment it is opened; a form sent twice is applied once.
    FormId(16);
    /// Names a member of staff, the same at the box and the hub.
    StaffId(8);
    /// Names a device: the first 8 bytes of the SHA-256 of its public key.
    DeviceId(8);
    /// Names one run of the process: 8 random bytes, never reused.
    SessionId(8);
    /// Names a blob by the BLAKE3 hash of its content.
    BlobId(32);
    /// Names a map entry that two writers may add at the same time (a problem, an allergy).
    EntryId(8);
    /// Names a reading that waits in the unclaimed tray.
    TrayId(16);
}

impl PatientId {
    /// The chart document of this patient.
    pub fn doc(self) -> DocId {
        DocId(self.0)
    }
}

impl EncounterId {
    /// The encounter document of this visit.
    pub fn doc(self) -> DocId {
        DocId(self.0)
    }
}

impl DocId {
    /// The kind that the first byte tells; `None` for a kind of a newer release.
    pub fn kind(self) -> Option<DocKind> {
        DocKind::from_byte(self.0[0])
    }

    /// This id as a patient's, if it names a chart.
    pub fn patient(self) -> Option<PatientId> {
        (self.kind() == Some(DocKind::Chart)).then_some(PatientId(self.0))
    }

    /// This id as a visit's, if it names an encounter.
    pub fn encounter(self) -> Option<EncounterId> {
        (self.kind() == Some(DocKind::Encounter)).then_some(EncounterId(self.0))
    }
}

/// The kinds of documents; authorship, access and erasure are per document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocKind {
    /// One per patient: demographics, identifiers, problems, allergies, long-term medication.
    Chart,
    /// One per visit, with its readings, orders and forms.
    Encounter,
    /// Readings outside visits, per patient and month.
    Series,
    /// One teleconsultation, referral, diagnostic or booking request.
    Request,
    /// "These charts are one person"; reversible.
    Link,
    /// Settings, device bays, stock and local staff of one clinic.
    Clinic,
}

impl DocKind {
    /// Every kind, in the order of their bytes.
    pub const ALL: [Self; 6] = [
        Self::Chart,
        Self::Encounter,
        Self::Series,
        Self::Request,
        Self::Link,
        Self::Clinic,
    ];

    /// The byte that begins the ids of this kind.
    pub fn byte(self) -> u8 {
        match self {
            Self::Chart => 1,
            Self::Encounter => 2,
            Self::Series => 3,
            Self::Request => 4,
            Self::Link => 5,
            Self::Clinic => 6,
        }
    }

    /// The kind with this byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }

    /// The name used in code, tables and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Encounter => "encounter",
            Self::Series => "series",
            Self::Request => "request",
            Self::Link => "link",
            Self::Clinic => "clinic",
        }
    }
}

/// The code of a clinic as the county gives it: 1 to 16 ASCII letters, digits or hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClinicCode(String);

impl ClinicCode {
    /// The text of the code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClinicCode {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (1..=16).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(text.to_owned())).ok_or(BadId {
            kind: "ClinicCode",
            expected: "1 to 16 letters, digits or hyphens",
        })
    }
}

impl fmt::Display for ClinicCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClinicCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClinicCode({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = DocId([0xab; 16]);
        assert_eq!(id.to_string().parse::<DocId>().unwrap(), id);
        assert!("xyz".parse::<DocId>().is_err());
        assert!("é".repeat(16).parse::<DocId>().is_err());
    }

    #[test]
    fn kinds_and_bytes_are_a_bijection() {
        for kind in DocKind::ALL {
            assert_eq!(DocKind::from_byte(kind.byte()), Some(kind));
        }
        assert_eq!(DocKind::from_byte(0), None);
    }

    #[test]
    fn a_clinic_code_is_short_and_plain() {
        assert!("0017".parse::<ClinicCode>().is_ok());
        assert!("".parse::<ClinicCode>().is_err());
        assert!("../etc".parse::<ClinicCode>().is_err());
    }
}
