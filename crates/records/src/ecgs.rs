//! What a document says about an ECG recording; the samples are a blob.

use crate::entries::Entry;
use crate::ids::{BlobId, EcgId, StaffId};
use crate::time::Stamp;
use crate::tree::{Edit, Node};
use crate::units::Bpm;
use crate::vitals::{Withdrawal, read_withdrawal, withdraw};

/// An ECG recording in an encounter or series document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcgMeta {
    /// Its id within the document.
    pub id: EcgId,
    /// The samples.
    pub blob: BlobId,
    /// A small form of the samples that travels first.
    pub preview: Option<BlobId>,
    /// Samples a second.
    pub rate_hz: u32,
    /// Names of the leads in the order in which they are stored.
    pub leads: Vec<String>,
    /// Length in milliseconds.
    pub duration_ms: u32,
    /// When the recording began.
    pub taken: Stamp,
    /// Key of the device's model in the catalogue, or what the file named.
    pub device: String,
    /// Serial number; empty where unknown.
    pub serial: String,
    /// Mean heart rate that the box measured; `None` where it is not measurable.
    pub heart_rate: Option<Bpm>,
    /// Number of gaps in the samples.
    pub gaps: u32,
    /// Whether samples reached the end of the converter's range.
    pub clipped: bool,
    /// Who recorded it.
    pub by: Option<StaffId>,
    /// That it was recorded in error.
    pub withdrawn: Option<Withdrawal>,
}

/// The edits that add a recording to an encounter or series document. `withdrawn` is not written.
pub fn add_ecg(ecg: &EcgMeta) -> Vec<Edit> {
    let mut entry = Entry::by(ecg.by, ecg.taken)
        .value("blob", ecg.blob.0.to_vec())
        .value("rate", i64::from(ecg.rate_hz))
        .text("leads", &ecg.leads.join(" "))
        .value("duration", i64::from(ecg.duration_ms))
        .text("device", &ecg.device)
        .text("serial", &ecg.serial);
    if let Some(preview) = ecg.preview {
        entry = entry.value("preview", preview.0.to_vec());
    }
    if let Some(rate) = ecg.heart_rate {
        entry = entry.value("heart_rate", rate.get());
    }
    if ecg.gaps > 0 {
        entry = entry.value("gaps", i64::from(ecg.gaps));
    }
    if ecg.clipped {
        entry = entry.value("clipped", true);
    }
    vec![entry.write("ecgs", &ecg.id.to_string())]
}

/// The edits that mark a recording as made in error. It stays in the document.
pub fn withdraw_ecg(id: EcgId, withdrawal: &Withdrawal) -> Vec<Edit> {
    vec![withdraw(&id.to_string(), withdrawal)]
}

/// The recordings in an encounter or series document, oldest first. One whose samples cannot be named is left out.
pub fn read_ecgs(document: &Node) -> Vec<EcgMeta> {
    let mut found: Vec<EcgMeta> = document
        .entries(&["ecgs"])
        .flat_map(|(key, node)| {
            let entries = Entry::read_all(node).into_iter().flatten();
            entries
                .filter_map(|entry| read(document, key, &entry))
                .collect::<Vec<_>>()
        })
        .collect();
    found.sort_by_key(|ecg| (ecg.taken.at, ecg.id));
    found
}

fn read(document: &Node, key: &str, entry: &Entry) -> Option<EcgMeta> {
    let number = |name: &str| {
        entry
            .int(name)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0)
    };
    let blob = |name: &str| entry.bytes(name).and_then(|bytes| BlobId::from_slice(bytes).ok());
    Some(EcgMeta {
        id: key.parse().ok()?,
        blob: blob("blob")?,
        preview: blob("preview"),
        rate_hz: number("rate"),
        leads: entry
            .get_text("leads")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        duration_ms: number("duration"),
        taken: entry.written()?,
        device: entry.get_text("device"),
        serial: entry.get_text("serial"),
        heart_rate: entry.int("heart_rate").and_then(|rate| Bpm::new(rate).ok()),
        gaps: number("gaps"),
        clipped: entry.flag("clipped").unwrap_or(false),
        by: entry.author(),
        withdrawn: read_withdrawal(document, key),
    })
}

/// The blobs that a document names, previews first: they travel with it.
pub fn blobs(document: &Node) -> Vec<BlobId> {
    let ecgs = read_ecgs(document);
    let previews = ecgs.iter().filter_map(|ecg| ecg.preview);
    previews.chain(ecgs.iter().map(|ecg| ecg.blob)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{ClockSource, WallTime};
    use crate::tree;

    #[test]
    fn a_recording_comes_back_as_it_was_added() {
        let mut ecg = EcgMeta {
            id: EcgId([9; 8]),
            blob: BlobId([1; 32]),
            preview: Some(BlobId([2; 32])),
            rate_hz: 500,
            leads: ["I", "II", "V1"].map(str::to_owned).to_vec(),
            duration_ms: 10_000,
            taken: Stamp {
                at: WallTime(1_700_000_000_000),
                source: ClockSource::Hub,
            },
            device: "contec8000g".into(),
            serial: String::new(),
            heart_rate: Bpm::new(72).ok(),
            gaps: 1,
            clipped: true,
            by: Some(StaffId([4; 8])),
            withdrawn: None,
        };
        let mut document = Node::default();
        tree::apply_all(&mut document, &add_ecg(&ecg)).unwrap();
        assert_eq!(read_ecgs(&document), [ecg.clone()]);
        assert_eq!(blobs(&document), [BlobId([2; 32]), BlobId([1; 32])]);
        let withdrawal = Withdrawal {
            by: None,
            at: ecg.taken,
            reason: "lead off".into(),
        };
        tree::apply_all(&mut document, &withdraw_ecg(ecg.id, &withdrawal)).unwrap();
        ecg.withdrawn = Some(withdrawal);
        assert_eq!(read_ecgs(&document), [ecg]);
    }
}
