//! A recorded waveform: leads with their names and scales, integer samples as the device gave them, and marks
//! over what cannot be trusted.

mod limbs;
mod standard;

pub use limbs::{LimbResidual, MAX_LIMB_RESIDUAL_UV, limb_residuals};

use std::fmt;
use std::ops::Range;

/// Most leads that one waveform holds.
pub const MAX_LEADS: usize = 32;
/// Most samples of all leads together: 46 minutes of twelve leads at 500 Hz.
pub const MAX_TOTAL_SAMPLES: usize = 1 << 24;
/// Most marks that one waveform holds.
pub const MAX_MARKS: usize = 4096;
/// Most bytes of a lead's name that is not one of the twelve standard ones.
pub const MAX_LEAD_NAME_BYTES: usize = 64;

/// What keeps samples from being a waveform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWaveform {
    /// No lead at all.
    #[error("a waveform needs at least one lead")]
    NoLeads,
    /// More than [`MAX_LEADS`].
    #[error("{0} leads are more than {MAX_LEADS}")]
    TooManyLeads(usize),
    /// More than [`MAX_TOTAL_SAMPLES`].
    #[error("{0} samples are more than {MAX_TOTAL_SAMPLES}")]
    TooManySamples(u64),
    /// More than [`MAX_MARKS`].
    #[error("{0} marks are more than {MAX_MARKS}")]
    TooManyMarks(usize),
    /// Leads of unequal length.
    #[error("lead {lead} has {found} samples where the first has {expected}")]
    UnequalLengths {
        /// The lead that differs from the first.
        lead: LeadName,
        /// Samples of the first lead.
        expected: usize,
        /// Samples of this lead.
        found: usize,
    },
    /// One of the twelve standard leads stands there twice, so its name does not say which one is meant.
    #[error("lead {0} is there twice")]
    DuplicateLead(LeadName),
    /// A mark beyond the last sample, or over a lead that is not there.
    #[error("a mark lies outside the waveform")]
    MarkOutside,
    /// A sampling rate outside 1 Hz to 100 kHz.
    #[error("sampling rate outside 1 Hz to 100 kHz")]
    BadRate,
    /// A scale that is not a positive voltage per unit.
    #[error("scale is not a positive voltage per unit")]
    BadScale,
    /// A lead name that is empty, too long or has control characters.
    #[error("lead name is empty, longer than {MAX_LEAD_NAME_BYTES} bytes, or has control characters")]
    BadLeadName,
}

/// Samples per second and lead, kept in thousandths of a hertz so that it is exact in files and comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRateHz {
    millihertz: u32,
}

impl SampleRateHz {
    /// The usual rate of a resting twelve-lead recording.
    pub const DIAGNOSTIC: Self = Self { millihertz: 500_000 };
    const BOUNDS_MILLIHERTZ: std::ops::RangeInclusive<u32> = 1_000..=100_000_000;

    /// A rate in whole hertz, 1 to 100,000.
    pub fn new(hertz: u32) -> Result<Self, BadWaveform> {
        hertz
            .checked_mul(1000)
            .map_or(Err(BadWaveform::BadRate), Self::from_millihertz)
    }

    /// A rate in thousandths of a hertz.
    pub fn from_millihertz(millihertz: u32) -> Result<Self, BadWaveform> {
        if Self::BOUNDS_MILLIHERTZ.contains(&millihertz) {
            Ok(Self { millihertz })
        } else {
            Err(BadWaveform::BadRate)
        }
    }

    /// A rate in hertz as a file wrote it, rounded to a thousandth of a hertz.
    pub fn from_hz_f64(hertz: f64) -> Result<Self, BadWaveform> {
        if (1.0..=100_000.0).contains(&hertz) {
            Self::from_millihertz((hertz * 1000.0).round() as u32)
        } else {
            Err(BadWaveform::BadRate)
        }
    }

    /// Thousandths of a hertz.
    pub fn millihertz(self) -> u32 {
        self.millihertz
    }

    /// Hertz.
    pub fn hz(self) -> f64 {
        f64::from(self.millihertz) / 1000.0
    }

    /// Seconds from the first sample to this one.
    pub fn seconds(self, sample: usize) -> f64 {
        sample as f64 / self.hz()
    }

