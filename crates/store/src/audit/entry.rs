//! One entry of the audit chain as bytes.

use records::ids::{DocId, PatientId};
use records::time::{ClockSource, Stamp, WallTime};

use super::By;

/// Version of the entries' form.
const FORM: u8 = 1;

/// The bytes of one entry, as they are hashed.
pub(super) struct Entry<'a> {
    pub(super) n: u64,
    pub(super) at: Stamp,
    pub(super) by: By,
    pub(super) act: &'a str,
    pub(super) patient: Option<PatientId>,
    pub(super) doc: Option<DocId>,
    pub(super) previous: [u8; 32],
}

impl Entry<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend_from_slice(&self.n.to_be_bytes());
        out.extend_from_slice(&self.at.at.0.to_be_bytes());
        field(self.at.source.word().as_bytes(), &mut out);
        field(self.by.text().as_bytes(), &mut out);
        field(self.act.as_bytes(), &mut out);
        field(
            self.patient
                .map(|id| id.0)
                .as_ref()
                .map_or(&[], |id| id.as_slice()),
            &mut out,
        );
        field(
            self.doc.map(|id| id.0).as_ref().map_or(&[], |id| id.as_slice()),
            &mut out,
        );
        out.extend_from_slice(&self.previous);
        out
    }
}

/// A field of at most 255 bytes behind its length.
fn field(content: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(content.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(&content[..content.len().min(usize::from(u8::MAX))]);
}

/// An entry read back from its bytes.
pub(super) struct Parsed {
    pub(super) n: u64,
    pub(super) at: Stamp,
    pub(super) by: By,
    pub(super) act: String,
    pub(super) patient: Option<PatientId>,
    pub(super) doc: Option<DocId>,
    pub(super) previous: [u8; 32],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Parsed> {
    let (&form, rest) = bytes.split_first()?;
    if form != FORM {
        return None;
    }
    let (n, rest) = rest.split_first_chunk::<8>()?;
    let (at, mut rest) = rest.split_first_chunk::<8>()?;
    let mut next = || -> Option<&[u8]> {
        let (&length, after) = rest.split_first()?;
        let (content, after) = after.split_at_checked(usize::from(length))?;
        rest = after;
        Some(content)
    };
    let source = ClockSource::from_word(std::str::from_utf8(next()?).ok()?);
    let by = By::parse(std::str::from_utf8(next()?).ok()?)?;
    let act = std::str::from_utf8(next()?).ok()?.to_owned();
    let patient = optional_id(next()?)?.map(PatientId);
    let doc = optional_id(next()?)?.map(DocId);
    let previous = rest.try_into().ok()?;
    let at = Stamp {
        at: WallTime(i64::from_be_bytes(*at)),
        source,
    };
    Some(Parsed {
        n: u64::from_be_bytes(*n),
        at,
        by,
        act,
        patient,
        doc,
        previous,
    })
}

fn optional_id(bytes: &[u8]) -> Option<Option<[u8; 16]>> {
    if bytes.is_empty() {
        Some(None)
    } else {
        bytes.try_into().ok().map(Some)
    }
}

/// One run of a fuzzer: an entry that is read is written the same, but for a word of a later release.
pub fn fuzz_one(bytes: &[u8]) {
    let Some(parsed) = parse(bytes) else { return };
    let entry = Entry {
        n: parsed.n,
        at: parsed.at,
        by: parsed.by,
        act: &parsed.act,
        patient: parsed.patient,
        doc: parsed.doc,
        previous: parsed.previous,
    };
    let again = parse(&entry.bytes());
    assert!(
        again.is_some_and(|again| again.n == entry.n
            && again.previous == entry.previous
            && again.act == entry.act),
        "an entry changed on its way"
    );
}
