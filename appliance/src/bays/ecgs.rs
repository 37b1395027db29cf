//! A finished recording as it is stored: samples and preview as blobs, and what a record says about them.

use ecg::model::{BadWaveform, Lead, LeadName, SampleRateHz, Waveform};
use records::ecgs::EcgMeta;
use records::ids::{BlobId, EcgId, StaffId};
use records::time::Stamp;
use records::units::Bpm;
use serde_json::{Value, json};

use super::attachment::Opener;
use super::keeper::blob_of;
use super::readings::taken_of;
use super::recorder::{Quality, Recorder};

/// Leads of the preview: rhythm, and one of each side of the chest.
const PREVIEW_LEADS: [LeadName; 3] = [LeadName::II, LeadName::V1, LeadName::V5];
/// Samples that become one of the preview.
const PREVIEW_STEP: usize = 4;

/// A recording ready to be stored.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The samples in the lossless form.
    pub samples: Vec<u8>,
    /// Three leads at a quarter of the rate: travels first.
    pub preview: Vec<u8>,
    /// Id of the samples.
    pub blob: BlobId,
    /// Mean heart rate, where it is measurable.
    pub heart_rate: Option<Bpm>,
    leads: Vec<String>,
    rate_hz: u32,
    duration_ms: u32,
    quality: Quality,
}

impl Recording {
    /// Encodes and measures what was recorded.
    pub fn of(recorder: Recorder) -> Result<Self, BadWaveform> {
        let (waveform, quality) = recorder.finish()?;
        let samples = ecg::codec::encode(&waveform);
        let preview = ecg::codec::encode(&preview(&waveform)?);
        let heart_rate = ecg::measure::heart_rate_per_min(&waveform);
        Ok(Self {
            blob: blob_of(&samples),
            samples,
            preview,
            heart_rate: heart_rate.and_then(whole_rate),
            leads: waveform
                .leads()
                .iter()
                .map(|lead| lead.name.as_str().to_owned())
                .collect(),
            rate_hz: waveform.rate().millihertz() / 1000,
            duration_ms: u32::try_from(
                waveform.len() as u64 * 1_000_000 / u64::from(waveform.rate().millihertz()),
            )
            .unwrap_or(u32::MAX),
            quality,
        })
    }

    /// What the record says about it.
    pub fn meta(&self, id: EcgId, device: &str, serial: &str, opener: Opener, taken: Stamp) -> EcgMeta {
        let by = match opener {
            Opener::Card { .. } => None,
            Opener::Doctor(staff) => Some(staff),
        };
        EcgMeta {
            id,
            blob: self.blob,
            preview: Some(blob_of(&self.preview)),
            rate_hz: self.rate_hz,
            leads: self.leads.clone(),
            duration_ms: self.duration_ms,
            taken: self.began(taken),
            device: device.to_owned(),
            serial: serial.to_owned(),
            heart_rate: self.heart_rate,
            gaps: self.quality.gaps,
            clipped: self.quality.clipped > 0,
            by,
            withdrawn: None,
        }
    }

    /// When the recording began that was finished at `end`.
    fn began(&self, end: Stamp) -> Stamp {
        Stamp {
            at: records::time::WallTime(end.at.0 - i64::from(self.duration_ms)),
            ..end
        }
    }

    /// The recording as the tray keeps it; its blobs are kept beside.
    pub fn to_tray(&self, device: &str, serial: &str, taken: Stamp) -> Value {
        json!({
            "kind": "ecg",
            "blob": self.blob.to_string(),
            "preview": blob_of(&self.preview).to_string(),
            "rate_hz": self.rate_hz,
            "leads": self.leads,
            "duration_ms": self.duration_ms,
            "heart_rate": self.heart_rate.map(Bpm::get),
            "gaps": self.quality.gaps,
            "clipped": self.quality.clipped > 0,
            "device": device,
            "serial": serial,
            "taken": self.began(taken).at.0,
            "clock": taken.source.word(),
        })
    }
}