    /// The number of samples in this many seconds, rounded; nothing for a negative time.
    pub fn samples_in(self, seconds: f64) -> usize {
        (seconds * self.hz()).round().max(0.0) as usize
    }
}

impl fmt::Display for SampleRateHz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.hz())
    }
}

/// Voltage of one unit of a lead's samples. Kept in femtovolts: the steps of real devices (2.5 µV, 4.88 µV) and
/// the odd gains of research files (30061.28 units per mV) both fit with an error below a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale {
    femtovolts: i64,
}

impl Scale {
    /// 2.5 µV, the step of many resting recorders.
    pub const RECORDER_STEP: Self = Self {
        femtovolts: 2_500_000_000,
    };
    /// Largest scale, 1 V per unit.
    pub const MAX_FEMTOVOLTS: i64 = 1_000_000_000_000_000;

    /// A scale in femtovolts per unit, 1 fV to 1 V.
    pub fn from_femtovolts(femtovolts: i64) -> Result<Self, BadWaveform> {
        if (1..=Self::MAX_FEMTOVOLTS).contains(&femtovolts) {
            Ok(Self { femtovolts })
        } else {
            Err(BadWaveform::BadScale)
        }
    }

    /// A scale in nanovolts per unit: 2,500 for the 2.5 µV step of many recorders.
    pub fn from_nanovolts(nanovolts: i64) -> Result<Self, BadWaveform> {
        nanovolts
            .checked_mul(1_000_000)
            .map_or(Err(BadWaveform::BadScale), Self::from_femtovolts)
    }

    /// Femtovolts of one unit.
    pub fn femtovolts(self) -> i64 {
        self.femtovolts
    }

    /// Nanovolts of one unit.
    pub fn nanovolts(self) -> f64 {
        self.femtovolts as f64 / 1e6
    }

    /// Millivolts of one unit.
    pub fn millivolts(self) -> f64 {
        self.femtovolts as f64 / 1e12
    }
}

/// Name of a lead. Leads are found by name, never by position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names of the twelve standard leads say what they are"
)]
pub enum LeadName {
    I,
    II,
    III,
    AVR,
    AVL,
    AVF,
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    /// A lead outside the standard twelve, by the name that its source gave it (`MLII`, `ECG`).
    Other(String),
}

impl LeadName {
    /// The standard leads in the order of storage and display.
    pub const STANDARD: [Self; 12] = [
        Self::I,
        Self::II,
        Self::III,
        Self::AVR,
        Self::AVL,
        Self::AVF,
        Self::V1,
        Self::V2,
        Self::V3,
        Self::V4,
        Self::V5,
        Self::V6,
    ];

    /// Reads a name as devices and files write it: any case, with or without `Lead`, `ECG` or
    /// `MDC_ECG_LEAD_` before it. What is no standard lead becomes [`LeadName::Other`] with the text kept.
    pub fn parse(text: &str) -> Result<Self, BadWaveform> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_LEAD_NAME_BYTES || text.chars().any(char::is_control) {
            return Err(BadWaveform::BadLeadName);
        }
        let upper = text.to_ascii_uppercase();
        let bare = ["MDC_ECG_LEAD_", "LEAD", "ECG"]
            .into_iter()
            .find_map(|prefix| upper.strip_prefix(prefix))
            .unwrap_or(&upper)
            .trim_matches([' ', '_', '-', ':']);
        let known = Self::STANDARD
            .into_iter()
            .find(|lead| lead.as_str().eq_ignore_ascii_case(bare));
        Ok(known.unwrap_or_else(|| Self::Other(text.to_owned())))
    }

    /// The name as it stands beside a trace.
    pub fn as_str(&self) -> &str {
        match self {
            Self::I => "I",
            Self::II => "II",
            Self::III => "III",
            Self::AVR => "aVR",
            Self::AVL => "aVL",
            Self::AVF => "aVF",
            Self::V1 => "V1",
            Self::V2 => "V2",
            Self::V3 => "V3",
            Self::V4 => "V4",
            Self::V5 => "V5",
            Self::V6 => "V6",
            Self::Other(name) => name,
        }
    }

    /// Place among the standard leads; none for another one.
    pub fn standard_index(&self) -> Option<usize> {
        Self::STANDARD.iter().position(|lead| lead == self)
    }
}

