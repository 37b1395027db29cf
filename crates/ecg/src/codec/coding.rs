//! How the samples of each lead are coded, and the coding of all leads, instant by instant.

use super::grid::Grid;
use super::predict::{ACROSS, Predictor};
use super::range::{Bit, Coder};
use super::residual::{Recent, Residuals};
use crate::model::{Lead, LeadName, Waveform};

/// A lead is coded with plateaus if more than one in this many samples repeats the one before.
const PLATEAU_SHARE: usize = 5;

/// How the samples of a lead are coded, as steps of its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) grid: Grid,
    pub(super) method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// As the error of a prediction. With `plateaus` a decision whether the sample is the one before comes
    /// first: recorders that simplify their signal repeat a third of all samples.
    Predicted { plateaus: bool },
    /// As the difference from what I and II say, less this constant.
    Derived { rule: Rule, bias: i32 },
}

/// How a limb lead follows from I and II.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Three,
    Avr,
    Avl,
    Avf,
}

impl Rule {
    pub(super) fn of(name: &LeadName) -> Option<Self> {
        match name {
            LeadName::III => Some(Self::Three),
            LeadName::AVR => Some(Self::Avr),
            LeadName::AVL => Some(Self::Avl),
            LeadName::AVF => Some(Self::Avf),
            LeadName::I | LeadName::II | LeadName::Other(_) => None,
            LeadName::V1 | LeadName::V2 | LeadName::V3 | LeadName::V4 | LeadName::V5 | LeadName::V6 => None,
        }
    }

    /// Twice the expected value.
    fn twice(self, one: i64, two: i64) -> i64 {
        match self {
            Self::Three => 2 * (two - one),
            Self::Avr => -(one + two),
            Self::Avl => 2 * one - two,
            Self::Avf => 2 * two - one,
        }
    }
}

/// Chooses a coding for each lead.
pub(super) fn choose(waveform: &Waveform) -> Vec<Coding> {
    let leads = waveform.leads();
    let grids: Vec<Grid> = leads.iter().map(|lead| Grid::of(&lead.samples)).collect();
    let limbs = waveform.place(&LeadName::I).zip(waveform.place(&LeadName::II));
    let coding = |(place, lead): (usize, &Lead)| {
        let same = lead.samples.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let plateaus = same * PLATEAU_SHARE > lead.samples.len();
        let derived = limbs.zip(Rule::of(&lead.name)).and_then(|((one, two), rule)| {
            let all = [one, two, place].map(|place| (grids[place], leads[place].samples.as_slice()));
            let bias = cheap_bias(rule, all)?;
            Some(Method::Derived { rule, bias })
        });
        Coding {
            grid: grids[place],
            method: derived.unwrap_or(Method::Predicted { plateaus }),
        }
    };
    leads.iter().enumerate().map(coding).collect()
}

/// The usual difference of a lead from what I and II say; none where a prediction is likely to be nearer.
fn cheap_bias(rule: Rule, [one, two, lead]: [(Grid, &[i32]); 3]) -> Option<i32> {
    let steps = |(grid, samples): (Grid, &[i32]), at: usize| grid.steps(samples[at]);
    let mut apart: Vec<i64> = (0..lead.1.len())
        .map(|at| {
            let (expected, _) = expected(rule, [(one.0, steps(one, at)), (two.0, steps(two, at))], lead.0);
            i64::from(steps(lead, at)) - i64::from(expected)
        })
        .collect();
    let middle = apart.len() / 2;
    let bias = if apart.is_empty() {
        0
    } else {
        *apart.select_nth_unstable(middle).1
    };
    let cost: u64 = apart.iter().map(|value| (value - bias).unsigned_abs()).sum();
    let pairs = (1..lead.1.len()).map(|at| i64::from(steps(lead, at)) - i64::from(steps(lead, at - 1)));
    let cost_of_prediction: u64 = pairs.map(i64::unsigned_abs).sum();
    i32::try_from(bias).ok().filter(|_| cost <= cost_of_prediction)
}

/// Steps of a limb lead by its rule, rounded down, and a class of what was rounded away and of the sign: how a
/// device rounds a half, up, down or to zero, shows there.
fn expected(rule: Rule, [one, two]: [(Grid, i32); 2], grid: Grid) -> (i32, (usize, usize)) {
    let exact = |(grid, steps): (Grid, i32)| i64::from(steps) * grid.step;
    let twice = rule.twice(exact(one), exact(two));
    let rest = twice.rem_euclid(2 * grid.step);
    (
        twice.div_euclid(2 * grid.step) as i32,
        (usize::from(rest >= grid.step), usize::from(twice < 0)),
    )
}