/// What a record says about a recording out of the tray; `None` where the tray holds none.
pub fn from_tray(content: &Value, id: EcgId, by: StaffId) -> Option<EcgMeta> {
    if content.get("kind")?.as_str()? != "ecg" {
        return None;
    }
    let text = |name: &str| {
        content
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |name: &str| {
        content
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
    };
    let leads = content.get("leads").and_then(Value::as_array);
    Some(EcgMeta {
        id,
        blob: text("blob").parse().ok()?,
        preview: text("preview").parse().ok(),
        rate_hz: number("rate_hz")?,
        leads: leads
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        duration_ms: number("duration_ms")?,
        taken: taken_of(content)?,
        device: text("device"),
        serial: text("serial"),
        heart_rate: content
            .get("heart_rate")
            .and_then(Value::as_i64)
            .and_then(|rate| Bpm::new(rate).ok()),
        gaps: number("gaps").unwrap_or(0),
        clipped: content.get("clipped").and_then(Value::as_bool).unwrap_or(false),
        by: Some(by),
        withdrawn: None,
    })
}

fn whole_rate(rate: f64) -> Option<Bpm> {
    // Rounded and inside what a rate can be, so that no digit is lost.
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie between 0 and 400")]
    let whole = (0.0..=400.0).contains(&rate).then(|| rate.round() as i64)?;
    Bpm::new(whole).ok()
}

fn preview(waveform: &Waveform) -> Result<Waveform, BadWaveform> {
    let rate = SampleRateHz::from_millihertz(waveform.rate().millihertz() / 4)?;
    let leads = PREVIEW_LEADS.iter().filter_map(|name| waveform.lead(name));
    let leads = leads.map(|lead| {
        let mean = |chunk: &[i32]| {
            let sum: i64 = chunk.iter().map(|sample| i64::from(*sample)).sum();
            i32::try_from(sum.div_euclid(chunk.len() as i64)).unwrap_or(0)
        };
        Lead {
            samples: lead.samples.chunks_exact(PREVIEW_STEP).map(mean).collect(),
            ..lead.clone()
        }
    });
    Waveform::new(rate, leads.collect(), Vec::new())
}

#[cfg(test)]
mod tests {
    use device_drivers::contec_8000g::WaveBlock;
    use ecg::synthetic::{Heart, HeartSettings};
    use records::time::{ClockSource, WallTime};

    use super::*;

    fn recording() -> Recording {
        let heart = Heart::new(
            HeartSettings {
                rate_bpm: 75.0,
                ..HeartSettings::default()
            },
            5,
        );
        let wave = heart.record(10.0, SampleRateHz::DIAGNOSTIC);
        let acquired = [0, 1, 6, 7, 8, 9, 10, 11];
        let samples: Vec<i16> = (0..5000)
            .flat_map(|at| acquired.map(|lead| i16::try_from(wave.leads()[lead].samples[at]).unwrap()))
            .collect();
        let mut recorder = Recorder::default();
        recorder.push(&WaveBlock {
            samples,
            ..WaveBlock::default()
        });
        Recording::of(recorder).unwrap()
    }

    #[test]
    fn a_recording_is_small_lossless_and_measured() {
        let recording = recording();
        let rate = recording.heart_rate.unwrap().get();
        assert!((74..=76).contains(&rate), "{rate}");
        let stored = ecg::codec::decode(&recording.samples).unwrap();
        assert!(stored.is_twelve_lead() && stored.len() == 5000);
        assert!(recording.preview.len() * 4 < recording.samples.len());
        assert_eq!(ecg::codec::decode(&recording.preview).unwrap().len(), 1250);
    }

    #[test]
    fn the_tray_gives_back_what_the_record_would_say() {
        let recording = recording();
        let taken = Stamp {
            at: WallTime(1_700_000_010_000),
            source: ClockSource::Hub,
        };
        let staff = StaffId([3; 8]);
        let direct = recording.meta(EcgId([1; 8]), "contec-8000g", "", Opener::Doctor(staff), taken);
        let kept = recording.to_tray("contec-8000g", "", taken);
        assert_eq!(from_tray(&kept, EcgId([1; 8]), staff), Some(direct));
        assert_eq!(from_tray(&json!({"kind": "bp"}), EcgId([1; 8]), staff), None);
    }
}
