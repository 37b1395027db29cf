//! Turns records into samples: pairs of records become one sample, clipped values and gaps are marked.

use super::{LEAD_COUNT, Record};

/// Samples of a full block: a tenth of a second.
const BLOCK_SAMPLES: usize = 50;
/// Converter values at which a lead is clipped.
const CLIPPED: [i16; 2] = [0, 4095];
/// Records looked at to find which two belong together after a gap of unknown length.
const PHASE_RECORDS: usize = 16;

/// A stretch of samples of one recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaveBlock {
    /// Number of the first sample within the recording; lost samples that are known to be lost are counted.
    pub first_sample: u64,
    /// Interleaved samples, [`super::LEADS`] in order, in steps of [`super::NANOVOLTS_PER_STEP`] around zero,
    /// [`super::SAMPLES_PER_SECOND`] of each a second.
    pub samples: Vec<i16>,
    /// Stretches at the end of the converter's range.
    pub clips: Vec<Clip>,
    /// Places where samples were lost.
    pub gaps: Vec<Gap>,
}

/// A stretch in which a lead stood at the end of the converter's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clip {
    /// Index into [`super::LEADS`].
    pub lead: usize,
    /// Offset of its first sample in the block.
    pub from: usize,
    /// Number of samples.
    pub samples: usize,
}

/// A place where samples were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Offset in the block of the sample that follows the gap.
    pub before: usize,
    /// How many samples are missing, where that is known; the numbers of the following samples count them.
    pub missing: Option<u32>,
}

impl WaveBlock {
    /// Number of samples of each lead.
    pub fn len(&self) -> usize {
        self.samples.len() / LEAD_COUNT
    }

    /// Whether neither samples nor marks stand in it.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.gaps.is_empty()
    }
}

/// Assembles blocks.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    block: WaveBlock,
    /// The first record of a pair.
    half: Option<Half>,
    /// Records kept back until the pairing is known again.
    unpaired: Vec<Record>,
    searching: bool,
}

#[derive(Debug, Clone, Copy)]
enum Half {
    Record(Record),
    Lost,
}

impl Assembler {
    /// Takes a record; gives a block when one is full.
    pub(super) fn record(&mut self, record: Record) -> Option<WaveBlock> {
        if !self.searching {
            self.pair(record);
            return self.full();
        }
        self.unpaired.push(record);
        if self.unpaired.len() >= PHASE_RECORDS {
            self.settle();
        }
        self.full()
    }

    /// One record was cut: its place in the pair is known, so only a pair that loses both halves is a gap.
    pub(super) fn lost_record(&mut self) -> Option<WaveBlock> {
        if self.searching {
            self.settle();
        }
        match self.half.take() {
            None => self.half = Some(Half::Lost),
            Some(Half::Record(record)) => self.sample(&record, &record),
            Some(Half::Lost) => self.gap(Some(1)),
        }
        self.full()
    }

    /// An unknown number of records is missing; `missing` samples where the clock tells.
    pub(super) fn lost_some(&mut self, missing: Option<u32>) {
        self.settle();
        if let Some(Half::Record(record)) = self.half.take() {
            self.sample(&record, &record);
        }
        self.half = None;
        self.gap(missing);
        self.searching = true;
    }

    /// Ends the stretch: what is complete comes out.
    pub(super) fn flush(&mut self) -> Option<WaveBlock> {
        self.settle();
        match self.half.take() {
            Some(Half::Record(record)) => self.sample(&record, &record),
            Some(Half::Lost) => self.gap(Some(1)),
            None => {}
        }
        self.take()
    }

    fn pair(&mut self, record: Record) {
        match self.half.take() {
            None => self.half = Some(Half::Record(record)),
            Some(Half::Record(first)) => self.sample(&first, &record),
            Some(Half::Lost) => self.sample(&record, &record),
        }
    }

    /// Decides which two records belong together: the pairing whose halves differ less. Where each sample
    /// comes twice, the right pairing differs not at all.
    fn settle(&mut self) {
        self.searching = false;
        let records = std::mem::take(&mut self.unpaired);
        let differing = |from: usize| -> i64 {
            let pairs = records[from.min(records.len())..].chunks_exact(2);
            pairs.map(|pair| difference(&pair[0], &pair[1])).sum()
        };
        if differing(1) < differing(0) {
            self.half = Some(Half::Lost);
        }
        for record in records {
            self.pair(record);
        }
    }

    fn sample(&mut self, first: &Record, second: &Record) {
        let at = self.block.len();
        for lead in 0..LEAD_COUNT {
            let (a, b) = (first.steps()[lead], second.steps()[lead]);
            self.block.samples.push(mean(a, b));
            if CLIPPED.contains(&first.adc[lead]) || CLIPPED.contains(&second.adc[lead]) {
                self.clip(lead, at);
            }
        }
    }

    fn clip(&mut self, lead: usize, at: usize) {
        let running = self.block.clips.iter_mut().rev().find(|clip| clip.lead == lead);
        match running {
            Some(clip) if clip.from + clip.samples == at => clip.samples += 1,
            Some(_) | None => self.block.clips.push(Clip {
                lead,
                from: at,
                samples: 1,
            }),
        }
    }

