//! Finding heartbeats in a whole strip.
//!
//! The QRS is what is steep: each lead is reduced to the band of its slopes, all leads together give one
//! envelope, and its peaks are beats if they are high beside their neighbourhood. A peak soon after a beat is
//! taken for its T wave if it is much less steep (the ideas of Pan and Tompkins 1985; here in two passes over
//! the stored strip, so that nothing has to be learned first and the first beat counts as well).

use crate::filters::{high_pass, in_usable_runs, low_pass};
use crate::model::{LeadName, Waveform};

/// Band of the slopes of a QRS, hertz. T waves, also tall ones, lie below it.
const BAND_HZ: (f64, f64) = (9.0, 25.0);
/// Length of the moving mean that makes one hump of each QRS, seconds.
const HUMP: f64 = 0.09;
/// Beats are at least this far apart, seconds (300 per minute).
const REFRACTORY: f64 = 0.20;
/// Until then after a beat a less steep peak is its T wave, seconds.
const T_UNTIL: f64 = 0.40;
/// How steep a peak must be beside the beat before it so as to be no T wave.
const T_STEEPNESS: f64 = 0.5;
/// Length of the neighbourhood on each side in which a peak must stand out, seconds.
const NEIGHBOURHOOD: f64 = 6.0;
/// Share of the usual height in the neighbourhood that makes a beat, and when one seems to be missing.
const HIGH: f64 = 0.35;
const HIGH_WHEN_MISSED: f64 = 0.18;
/// A beat is looked for again in a pause of this many usual intervals.
const MISSED_AFTER: f64 = 1.6;
/// The usual height is at least this many times the middle of the envelope; noise alone stays below.
const STANDS_OUT: f64 = 2.6;
/// A smaller swing than this in the band is no beat, millivolts.
const LEAST_SWING_MV: f64 = 0.02;
/// Runs between gaps that are shorter than this hold no beat, seconds.
const SHORTEST_RUN: f64 = 0.3;

/// Sample numbers of the R peaks (or the largest deflection where there is no R), ascending, from 0.
///
/// Empty where nothing stands out as a beat.
pub fn detect(waveform: &Waveform) -> Vec<usize> {
    let places: Vec<usize> = detection_leads(waveform);
    detect_in(waveform, &places)
}

/// As [`detect`], using only the leads at these places.
pub fn detect_in(waveform: &Waveform, places: &[usize]) -> Vec<usize> {
    let fs = waveform.rate().hz();
    if waveform.seconds() < SHORTEST_RUN || fs < 4.0 * BAND_HZ.0 {
        return Vec::new();
    }
    let slopes = combined_slopes(waveform, places);
    let hump = ((HUMP * fs) as usize).max(1);
    let envelope = moving_mean(&slopes, hump);
    let peaks = peaks(&envelope, (REFRACTORY * fs) as usize);
    let levels = usual_heights(&peaks, &envelope, (NEIGHBOURHOOD * fs) as usize);
    let floor = STANDS_OUT * middle(&envelope);
    let search = Search {
        slopes: &slopes,
        envelope: &envelope,
        fs,
    };
    let candidates: Vec<Candidate> = peaks
        .iter()
        .zip(levels)
        .filter(|(_, level)| *level > floor && *level > LEAST_SWING_MV)
        .map(|(at, level)| search.candidate(*at, level))
        .collect();
    let beats = search.beats(&candidates);
    beats
        .into_iter()
        .map(|at| largest_near(&slopes, at, (0.07 * fs) as usize))
        .collect()
}

/// Leads that say something of their own, leaving out limb leads that follow from I and II.
fn detection_leads(waveform: &Waveform) -> Vec<usize> {
    let both = waveform.lead(&LeadName::I).is_some() && waveform.lead(&LeadName::II).is_some();
    let follows = |name: &LeadName| {
        matches!(
            name,
            LeadName::III | LeadName::AVR | LeadName::AVL | LeadName::AVF
        )
    };
    let names = waveform.leads().iter().map(|lead| &lead.name).enumerate();
    names
        .filter(|(_, name)| !(both && follows(name)))
        .map(|(place, _)| place)
        .collect()
}

