//! A waveform of the twelve standard leads, right by how it is made.

use super::{Lead, LeadName, MAX_TOTAL_SAMPLES, SampleRateHz, Scale, Waveform};

impl Waveform {
    /// The twelve standard leads on one scale, instant by instant, in standard order; instants beyond what a waveform
    /// may hold are left away.
    pub(crate) fn of_instants(
        rate: SampleRateHz,
        scale: Scale,
        instants: impl Iterator<Item = [i32; 12]>,
    ) -> Self {
        let mut leads: Vec<Lead> = LeadName::STANDARD
            .into_iter()
            .map(|name| Lead {
                name,
                scale,
                zero: 0,
                samples: Vec::new(),
            })
            .collect();
        for instant in instants.take(MAX_TOTAL_SAMPLES / 12) {
            for (lead, sample) in leads.iter_mut().zip(instant) {
                lead.samples.push(sample);
            }
        }
        Self {
            rate,
            leads,
            marks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_instants_passes_the_checks_of_any_waveform() {
        let instants = (0..250).map(|at| [at; 12]);
        let made = Waveform::of_instants(SampleRateHz::DIAGNOSTIC, Scale::RECORDER_STEP, instants);
        let checked = Waveform::new(made.rate, made.leads.clone(), Vec::new()).unwrap();
        assert_eq!(made, checked);
    }
}
