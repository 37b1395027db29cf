//! The body of a release fact: the system that a clinic's boxes are offered, cut into blobs; and what a box says of its
//! systems in turn, behind the version of its program.

use records::ids::{BlobId, DocId};

use crate::wire::MAX_SOFTWARE;
use crate::wire::bytes::{Reader, WireFault, Writer};

/// Bytes of one piece of an update bundle; the last one is shorter.
pub const RELEASE_PIECE: usize = 1024 * 1024;
/// Most pieces of one bundle.
pub const MAX_RELEASE_PIECES: usize = 512;

/// A release as a clinic's boxes hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseOffer {
    /// Version of the system.
    pub version: u64,
    /// The bundle's pieces in order, with their lengths in bytes. None where the hub takes its offer back.
    pub pieces: Vec<(BlobId, u64)>,
}

impl ReleaseOffer {
    /// The bytes of the fact's body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.version);
        out.count(self.pieces.len());
        for (blob, length) in &self.pieces {
            out.put(blob.as_bytes());
            out.number(*length);
        }
        out.bytes
    }

    /// Reads the body of a fact.
    ///
    /// # Errors
    /// [`WireFault`] where it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        let mut from = Reader::new(bytes);
        let version = from.number("version of a release")?;
        let mut pieces = Vec::new();
        for _ in 0..from.count(MAX_RELEASE_PIECES, 33, "pieces of a release")? {
            let blob = BlobId(from.array("blob id")?);
            let length = from.number("length of a piece")?;
            if length == 0 || length > RELEASE_PIECE as u64 {
                return Err(WireFault::BadValue("length of a piece"));
            }
            pieces.push((blob, length));
        }
        from.end("release")?;
        Ok(Self { version, pieces })
    }

    /// Names the release like a document that its pieces belong to. No kind of document begins with its first byte.
    pub fn doc(&self) -> DocId {
        let mut id = [0; 16];
        id[1..].copy_from_slice(&blake3::hash(&self.encode()).as_bytes()[..15]);
        DocId(id)
    }

    /// Bytes of the whole bundle.
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(|(_, length)| length).sum()
    }
}

/// What a box says of the systems on its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemReport {
    /// Version of the running system.
    pub running: u64,
    /// Whether it is on trial.
    pub on_trial: bool,
    /// The version that the box tried last and went back from, with the reason.
    pub went_back: Option<(u64, WentBack)>,
}

/// Why a box went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WentBack {
    /// It did not start, or not within its tries.
    DidNotStart,
    /// It started and found itself ill.
    Unhealthy,
    /// It was damaged.
    Damaged,
}

impl WentBack {
    /// The reason's letter behind the version of the program.
    fn letter(self) -> char {
        match self {
            Self::DidNotStart => 'S',
            Self::Unhealthy => 'H',
            Self::Damaged => 'D',
        }
    }
}

impl SystemReport {
    /// The version text of a box: its program's, and behind `+` the systems, numbers in base 36 with small letters: the
    /// running one, `T` behind it on trial, and behind `-` the one that it went back from with the reason's letter. The
    /// program's version alone where there is no room.
    pub fn behind(&self, software: &str) -> String {
        let mut text = format!("{software}+{}", base36(self.running));
        if self.on_trial {
            text.push('T');
        }
        if let Some((version, why)) = self.went_back {
            text.push_str(&format!("-{}{}", base36(version), why.letter()));
        }
        if text.len() <= MAX_SOFTWARE {
            text
        } else {
            software.to_owned()
        }
    }

    /// Program and report of such a text; no report where the box has no card of systems, or is of an older release.
    pub fn of(software: &str) -> (&str, Option<Self>) {
        match software.split_once('+') {
            Some((program, said)) => (program, Self::parse(said)),
            None => (software, None),
        }
    }

    fn parse(said: &str) -> Option<Self> {
        let (now, back) = match said.split_once('-') {
            Some((now, back)) => (now, Some(back)),
            None => (said, None),
        };
        let (running, on_trial) = match now.strip_suffix('T') {
            Some(running) => (running, true),
            None => (now, false),
        };
        let went_back = match back {
            None => None,
            Some(back) => {
                let all = [WentBack::DidNotStart, WentBack::Unhealthy, WentBack::Damaged];
                let why = all.into_iter().find(|why| back.ends_with(why.letter()))?;
                let version = back.strip_suffix(why.letter())?;
                Some((u64::from_str_radix(version, 36).ok()?, why))
            }
        };
        Some(Self {
            running: u64::from_str_radix(running, 36).ok()?,
            on_trial,
            went_back,
        })
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// What a fuzzer calls: any bytes are an offer or none, any text a report or none, and what was read is written the same.
pub fn fuzz_one(bytes: &[u8]) {
    if let Ok(offer) = ReleaseOffer::decode(bytes) {
        assert_eq!(offer.encode(), bytes);
    }
    if let Some(report) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| SystemReport::of(text).1)
    {
        let again = report.behind("a");
        assert!(!again.contains('+') || SystemReport::of(&again).1 == Some(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_a_box_says_of_its_systems_is_read_as_it_was_said(
            running in 1u64..2_100_000_000, on_trial: bool,
            back in prop::option::of((1u64..2_100_000_000, 0usize..3)),
        ) {
            let why = [WentBack::DidNotStart, WentBack::Unhealthy, WentBack::Damaged];
            let went_back = back.map(|(version, at)| (version, why[at]));
            let report = SystemReport { running, on_trial, went_back };
            let text = report.behind("appliance 0.1.0");
            prop_assert!(text.len() <= MAX_SOFTWARE, "{text}");
            prop_assert_eq!(SystemReport::of(&text), ("appliance 0.1.0", Some(report)));
        }

        #[test]
        fn any_text_is_a_report_or_none(text in ".{0,32}") {
            let _ = SystemReport::of(&text);
        }

        #[test]
        fn an_offer_survives_its_bytes_and_any_bytes_are_read_or_refused(
            version: u64, lengths in prop::collection::vec(1u64..=RELEASE_PIECE as u64, 0..8),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let pieces = (0..).zip(lengths).map(|(n, length)| (BlobId([n; 32]), length)).collect();
            let offer = ReleaseOffer { version, pieces };
            prop_assert_eq!(ReleaseOffer::decode(&offer.encode()), Ok(offer.clone()));
            prop_assert_eq!(offer.doc().kind(), None);
            let _ = ReleaseOffer::decode(&bytes);
        }
    }

    #[test]
    fn numbers_without_room_are_left_out() {
        let report = SystemReport {
            running: u64::MAX,
            on_trial: true,
            went_back: Some((u64::MAX, WentBack::Damaged)),
        };
        assert_eq!(report.behind("appliance 0.1.0"), "appliance 0.1.0");
        assert_eq!(SystemReport::of("appliance 0.1.0"), ("appliance 0.1.0", None));
    }
}