/// Size of the slopes over all leads, in millivolts of the band. A lead counts by how clearly its beats stand
/// out of it, so that a noisy one does not drown the others.
fn combined_slopes(waveform: &Waveform, places: &[usize]) -> Vec<f64> {
    let fs = waveform.rate().hz();
    let mut sum = vec![0.0; waveform.len()];
    let mut weights = 0.0;
    for place in places {
        let unusable = waveform.unusable(*place);
        let millivolts = waveform.leads()[*place].millivolts();
        let band = in_usable_runs(&millivolts, &unusable, |run| {
            if (run.len() as f64) < SHORTEST_RUN * fs {
                return vec![0.0; run.len()];
            }
            low_pass(&high_pass(run, BAND_HZ.0, fs), BAND_HZ.1, fs)
        });
        let mut sizes: Vec<f64> = band.iter().map(|value| value.abs()).collect();
        let weight = clearness(&sizes);
        sizes
            .iter_mut()
            .zip(&mut sum)
            .for_each(|(size, sum)| *sum += weight * *size);
        weights += weight;
    }
    if weights > 0.0 {
        sum.iter_mut().for_each(|value| *value /= weights);
    }
    sum
}

/// How far the largest twentieth of the values stands above the middle one.
fn clearness(sizes: &[f64]) -> f64 {
    if sizes.is_empty() {
        return 0.0;
    }
    let mut sorted = sizes.to_vec();
    let at = (sorted.len() - 1) * 97 / 100;
    let high = *sorted.select_nth_unstable_by(at, f64::total_cmp).1;
    if high < LEAST_SWING_MV / 2.0 {
        return 0.0;
    }
    let usual = middle(sizes).max(high / 1000.0);
    (high / usual - 1.5).max(0.05)
}

fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let half = values.len() / 2;
    if values.is_empty() {
        0.0
    } else {
        *values.select_nth_unstable_by(half, f64::total_cmp).1
    }
}

fn moving_mean(values: &[f64], len: usize) -> Vec<f64> {
    let (before, after) = (len / 2, len - len / 2);
    let mut sums = Vec::with_capacity(values.len() + 1);
    sums.push(0.0);
    let mut sum = 0.0;
    for value in values {
        sum += value;
        sums.push(sum);
    }
    let mean = |at: usize| {
        let (from, to) = (at.saturating_sub(before), (at + after).min(values.len()));
        (sums[to] - sums[from]) / len as f64
    };
    (0..values.len()).map(mean).collect()
}

/// Highest points with nothing higher within `apart` on either side, ascending.
fn peaks(envelope: &[f64], apart: usize) -> Vec<usize> {
    let is_top = |at: usize| {
        let before = at.checked_sub(1).map_or(f64::MIN, |before| envelope[before]);
        let after = envelope.get(at + 1).copied().unwrap_or(f64::MIN);
        envelope[at] > 0.0 && envelope[at] > before && envelope[at] >= after
    };
    let mut kept: Vec<usize> = Vec::new();
    for at in (0..envelope.len()).filter(|at| is_top(*at)) {
        match kept.last_mut() {
            Some(last) if at - *last < apart => {
                if envelope[at] > envelope[*last] {
                    *last = at;
                }
            }
            Some(_) | None => kept.push(at),
        }
    }
    kept
}

