//! Makes a twelve-lead recording out of the blocks that the recorder's driver delivers. Pure.
//!
//! The device acquires I, II and V1 to V6. The other limb leads follow from I and II; halves of a step appear, so
//! aVR, aVL and aVF are kept in half steps and stay exact. No sample is lost silently: where the driver missed
//! some, the last one is repeated under a gap mark.

use device_drivers::contec_8000g::{LEAD_COUNT, LEADS, NANOVOLTS_PER_STEP, SAMPLES_PER_SECOND, WaveBlock};
use ecg::model::{BadWaveform, Lead, LeadName, Mark, MarkKind, SampleRateHz, Scale, Waveform};

/// Length of a recording.
pub const RECORDING_SECONDS: u32 = 10;
/// Samples of a recording.
pub const RECORDING_SAMPLES: usize = (RECORDING_SECONDS * SAMPLES_PER_SECOND) as usize;
/// Most stretches that are marked; beyond it the rest of the recording is one gap.
const MARKS_MAX: usize = 1000;

/// A recording under way.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    /// Instants of all acquired leads so far.
    instants: Vec<[i16; LEAD_COUNT]>,
    marks: Vec<Mark>,
    /// Number that the next sample of the stream must have; told by the first block.
    next: Option<u64>,
}

/// How good a finished recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Places where samples were lost.
    pub gaps: u32,
    /// Stretches where a lead was clipped.
    pub clipped: u32,
}

impl Recorder {
    /// How many samples are there, of [`RECORDING_SAMPLES`].
    pub fn len(&self) -> usize {
        self.instants.len()
    }

    /// Whether no sample is there.
    pub fn is_empty(&self) -> bool {
        self.instants.is_empty()
    }

    /// Whether enough samples are there.
    pub fn is_full(&self) -> bool {
        self.instants.len() >= RECORDING_SAMPLES
    }

    /// Takes a block; what lies beyond the recording's end is left out.
    pub fn push(&mut self, block: &WaveBlock) {
        // Blocks that never came: the numbers of the samples tell.
        self.lose(
            self.next
                .map_or(0, |next| block.first_sample.saturating_sub(next)),
        );
        for (at, instant) in block.samples.chunks_exact(LEAD_COUNT).enumerate() {
            self.lose_before(block, at);
            if self.is_full() {
                break;
            }
            self.mark_clips(block, at);
            let mut values = [0; LEAD_COUNT];
            values.copy_from_slice(instant);
            self.instants.push(values);
        }
        self.lose_before(block, block.len());
        let counted: u64 = block
            .gaps
            .iter()
            .filter_map(|gap| gap.missing)
            .map(u64::from)
            .sum();
        self.next = Some(block.first_sample.saturating_add(block.len() as u64 + counted));
    }

    /// Where it is not known how many samples are missing, one stands for them.
    fn lose_before(&mut self, block: &WaveBlock, at: usize) {
        for gap in block.gaps.iter().filter(|gap| gap.before == at) {
            self.lose(gap.missing.map_or(1, u64::from));
        }
    }

    /// Repeats the last sample under a gap mark.
    fn lose(&mut self, missing: u64) {
        let room = RECORDING_SAMPLES.saturating_sub(self.instants.len());
        let missing = usize::try_from(missing).unwrap_or(usize::MAX).min(room);
        if missing == 0 {
            return;
        }
        let start = self.instants.len();
        let last = self.instants.last().copied().unwrap_or_default();
        self.instants.resize(start + missing, last);
        self.mark(start, missing, None, MarkKind::Gap);
    }

    fn mark_clips(&mut self, block: &WaveBlock, at: usize) {
        let here = self.instants.len();
        for clip in block.clips.iter().filter(|clip| clip.from == at) {
            let length = clip.samples.min(RECORDING_SAMPLES - here);
            self.mark(here, length, u8::try_from(clip.lead).ok(), MarkKind::Clipped);
        }
    }