    fn gap(&mut self, missing: Option<u32>) {
        let before = self.block.len();
        match self.block.gaps.last_mut() {
            Some(gap) if gap.before == before => {
                gap.missing = gap.missing.zip(missing).map(|(a, b)| a.saturating_add(b));
            }
            Some(_) | None => self.block.gaps.push(Gap { before, missing }),
        }
    }

    fn full(&mut self) -> Option<WaveBlock> {
        (self.block.len() >= BLOCK_SAMPLES).then(|| self.take()).flatten()
    }

    fn take(&mut self) -> Option<WaveBlock> {
        if self.block.is_empty() {
            return None;
        }
        let block = std::mem::take(&mut self.block);
        let missing: u64 = block
            .gaps
            .iter()
            .map(|gap| u64::from(gap.missing.unwrap_or(0)))
            .sum();
        self.block.first_sample = block.first_sample + block.len() as u64 + missing;
        Some(block)
    }
}

fn difference(a: &Record, b: &Record) -> i64 {
    a.adc
        .iter()
        .zip(&b.adc)
        .map(|(a, b)| i64::from(a - b).abs())
        .sum()
}

/// The mean of two steps, halves to the even neighbour so that rounding has no drift.
fn mean(a: i16, b: i16) -> i16 {
    let sum = a + b;
    let low = sum >> 1;
    if sum & 1 == 0 { low } else { low + (low & 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: i16) -> Record {
        Record {
            adc: [value; LEAD_COUNT],
        }
    }

    fn leads_of(block: &WaveBlock) -> Vec<i16> {
        block
            .samples
            .chunks_exact(LEAD_COUNT)
            .map(|sample| sample[0] + 2048)
            .collect()
    }

    #[test]
    fn each_sample_comes_twice_and_is_kept_once() {
        let mut assembler = Assembler::default();
        for value in [100, 100, 200, 200, 300, 300] {
            assert_eq!(assembler.record(record(value)), None);
        }
        let block = assembler.flush().unwrap();
        assert_eq!(leads_of(&block), [100, 200, 300]);
        assert!(block.gaps.is_empty() && block.clips.is_empty());
    }

    #[test]
    fn one_cut_record_costs_no_sample() {
        let mut assembler = Assembler::default();
        assembler.record(record(100));
        assembler.lost_record();
        assembler.lost_record();
        assembler.record(record(200));
        assembler.record(record(300));
        assembler.record(record(300));
        let block = assembler.flush().unwrap();
        assert_eq!(leads_of(&block), [100, 200, 300]);
        assert!(block.gaps.is_empty());
    }

    #[test]
    fn a_pair_that_is_lost_whole_is_a_gap_of_one() {
        let mut assembler = Assembler::default();
        for value in [100, 100] {
            assembler.record(record(value));
        }
        assembler.lost_record();
        assembler.lost_record();
        assembler.record(record(300));
        let block = assembler.flush().unwrap();
        assert_eq!(
            block.gaps,
            [Gap {
                before: 1,
                missing: Some(1)
            }]
        );
        assert_eq!(leads_of(&block), [100, 300]);
    }

    #[test]
    fn the_pairing_is_found_again_after_a_gap() {
        for lost in 1..6 {
            let mut assembler = Assembler::default();
            let sent: Vec<i16> = (0..60).flat_map(|n| [1000 + 10 * n; 2]).collect();
            for value in &sent[..10] {
                assembler.record(record(*value));
            }
            assembler.lost_some(None);
            for value in &sent[10 + lost..50] {
                assembler.record(record(*value));
            }
            let block = assembler.flush().unwrap();
            let whole: Vec<i16> = leads_of(&block);
            assert!(
                whole.iter().all(|value| value % 10 == 0),
                "no two samples were mixed: {whole:?}"
            );
            assert_eq!(*whole.last().unwrap(), 1240);
            assert_eq!(
                block.gaps,
                [Gap {
                    before: 5,
                    missing: None
                }]
            );
        }
    }

    #[test]
    fn samples_after_a_known_gap_keep_their_place() {
        let mut assembler = Assembler::default();
        assembler.record(record(100));
        assembler.record(record(100));
        assembler.lost_some(Some(250));
        assert!(assembler.flush().is_some());
        assembler.record(record(200));
        let block = assembler.flush().unwrap();
        assert_eq!(block.first_sample, 251);
    }

    #[test]
    fn the_ends_of_the_range_are_marked() {
        let mut assembler = Assembler::default();
        for value in [4095, 4095, 4095, 4095, 2048, 2048, 0, 0] {
            assembler.record(record(value));
        }
        let block = assembler.flush().unwrap();
        let of_lead_3: Vec<_> = block
            .clips
            .iter()
            .filter(|clip| clip.lead == 3)
            .copied()
            .collect();
        assert_eq!(
            of_lead_3,
            [
                Clip {
                    lead: 3,
                    from: 0,
                    samples: 2
                },
                Clip {
                    lead: 3,
                    from: 3,
                    samples: 1
                }
            ]
        );
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!(
            [mean(1, 2), mean(2, 3), mean(-1, -2), mean(5, 5), mean(-1, 0)],
            [2, 2, -2, 5, 0]
        );
    }
}