impl fmt::Display for LeadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One recorded trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Which lead it is.
    pub name: LeadName,
    /// Voltage of one unit.
    pub scale: Scale,
    /// The number of units that stands for 0 V.
    pub zero: i32,
    /// Samples in units, as recorded; no filter ever touches them.
    pub samples: Vec<i32>,
}

impl Lead {
    /// Millivolts of a number of units.
    pub fn millivolts_of(&self, units: i32) -> f64 {
        (i64::from(units) - i64::from(self.zero)) as f64 * self.scale.millivolts()
    }

    /// All samples in millivolts.
    pub fn millivolts(&self) -> Vec<f64> {
        self.samples
            .iter()
            .map(|units| self.millivolts_of(*units))
            .collect()
    }
}

/// Why a stretch of samples is not an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// Nothing was recorded: the samples there repeat the last one before, and are not shown.
    Gap,
    /// The input was at its rail: the true voltage was beyond what is stored.
    Clipped,
    /// The device said that an electrode of this lead had no contact.
    LeadOff,
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Gap, Self::Clipped, Self::LeadOff];
}

/// A marked stretch of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// First sample.
    pub start: u32,
    /// Number of samples, at least one.
    pub len: u32,
    /// Place of the lead in the waveform; none for all leads.
    pub lead: Option<u8>,
    /// What is the matter.
    pub kind: MarkKind,
}

impl Mark {
    /// The marked samples.
    pub fn range(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }

    /// Whether the mark lies over the lead at this place.
    pub fn covers(&self, lead: usize) -> bool {
        self.lead.is_none_or(|place| usize::from(place) == lead)
    }
}

/// Leads of equal length and rate, recorded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waveform {
    rate: SampleRateHz,
    leads: Vec<Lead>,
    marks: Vec<Mark>,
}

impl Waveform {
    /// Takes leads of equal length; marks are sorted.
    pub fn new(rate: SampleRateHz, leads: Vec<Lead>, mut marks: Vec<Mark>) -> Result<Self, BadWaveform> {
        let first = leads.first().ok_or(BadWaveform::NoLeads)?;
        let len = first.samples.len();
        check_size(leads.len(), len as u64)?;
        for (place, lead) in leads.iter().enumerate() {
            if lead.samples.len() != len {
                let (lead, found) = (lead.name.clone(), lead.samples.len());
                return Err(BadWaveform::UnequalLengths {
                    lead,
                    expected: len,
                    found,
                });
            }
            let seen_before = leads[..place].iter().any(|other| other.name == lead.name);
            if seen_before && lead.name.standard_index().is_some() {
                return Err(BadWaveform::DuplicateLead(lead.name.clone()));
            }
        }
        if marks.len() > MAX_MARKS {
            return Err(BadWaveform::TooManyMarks(marks.len()));
        }
        let fits = |mark: &Mark| {
            let end = u64::from(mark.start) + u64::from(mark.len);
            mark.len > 0 && end <= len as u64 && mark.lead.is_none_or(|lead| usize::from(lead) < leads.len())
        };
        if !marks.iter().all(fits) {
            return Err(BadWaveform::MarkOutside);
        }
        marks.sort_unstable();
        Ok(Self { rate, leads, marks })
    }

    /// Samples per second.
    pub fn rate(&self) -> SampleRateHz {
        self.rate
    }

    /// The leads in the order of their source.
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// The marks, by first sample.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// For each sample of the lead at this place, whether it lies in a gap.
    pub fn gaps(&self, place: usize) -> Vec<bool> {
        let mut gaps = vec![false; self.len()];
        let marks = self.marks.iter();
        for mark in marks.filter(|mark| mark.kind == MarkKind::Gap && mark.covers(place)) {
            gaps[mark.range()].fill(true);
        }
        gaps
    }

    /// Number of samples of each lead.
    pub fn len(&self) -> usize {
        self.leads.first().map_or(0, |lead| lead.samples.len())
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.rate.seconds(self.len())
    }

