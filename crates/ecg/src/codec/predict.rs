//! Prediction of the next sample of a lead: the last sample plus a combination of the last differences of this
//! lead and of the leads coded before it, its weights learned by normalised least mean squares (Widrow, Hoff
//! 1960). Integers throughout, so that every machine predicts the same.

/// Differences of this lead that are looked at.
pub(super) const OWN: usize = 10;
/// Differences of other leads at the same instant.
pub(super) const ACROSS: usize = 7;
const TAPS: usize = OWN + ACROSS;
/// Weights have 16 bits after the point.
const POINT: u32 = 16;
/// Differences and errors beyond this (2 V at 2.5 µV) teach nothing; the bound keeps all products in 64 bits.
const BOUND: i64 = 1 << 20;
const WEIGHT_BOUND: i64 = 1 << 21;
/// The learning rate is 2^-LEARN.
const LEARN: u32 = 6;

/// Learns one lead.
#[derive(Debug, Clone)]
pub(super) struct Predictor {
    last: i32,
    inputs: [i64; TAPS],
    weights: [i64; TAPS],
}

impl Predictor {
    pub(super) fn new() -> Self {
        Self {
            last: 0,
            inputs: [0; TAPS],
            weights: [0; TAPS],
        }
    }

    /// The expected sample; `across` are the differences at this instant of leads that are known already.
    pub(super) fn expect(&mut self, across: &[i64]) -> i32 {
        for (input, difference) in self.inputs[OWN..].iter_mut().zip(across.iter().rev()) {
            *input = *difference;
        }
        let sum: i64 = self
            .inputs
            .iter()
            .zip(&self.weights)
            .map(|(input, weight)| input * weight)
            .sum();
        let step = (sum + (1 << (POINT - 1))) >> POINT;
        let expected = i64::from(self.last).saturating_add(step);
        expected.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// Notes that the sample is the one before. Returns the difference, 0.
    pub(super) fn stay(&mut self) -> i64 {
        self.inputs.copy_within(0..OWN - 1, 1);
        self.inputs[0] = 0;
        0
    }

    /// Learns from the sample that came. Returns the difference to the sample before.
    pub(super) fn learn(&mut self, expected: i32, sample: i32) -> i64 {
        let error = (i64::from(sample) - i64::from(expected)).clamp(-BOUND, BOUND);
        let energy: i64 = self.inputs.iter().map(|input| input * input).sum::<i64>() + 64;
        // One division for all weights: the step per unit of input, with 8 more bits.
        let step = (error << (POINT + 8 - LEARN)) / energy;
        for (weight, input) in self.weights.iter_mut().zip(&self.inputs) {
            *weight = (*weight + ((step * input) >> 8)).clamp(-WEIGHT_BOUND, WEIGHT_BOUND);
        }
        let difference = (i64::from(sample) - i64::from(self.last)).clamp(-BOUND, BOUND);
        self.inputs.copy_within(0..OWN - 1, 1);
        self.inputs[0] = difference;
        self.last = sample;
        difference
    }
}
