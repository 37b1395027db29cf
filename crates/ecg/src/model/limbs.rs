//! Limb leads follow from I and II; where they do not, names, scales or electrodes are wrong.

use super::{LeadName, Waveform};

/// How far a limb lead is from what leads I and II say it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct LimbResidual {
    /// The limb lead: III, aVR, aVL or aVF.
    pub lead: LeadName,
    /// Root mean square of the difference in microvolts over the samples without gap, contact loss or clipping.
    pub rms_uv: f64,
}

/// Largest residual of leads of one recording, in microvolts rms; beyond it leads are swapped, not of one
/// recording, or wrongly scaled.
pub const MAX_LIMB_RESIDUAL_UV: f64 = 20.0;

impl LimbResidual {
    /// Whether the lead is what its name says, as far as I and II can tell.
    pub fn is_consistent(&self) -> bool {
        self.rms_uv <= MAX_LIMB_RESIDUAL_UV
    }
}

/// Checks each limb lead against `III = II - I`, `aVR = -(I+II)/2`, `aVL = I - II/2`, `aVF = II - I/2`
/// (Einthoven 1912, Goldberger 1942). Leads that are absent are left out; without I and II nothing is said.
pub fn limb_residuals(waveform: &Waveform) -> Vec<LimbResidual> {
    let (Some(one), Some(two)) = (waveform.place(&LeadName::I), waveform.place(&LeadName::II)) else {
        return Vec::new();
    };
    let parts = [
        (LeadName::III, -1.0, 1.0),
        (LeadName::AVR, -0.5, -0.5),
        (LeadName::AVL, 1.0, -0.5),
        (LeadName::AVF, -0.5, 1.0),
    ];
    let mut residuals = Vec::new();
    for (name, of_one, of_two) in parts {
        let Some(place) = waveform.place(&name) else {
            continue;
        };
        let mut marked = vec![false; waveform.len()];
        for mark in waveform.marks() {
            if [one, two, place].into_iter().any(|lead| mark.covers(lead)) {
                marked[mark.range()].fill(true);
            }
        }
        let volts = |lead: usize, sample: usize| {
            let lead = &waveform.leads()[lead];
            lead.millivolts_of(lead.samples[sample])
        };
        let usable = (0..waveform.len()).filter(|sample| !marked[*sample]);
        let (mut sum, mut count) = (0.0, 0u32);
        for sample in usable {
            let expected = of_one * volts(one, sample) + of_two * volts(two, sample);
            sum += (volts(place, sample) - expected).powi(2);
            count += 1;
        }
        if count > 0 {
            residuals.push(LimbResidual {
                lead: name,
                rms_uv: (sum / f64::from(count)).sqrt() * 1000.0,
            });
        }
    }
    residuals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lead, SampleRateHz};
    use crate::synthetic::{Heart, HeartSettings};

    /// The order of one public data set whose files list the limb leads last, read with names in that order.
    #[test]
    fn another_order_of_leads_is_mapped_by_name() {
        let heart = Heart::new(HeartSettings::default(), 3).record(4.0, SampleRateHz::DIAGNOSTIC);
        let order = [0, 1, 6, 7, 8, 9, 10, 11, 2, 3, 4, 5];
        let leads: Vec<Lead> = order.iter().map(|place| heart.leads()[*place].clone()).collect();
        let other = Waveform::new(heart.rate(), leads, Vec::new()).unwrap();
        for name in LeadName::STANDARD {
            assert_eq!(other.lead(&name), heart.lead(&name));
        }
        assert!(limb_residuals(&other).iter().all(LimbResidual::is_consistent));
    }

    /// Names in the standard order over samples in another one: III, aVR, aVL and aVF are not what they say.
    #[test]
    fn names_that_do_not_fit_the_samples_are_said() {
        let heart = Heart::new(HeartSettings::default(), 3).record(4.0, SampleRateHz::DIAGNOSTIC);
        let order = [0, 1, 6, 7, 8, 9, 10, 11, 2, 3, 4, 5];
        let mislabelled = order.iter().zip(LeadName::STANDARD);
        let leads = mislabelled
            .map(|(place, name)| Lead {
                name,
                ..heart.leads()[*place].clone()
            })
            .collect();
        let residuals = limb_residuals(&Waveform::new(heart.rate(), leads, Vec::new()).unwrap());
        assert_eq!(residuals.len(), 4);
        assert!(
            residuals.iter().all(|residual| !residual.is_consistent()),
            "{residuals:?}"
        );
    }
}