    /// Place of a lead.
    pub fn place(&self, name: &LeadName) -> Option<usize> {
        self.leads.iter().position(|lead| lead.name == *name)
    }

    /// A lead by name.
    pub fn lead(&self, name: &LeadName) -> Option<&Lead> {
        self.leads.iter().find(|lead| lead.name == *name)
    }

    /// Whether all twelve standard leads are there.
    pub fn is_twelve_lead(&self) -> bool {
        LeadName::STANDARD.iter().all(|name| self.lead(name).is_some())
    }

    /// For one lead: which samples carry no usable signal (gap or electrode off).
    pub fn unusable(&self, place: usize) -> Vec<bool> {
        let mut unusable = vec![false; self.len()];
        let over = self
            .marks
            .iter()
            .filter(|mark| mark.covers(place) && mark.kind != MarkKind::Clipped);
        for mark in over {
            unusable[mark.range()].fill(true);
        }
        unusable
    }
}

/// Refuses a size beyond the limits before memory is taken for it.
pub(crate) fn check_size(leads: usize, samples_per_lead: u64) -> Result<(), BadWaveform> {
    if leads == 0 {
        return Err(BadWaveform::NoLeads);
    }
    if leads > MAX_LEADS {
        return Err(BadWaveform::TooManyLeads(leads));
    }
    let total = samples_per_lead.saturating_mul(leads as u64);
    if total > MAX_TOTAL_SAMPLES as u64 {
        return Err(BadWaveform::TooManySamples(total));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_the_ways_of_devices() {
        for text in [
            "aVR",
            "AVR",
            "avr",
            "Lead aVR",
            "MDC_ECG_LEAD_AVR",
            "ECG avr",
            "ecg_aVR",
        ] {
            assert_eq!(LeadName::parse(text).unwrap(), LeadName::AVR, "{text}");
        }
        assert_eq!(LeadName::parse("ii").unwrap(), LeadName::II);
        assert_eq!(LeadName::parse("MLII").unwrap(), LeadName::Other("MLII".into()));
        assert_eq!(LeadName::parse("ECG").unwrap(), LeadName::Other("ECG".into()));
        assert!(LeadName::parse(" ").is_err());
        assert!(LeadName::parse("a\nb").is_err());
    }

    #[test]
    fn scales_are_voltages() {
        let step = Scale::from_nanovolts(2500).unwrap();
        assert_eq!(step, Scale::RECORDER_STEP);
        assert_eq!((step.nanovolts(), step.millivolts()), (2500.0, 0.0025));
        let lead = Lead {
            name: LeadName::I,
            scale: step,
            zero: 10,
            samples: vec![410],
        };
        assert_eq!(lead.millivolts(), [1.0]);
    }

    #[test]
    fn a_waveform_refuses_what_is_none() {
        let scale = Scale::from_nanovolts(2500).unwrap();
        let lead = |name, len| Lead {
            name,
            scale,
            zero: 0,
            samples: vec![0; len],
        };
        let rate = SampleRateHz::DIAGNOSTIC;
        assert_eq!(Waveform::new(rate, vec![], vec![]), Err(BadWaveform::NoLeads));
        let twice = vec![lead(LeadName::I, 3), lead(LeadName::I, 3)];
        assert_eq!(
            Waveform::new(rate, twice, vec![]),
            Err(BadWaveform::DuplicateLead(LeadName::I))
        );
        let unequal = vec![lead(LeadName::I, 3), lead(LeadName::II, 4)];
        assert!(matches!(
            Waveform::new(rate, unequal, vec![]),
            Err(BadWaveform::UnequalLengths { .. })
        ));
        let mark = Mark {
            start: 2,
            len: u32::MAX,
            lead: None,
            kind: MarkKind::Gap,
        };
        let one = vec![lead(LeadName::I, 3)];
        assert_eq!(
            Waveform::new(rate, one, vec![mark]),
            Err(BadWaveform::MarkOutside)
        );
        assert!(SampleRateHz::new(0).is_err() && SampleRateHz::new(u32::MAX).is_err());
        assert!(SampleRateHz::from_hz_f64(f64::NAN).is_err());
        assert!(Scale::from_nanovolts(0).is_err() && Scale::from_nanovolts(i64::MAX).is_err());
    }
}
