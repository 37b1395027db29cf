//! WFDB records: the text header, signal files and annotation files of the PhysioNet archives.
//!
//! Formats as in the WFDB manual pages `header(5)`, `signal(5)` and `annot(5)` (Moody, PhysioNet).

mod annotations;
mod header;
mod samples;
mod write;

pub use annotations::{Annotation, AnnotationCode, MAX_ANNOTATIONS, read_annotations};
pub use header::{Header, MAX_HEADER_BYTES, Signal, read_header};
pub use samples::{Recording, Warning, files_named, read};
pub use write::{Export, write};

use crate::model::BadWaveform;

/// What keeps a record from being read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WfdbError {
    /// A header without a record line.
    #[error("header has no record line")]
    NoRecordLine,
    /// A line of the header does not have the form that it must have.
    #[error("header line {line}: {what}")]
    BadLine {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The header is longer than [`MAX_HEADER_BYTES`] or names more signals than a waveform holds.
    #[error("header is too large")]
    TooLarge,
    /// Records made of several segments are not read.
    #[error("multi-segment records are not supported")]
    MultiSegment,
    /// A storage format that is not read.
    #[error("signal format {0} is not supported")]
    Format(u32),
    /// Signals with several samples a frame are not read.
    #[error("signals of different sampling rates in one record are not supported")]
    MixedRates,
    /// Signals shifted against each other are not read.
    #[error("signals with a skew are not supported")]
    Skew,
    /// A signal that is no voltage.
    #[error("signal {signal} is no voltage")]
    NotVoltage {
        /// Number of the signal, from 0.
        signal: usize,
    },
    /// A signal file that the caller could not give.
    #[error("signal file {name}: {reason}")]
    File {
        /// Its name in the header.
        name: String,
        /// The caller's reason.
        reason: String,
    },
    /// A signal file that ends before the last sample.
    #[error("signal file {name} has {found} samples a signal where the header says {expected}")]
    Truncated {
        /// Its name in the header.
        name: String,
        /// Samples a signal by the header.
        expected: u64,
        /// Whole samples a signal that the file holds.
        found: u64,
    },
    /// An annotation file that is cut.
    #[error("annotation file ends in the middle of an annotation")]
    CutAnnotation,
    /// More annotations than [`MAX_ANNOTATIONS`].
    #[error("annotation file has too many annotations")]
    TooManyAnnotations,
    /// A record name for export that could not stand as a file name.
    #[error("record name must be 1 to 64 letters, digits, hyphens or underscores")]
    BadRecordName,
    /// The samples are no waveform.
    #[error(transparent)]
    Waveform(#[from] BadWaveform),
}

/// For fuzzing: whatever the bytes, reading neither panics nor takes unbounded memory.
pub fn fuzz_one(bytes: &[u8]) {
    let _ = read_annotations(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(header) = read_header(&text) {
        let _ = read(&header, |_| Ok::<_, std::convert::Infallible>(bytes.to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), format in 0u32..400, count in 0usize..4) {
            super::fuzz_one(&bytes);
            let mut text = format!("r {count} 360 {}\n", bytes.len()).into_bytes();
            for _ in 0..count {
                text.extend_from_slice(format!("r.dat {format} 200({count})/mV 11\n").as_bytes());
            }
            super::fuzz_one(&text);
            text.extend_from_slice(&bytes);
            super::fuzz_one(&text);
        }
    }
}