/// For each peak the usual height of the beats around it: the median of the highest peak of each 1.5 seconds
/// nearby, so that neither one giant nor the T waves between set it.
fn usual_heights(peaks: &[usize], envelope: &[f64], reach: usize) -> Vec<f64> {
    let stretch = (reach / 4).max(1);
    let mut highest = vec![0.0_f64; envelope.len() / stretch + 1];
    for at in peaks {
        let slot = &mut highest[at / stretch];
        *slot = slot.max(envelope[*at]);
    }
    let usual = |at: &usize| {
        let slot = at / stretch;
        let near = &highest[slot.saturating_sub(4)..(slot + 5).min(highest.len())];
        let beats: Vec<f64> = near.iter().copied().filter(|height| *height > 0.0).collect();
        middle(&beats)
    };
    peaks.iter().map(usual).collect()
}

/// Place of the largest value within `reach`.
fn largest_near(values: &[f64], at: usize, reach: usize) -> usize {
    let range = at.saturating_sub(reach)..(at + reach + 1).min(values.len());
    range
        .max_by(|a, b| values[*a].total_cmp(&values[*b]))
        .unwrap_or(at)
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    at: usize,
    /// Height over the usual one.
    height: f64,
    steepness: f64,
}

struct Search<'a> {
    slopes: &'a [f64],
    envelope: &'a [f64],
    fs: f64,
}

impl Search<'_> {
    fn candidate(&self, at: usize, level: f64) -> Candidate {
        let steep = largest_near(self.slopes, at, (0.06 * self.fs) as usize);
        Candidate {
            at,
            height: self.envelope[at] / level,
            steepness: self.slopes[steep],
        }
    }

    fn beats(&self, candidates: &[Candidate]) -> Vec<usize> {
        let high: Vec<Candidate> = candidates
            .iter()
            .copied()
            .filter(|one| one.height >= HIGH)
            .collect();
        let mut beats = self.without_t_waves(&high);
        let usual = self.usual_interval(&beats);
        let Some(usual) = usual else {
            return beats.into_iter().map(|one| one.at).collect();
        };
        let low: Vec<Candidate> = candidates
            .iter()
            .copied()
            .filter(|one| one.height >= HIGH_WHEN_MISSED)
            .collect();
        for _ in 0..2 {
            let found = self.missed(&beats, &low, usual);
            beats.extend(found);
            beats.sort_unstable_by_key(|one| one.at);
        }
        beats.into_iter().map(|one| one.at).collect()
    }

    fn without_t_waves(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        let mut beats: Vec<Candidate> = Vec::with_capacity(candidates.len());
        for one in candidates {
            let after_beat = beats.last().is_some_and(|last| self.is_t_of(one, last));
            if !after_beat {
                beats.push(*one);
            }
        }
        beats
    }

    fn is_t_of(&self, one: &Candidate, beat: &Candidate) -> bool {
        let apart = (one.at - beat.at) as f64 / self.fs;
        apart < T_UNTIL && one.steepness < T_STEEPNESS * beat.steepness
    }

    fn usual_interval(&self, beats: &[Candidate]) -> Option<f64> {
        let intervals: Vec<f64> = beats
            .windows(2)
            .map(|pair| (pair[1].at - pair[0].at) as f64)
            .collect();
        (intervals.len() >= 2).then(|| middle(&intervals))
    }

    /// In each long pause the highest lower peak that is neither T wave of the beat before nor too near.
    fn missed(&self, beats: &[Candidate], low: &[Candidate], usual: f64) -> Vec<Candidate> {
        let mut found = Vec::new();
        for pair in beats.windows(2) {
            if ((pair[1].at - pair[0].at) as f64) < MISSED_AFTER * usual {
                continue;
            }
            let margin = (T_UNTIL.min(0.4 * usual / self.fs) * self.fs) as usize;
            let inside = low
                .iter()
                .filter(|one| one.at > pair[0].at + margin && one.at + margin < pair[1].at);
            let inside = inside.filter(|one| !self.is_t_of(one, &pair[0]));
            found.extend(inside.max_by(|a, b| a.height.total_cmp(&b.height)).copied());
        }
        found
    }
}

#[cfg(test)]
mod tests;
