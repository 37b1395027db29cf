//! Comparing detected beats with reference ones by the rules of AAMI EC57 (`bxb` of the WFDB applications).

/// Result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Reference beats that were found.
    pub matched: usize,
    /// Reference beats that were not found.
    pub missed: usize,
    /// Detected beats that are none.
    pub extra: usize,
    /// Sum of detected less reference over the matched beats, samples.
    pub shift_sum: f64,
    /// Sum of its squares.
    pub shift_square_sum: f64,
}

impl Score {
    /// Share of the reference beats that were found; 1 where there are none.
    pub fn sensitivity(&self) -> f64 {
        share(self.matched, self.matched + self.missed)
    }

    /// Share of the detected beats that are real; 1 where there are none.
    pub fn positive_predictivity(&self) -> f64 {
        share(self.matched, self.matched + self.extra)
    }

    /// Mean and standard deviation of detected less reference, samples.
    pub fn shift(&self) -> (f64, f64) {
        let count = self.matched.max(1) as f64;
        let mean = self.shift_sum / count;
        (
            mean,
            (self.shift_square_sum / count - mean * mean).max(0.0).sqrt(),
        )
    }

    /// Both comparisons together.
    pub fn and(self, other: Self) -> Self {
        Self {
            matched: self.matched + other.matched,
            missed: self.missed + other.missed,
            extra: self.extra + other.extra,
            shift_sum: self.shift_sum + other.shift_sum,
            shift_square_sum: self.shift_square_sum + other.shift_square_sum,
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// Pairs ascending sample numbers; beats at most `window` samples apart match. The earlier one of the next two
/// is paired with the other list's next one unless that fits better with the beat after it.
pub fn score(reference: &[usize], detected: &[usize], window: usize) -> Score {
    let mut score = Score::default();
    let (mut r, mut d) = (0, 0);
    while let (Some(real), Some(found)) = (reference.get(r), detected.get(d)) {
        let apart = real.abs_diff(*found);
        let better = if real < found {
            reference
                .get(r + 1)
                .is_some_and(|next| next.abs_diff(*found) < apart)
        } else {
            detected
                .get(d + 1)
                .is_some_and(|next| next.abs_diff(*real) < apart)
        };
        if apart <= window && !better {
            let shift = *found as f64 - *real as f64;
            score.matched += 1;
            score.shift_sum += shift;
            score.shift_square_sum += shift * shift;
            (r, d) = (r + 1, d + 1);
        } else if real < found {
            score.missed += 1;
            r += 1;
        } else {
            score.extra += 1;
            d += 1;
        }
    }
    score.missed += reference.len() - r;
    score.extra += detected.len() - d;
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_paired_in_time() {
        let score = score(&[100, 200, 300, 400], &[95, 210, 290, 305, 700], 15);
        assert_eq!((score.matched, score.missed, score.extra), (3, 1, 2));
        assert_eq!(score.shift().0, (-5.0 + 10.0 + 5.0) / 3.0);
        assert_eq!((score.sensitivity(), score.positive_predictivity()), (0.75, 0.6));
        let none = super::score(&[], &[], 15);
        assert_eq!((none.sensitivity(), none.positive_predictivity()), (1.0, 1.0));
        assert_eq!(
            super::score(&[5], &[], 15).and(super::score(&[], &[5], 15)).extra,
            1
        );
    }
}
