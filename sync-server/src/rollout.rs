//! How a release is rolled out: which clinics are offered it, and when no further one is. Decided here from what boxes said
//! of their systems, without a store; [`crate::releases`] carries it out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sync_core::wire::SystemReport;

/// Most stages of a plan.
pub const STAGES_MAX: usize = 16;
/// Boxes that may go back before no further one is offered the release, unless the plan says another number.
pub const LIMIT: u32 = 0;

/// Clinics that are offered a release at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// These, by their codes.
    Clinics(BTreeSet<String>),
    /// All that no stage before it names.
    Rest,
}

/// The roll-out of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the release, hex.
    pub release: String,
    /// Version of its system.
    pub version: u64,
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// How many of them are open.
    pub open: usize,
    /// Whether a person holds it: no further clinic is offered the release.
    pub paused: bool,
    /// Boxes that may go back; one more stops it.
    pub limit: u32,
}

/// A box as the hub last heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its clinic's code.
    pub clinic: String,
    /// What it said of its systems.
    pub report: Option<SystemReport>,
}

/// What follows for a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Clinics that are to be offered the release now.
    pub offer: BTreeSet<String>,
    /// Clinics from which the offer is to be taken back: the roll-out stopped, and no box of theirs has dealt with it.
    pub take_back: BTreeSet<String>,
    /// Boxes that run this version or a later one.
    pub run_it: usize,
    /// Boxes that tried it and went back.
    pub went_back: usize,
    /// Whether so many went back that no further one is offered it.
    pub is_stopped: bool,
}

impl Seen {
    fn runs(&self, version: u64) -> bool {
        self.report.is_some_and(|report| report.running >= version)
    }

    fn went_back_from(&self, version: u64) -> bool {
        let back = self.report.and_then(|report| report.went_back);
        back.is_some_and(|(from, _)| from == version)
    }
}

impl Plan {
    /// Whether an open stage holds this clinic.
    fn reaches(&self, clinic: &str) -> bool {
        let open = &self.stages[..self.open.min(self.stages.len())];
        let named = |stages: &[Stage]| {
            stages
                .iter()
                .any(|stage| matches!(stage, Stage::Clinics(codes) if codes.contains(clinic)))
        };
        named(open) || (open.contains(&Stage::Rest) && !named(&self.stages))
    }

    /// What to do now. `told` are the clinics that are offered this release already.
    pub fn step(&self, boxes: &[Seen], told: &BTreeSet<String>) -> Step {
        let went_back = boxes
            .iter()
            .filter(|seen| seen.went_back_from(self.version))
            .count();
        let is_stopped = went_back > self.limit as usize;
        let clinics: BTreeSet<&str> = boxes.iter().map(|seen| seen.clinic.as_str()).collect();
        let dealt_with = |clinic: &str| {
            let mut own = boxes.iter().filter(|seen| seen.clinic == clinic);
            own.any(|seen| seen.runs(self.version) || seen.went_back_from(self.version))
        };
        let mut step = Step {
            run_it: boxes.iter().filter(|seen| seen.runs(self.version)).count(),
            went_back,
            is_stopped,
            ..Step::default()
        };
        if is_stopped {
            let back = told.iter().filter(|clinic| !dealt_with(clinic));
            step.take_back = back.cloned().collect();
        } else if !self.paused {
            let new = clinics
                .into_iter()
                .filter(|clinic| self.reaches(clinic) && !told.contains(*clinic));
            step.offer = new.map(str::to_owned).collect();
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sync_core::wire::WentBack;

    use super::*;

    fn code() -> impl Strategy<Value = String> {
        (0u8..8).prop_map(|n| format!("000{n}"))
    }

    fn codes() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set(code(), 0..5)
    }

    fn plan() -> impl Strategy<Value = Plan> {
        let stage = prop_oneof![codes().prop_map(Stage::Clinics), Just(Stage::Rest)];
        let stages = prop::collection::vec(stage, 1..4);
        (stages, 0usize..5, any::<bool>(), 0u32..3).prop_map(|(stages, open, paused, limit)| Plan {
            release: String::new(),
            version: 5,
            stages,
            open,
            paused,
            limit,
        })
    }

    fn seen() -> impl Strategy<Value = Seen> {
        let back = prop::option::of((4u64..7).prop_map(|from| (from, WentBack::Unhealthy)));
        let report = (3u64..7, back).prop_map(|(running, went_back)| SystemReport {
            running,
            on_trial: false,
            went_back,
        });
        (code(), prop::option::of(report)).prop_map(|(clinic, report)| Seen { clinic, report })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn nobody_is_offered_a_stopped_or_paused_release_and_nobody_before_the_stage(
            plan in plan(), boxes in prop::collection::vec(seen(), 0..12), told in codes(),
        ) {
            let step = plan.step(&boxes, &told);
            let back = boxes.iter().filter(|seen| seen.went_back_from(5)).count();
            prop_assert_eq!(step.is_stopped, back > plan.limit as usize);
            prop_assert!(!(step.is_stopped || plan.paused) || step.offer.is_empty());
            prop_assert!(step.is_stopped || step.take_back.is_empty());
            prop_assert!(step.offer.is_disjoint(&told) && step.take_back.is_subset(&told));
            for clinic in &step.offer {
                let at = plan.stages.iter().position(|stage| match stage {
                    Stage::Clinics(codes) => codes.contains(clinic),
                    Stage::Rest => false,
                });
                let at = at.or_else(|| plan.stages.iter().position(|stage| *stage == Stage::Rest));
                prop_assert!(at.is_some_and(|at| at < plan.open), "{clinic} {plan:?}");
            }
            for clinic in &step.take_back {
                prop_assert!(!boxes.iter().any(|seen| seen.clinic == *clinic && seen.runs(5)));
            }
        }

        #[test]
        fn a_step_that_was_carried_out_leaves_nothing_to_do(
            plan in plan(), boxes in prop::collection::vec(seen(), 0..12), told in codes(),
        ) {
            let step = plan.step(&boxes, &told);
            let mut after: BTreeSet<String> = told.union(&step.offer).cloned().collect();
            after.retain(|clinic| !step.take_back.contains(clinic));
            let again = plan.step(&boxes, &after);
            prop_assert!(again.offer.is_empty() && again.take_back.is_empty());
        }

        #[test]
        fn with_all_stages_open_and_a_rest_every_clinic_with_a_box_is_offered_it(
            mut plan in plan(), boxes in prop::collection::vec(seen(), 0..12),
        ) {
            plan.stages.push(Stage::Rest);
            (plan.open, plan.paused, plan.limit) = (plan.stages.len(), false, 100);
            let step = plan.step(&boxes, &BTreeSet::new());
            let all: BTreeSet<String> = boxes.iter().map(|seen| seen.clinic.clone()).collect();
            prop_assert_eq!(step.offer, all);
        }
    }
}