    fn mark(&mut self, start: usize, length: usize, lead: Option<u8>, kind: MarkKind) {
        let (Ok(start), Ok(len)) = (u32::try_from(start), u32::try_from(length)) else {
            return;
        };
        if len == 0 {
            return;
        }
        if self.marks.len() < MARKS_MAX {
            self.marks.push(Mark {
                start,
                len,
                lead,
                kind,
            });
        } else if kind == MarkKind::Gap
            && let Some(last) = self.marks.last_mut()
        {
            // So many faults make one unusable stretch up to here.
            *last = Mark {
                start: last.start,
                len: start + len - last.start,
                lead: None,
                kind: MarkKind::Gap,
            };
        }
    }

    /// The recording as twelve leads, and how good it is.
    pub fn finish(self) -> Result<(Waveform, Quality), BadWaveform> {
        let length = self.instants.len();
        let count = |kind| self.marks.iter().filter(|mark| mark.kind == kind).count();
        let quality = Quality {
            gaps: u32::try_from(count(MarkKind::Gap)).unwrap_or(u32::MAX),
            clipped: u32::try_from(count(MarkKind::Clipped)).unwrap_or(u32::MAX),
        };
        let step = Scale::from_nanovolts(NANOVOLTS_PER_STEP)?;
        let half_step = Scale::from_nanovolts(NANOVOLTS_PER_STEP / 2)?;
        let lead = |name: LeadName, scale, of: &dyn Fn(&[i32; LEAD_COUNT]) -> i32| {
            let samples = self
                .instants
                .iter()
                .map(|instant| of(&instant.map(i32::from)))
                .collect();
            Lead {
                name,
                scale,
                zero: 0,
                samples,
            }
        };
        let mut leads = vec![
            lead(LeadName::I, step, &|v| v[0]),
            lead(LeadName::II, step, &|v| v[1]),
            lead(LeadName::III, step, &|v| v[1] - v[0]),
            lead(LeadName::AVR, half_step, &|v| -(v[0] + v[1])),
            lead(LeadName::AVL, half_step, &|v| 2 * v[0] - v[1]),
            lead(LeadName::AVF, half_step, &|v| 2 * v[1] - v[0]),
        ];
        for (place, name) in LEADS.iter().enumerate().skip(2) {
            leads.push(lead(LeadName::parse(name)?, step, &|v| {
                v.get(place).copied().unwrap_or_default()
            }));
        }
        let marks = self.marks.iter().flat_map(|mark| placed(mark, &leads)).collect();
        let rate = SampleRateHz::new(SAMPLES_PER_SECOND)?;
        debug_assert!(leads.iter().all(|lead| lead.samples.len() == length));
        Ok((Waveform::new(rate, leads, marks)?, quality))
    }
}