/// Learned state of one lead.
#[derive(Debug, Clone)]
struct State {
    predictor: Predictor,
    recent: Recent,
    stay: Stay,
}

/// Codes all samples, as steps, in either direction: an encoder reads the columns, a decoder fills them.
pub(super) fn code_samples(
    coder: &mut impl Coder,
    codings: &[Coding],
    limbs: (usize, usize),
    columns: &mut [Vec<i32>],
) {
    let samples = columns.first().map_or(0, Vec::len);
    let new = || State {
        predictor: Predictor::new(),
        recent: Recent::default(),
        stay: Stay::new(),
    };
    let mut states: Vec<State> = codings.iter().map(|_| new()).collect();
    let mut predicted = Residuals::new();
    let mut derived: Vec<[Residuals; 2]> = Vec::new();
    let derived_leads: Vec<(usize, Rule, i32)> = codings
        .iter()
        .enumerate()
        .filter_map(|(place, coding)| match coding.method {
            Method::Derived { rule, bias } => Some((place, rule, bias)),
            Method::Predicted { .. } => None,
        })
        .collect();
    derived.resize_with(derived_leads.len(), || [Residuals::new(), Residuals::new()]);
    let mut across: Vec<i64> = Vec::with_capacity(codings.len());
    for at in 0..samples {
        code_predicted(
            coder,
            codings,
            &mut states,
            &mut predicted,
            &mut across,
            at,
            columns,
        );
        for ((place, rule, bias), models) in derived_leads.iter().zip(&mut derived) {
            let limb = |place: usize| (codings[place].grid, columns[place][at]);
            let (expected, (half, sign)) =
                expected(*rule, [limb(limbs.0), limb(limbs.1)], codings[*place].grid);
            let expected = expected.wrapping_add(*bias);
            let given = columns[*place][at].wrapping_sub(expected);
            let error = models[half].code(coder, &mut states[*place].recent, sign, given);
            columns[*place][at] = expected.wrapping_add(error);
        }
    }
}

/// Codes one instant of the leads that are predicted.
fn code_predicted(
    coder: &mut impl Coder,
    codings: &[Coding],
    states: &mut [State],
    residuals: &mut Residuals,
    across: &mut Vec<i64>,
    at: usize,
    columns: &mut [Vec<i32>],
) {
    across.clear();
    let (mut around, mut staying) = (0u32, 0usize);
    for ((coding, state), column) in codings.iter().zip(states).zip(columns) {
        let Method::Predicted { plateaus } = coding.method else {
            continue;
        };
        if plateaus && state.stay.code(coder, column, at, staying) {
            staying += 1;
            across.push(state.predictor.stay());
            continue;
        }
        let expected = state
            .predictor
            .expect(&across[across.len().saturating_sub(ACROSS)..]);
        let given = column[at].wrapping_sub(expected);
        let size = state.recent.expected();
        let neighbour = if across.is_empty() {
            1
        } else {
            usize::from(around > 32) + usize::from(around > 12)
        };
        let error = residuals.code(coder, &mut state.recent, neighbour, given);
        column[at] = expected.wrapping_add(error);
        across.push(state.predictor.learn(expected, column[at]));
        // Whether this lead surprised more than it used to, in 256ths; half of it is forgotten at each lead.
        let relative = (error.unsigned_abs().min(1 << 20) << 8) / (size + 8);
        around = (around + relative) / 2;
    }
}

/// Learned probability that a sample is the one before.
#[derive(Debug, Clone)]
struct Stay {
    models: [[Bit; 5]; 8],
    history: usize,
}

impl Stay {
    fn new() -> Self {
        Self {
            models: [[Bit::EVEN; 5]; 8],
            history: 0,
        }
    }

    /// Codes the decision, and fills the sample if it stays. `others` is how many leads stayed at this instant.
    fn code(&mut self, coder: &mut impl Coder, column: &mut [i32], at: usize, others: usize) -> bool {
        let before = if at == 0 { 0 } else { column[at - 1] };
        let stays = coder.bit(
            &mut self.models[self.history][others.min(4)],
            column[at] == before,
        );
        if stays {
            column[at] = before;
        }
        self.history = (self.history << 1 | usize::from(stays)) & 7;
        stays
    }
}