/// The mark over the lead's place among the twelve; where I or II is clipped, so is what follows from it.
fn placed(mark: &Mark, leads: &[Lead]) -> Vec<Mark> {
    let Some(acquired) = mark.lead.and_then(|lead| LEADS.get(usize::from(lead))) else {
        return vec![Mark { lead: None, ..*mark }];
    };
    let derived = ["III", "aVR", "aVL", "aVF"];
    let is_limb = matches!(*acquired, "I" | "II");
    let hit = leads.iter().enumerate().filter(|(_, lead)| {
        let name = lead.name.as_str();
        name == *acquired || (is_limb && derived.contains(&name))
    });
    hit.filter_map(|(place, _)| {
        Some(Mark {
            lead: Some(u8::try_from(place).ok()?),
            ..*mark
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use device_drivers::contec_8000g::{Clip, Gap};
    use ecg::model::limb_residuals;

    use super::*;

    fn block(first_sample: u64, instants: usize) -> WaveBlock {
        let samples = (0..instants)
            .flat_map(|at| {
                let n = i16::try_from((first_sample as usize + at) % 1000).unwrap();
                [n, 2 * n, 3, 4, 5, 6, 7, 8]
            })
            .collect();
        WaveBlock {
            first_sample,
            samples,
            ..WaveBlock::default()
        }
    }

    #[test]
    fn ten_seconds_become_twelve_exact_leads() {
        let mut recorder = Recorder::default();
        let mut at = 0;
        while !recorder.is_full() {
            recorder.push(&block(at, 50));
            at += 50;
        }
        let (waveform, quality) = recorder.finish().unwrap();
        assert!(waveform.is_twelve_lead());
        assert_eq!((waveform.len(), waveform.seconds()), (5000, 10.0));
        assert_eq!(quality, Quality { gaps: 0, clipped: 0 });
        assert_eq!(waveform.lead(&LeadName::II).unwrap().samples[321], 642);
        assert_eq!(waveform.lead(&LeadName::V6).unwrap().samples[321], 8);
        assert!(
            limb_residuals(&waveform)
                .iter()
                .all(|residual| residual.rms_uv < 1e-6)
        );
    }

    #[test]
    fn missing_samples_are_marked_and_keep_their_time() {
        let mut recorder = Recorder::default();
        recorder.push(&block(100, 50));
        recorder.push(&block(170, 50));
        assert_eq!(recorder.len(), 120);
        let mut gapped = block(220, 50);
        gapped.gaps.push(Gap {
            before: 10,
            missing: Some(5),
        });
        recorder.push(&gapped);
        assert_eq!(recorder.len(), 175);
        recorder.push(&block(275, 50));
        assert_eq!(recorder.len(), 225);
        let (waveform, quality) = recorder.finish().unwrap();
        assert_eq!(quality.gaps, 2);
        let gaps: Vec<_> = waveform
            .marks()
            .iter()
            .map(|mark| (mark.start, mark.len))
            .collect();
        assert_eq!(gaps, [(50, 20), (130, 5)]);
        assert_eq!(waveform.lead(&LeadName::I).unwrap().samples[60], 149);
    }

    #[test]
    fn gaps_at_the_edges_of_blocks_are_counted_once() {
        let mut recorder = Recorder::default();
        let mut first = block(0, 50);
        first.gaps.push(Gap {
            before: 50,
            missing: Some(10),
        });
        recorder.push(&first);
        let mut second = block(60, 50);
        second.gaps.push(Gap {
            before: 0,
            missing: Some(5),
        });
        second.gaps.push(Gap {
            before: 20,
            missing: None,
        });
        recorder.push(&second);
        assert_eq!(recorder.len(), 116);
        recorder.push(&block(115, 50));
        assert_eq!(recorder.len(), 166);
        assert_eq!(recorder.finish().unwrap().1.gaps, 3);
    }

    #[test]
    fn clipping_of_a_limb_lead_marks_what_follows_from_it() {
        let mut recorder = Recorder::default();
        let mut clipped = block(0, 50);
        clipped.clips.push(Clip {
            lead: 0,
            from: 10,
            samples: 4,
        });
        clipped.clips.push(Clip {
            lead: 7,
            from: 20,
            samples: 2,
        });
        recorder.push(&clipped);
        let (waveform, quality) = recorder.finish().unwrap();
        assert_eq!(quality.clipped, 2);
        let names: Vec<_> = waveform
            .marks()
            .iter()
            .map(|mark| waveform.leads()[usize::from(mark.lead.unwrap())].name.as_str())
            .collect();
        assert_eq!(names, ["I", "III", "aVR", "aVL", "aVF", "V6"]);
    }

    #[test]
    fn a_recording_is_bounded_whatever_comes() {
        let mut recorder = Recorder::default();
        recorder.push(&block(0, 50));
        recorder.push(&block(u64::MAX - 1000, 50));
        assert!(recorder.is_full());
        assert_eq!(recorder.len(), RECORDING_SAMPLES);
        let mut noisy = Recorder::default();
        for n in 0..3000 {
            noisy.push(&block(n * 3, 1));
        }
        assert!(noisy.finish().is_ok());
    }
}
