//! Recorders whose step is no whole number of the file's unit: 4.88 µV steps stored as whole microvolts leave
//! most numbers unused. Counting steps instead of units saves one to two bits a sample.

/// Millionths of a unit in a unit.
pub(super) const UNIT: i64 = 1_000_000;
/// Largest step that is read from bytes: 1000 units.
pub(super) const MAX_STEP: i64 = 1000 * UNIT;
/// Steps that are tried, coarse ones first: 10 V over 11 to 14 bits as they come out of usual amplifiers, in
/// full and as makers round them, and whole numbers.
const STEPS: [i64; 14] = [
    10_000_000, 9_765_625, 9_760_000, 8_000_000, 6_000_000, 5_000_000, 4_882_813, 4_880_000, 4_000_000,
    3_000_000, 2_500_000, 2_441_406, 2_440_000, 2_000_000,
];

/// Which numbers a lead can have: whole multiples of a step, made whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// Millionths of a unit, at least [`UNIT`], so that no two multiples meet.
    pub(super) step: i64,
    /// Made whole by leaving the fraction away, not by rounding.
    pub(super) cut: bool,
}

impl Grid {
    /// Every whole number.
    pub(super) const PLAIN: Self = Self {
        step: UNIT,
        cut: false,
    };

    /// The coarsest grid that holds all of these samples.
    pub(super) fn of(samples: &[i32]) -> Self {
        let grids = STEPS
            .iter()
            .flat_map(|step| [false, true].map(|cut| Self { step: *step, cut }));
        let holds = |grid: &Self| {
            samples
                .iter()
                .all(|sample| grid.units(grid.steps(*sample)) == *sample)
        };
        grids.into_iter().find(holds).unwrap_or(Self::PLAIN)
    }

    /// The number of steps that comes nearest.
    pub(super) fn steps(self, units: i32) -> i32 {
        let millionths = i64::from(units) * UNIT;
        let half = if self.cut { self.step - 1 } else { self.step / 2 };
        let steps = (millionths.abs() + half) / self.step;
        (if units < 0 { -steps } else { steps }) as i32
    }

    /// The units of a number of steps; beyond 32 bits they wrap, which only damaged bytes can ask for.
    pub(super) fn units(self, steps: i32) -> i32 {
        let millionths = (i64::from(steps) * self.step).abs();
        let half = if self.cut { 0 } else { UNIT / 2 };
        let units = (millionths + half) / UNIT;
        (if steps < 0 { -units } else { units }) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_and_cut_steps_are_found() {
        let rounded: Vec<i32> = (-40..40).map(|n| (f64::from(n) * 4.88).round() as i32).collect();
        assert_eq!(
            Grid::of(&rounded),
            Grid {
                step: 4_880_000,
                cut: false
            }
        );
        let cut: Vec<i32> = (-40..40).map(|n| (f64::from(n) * 2.44) as i32).collect();
        let grid = Grid::of(&cut);
        assert!(
            grid.cut && (2_440_000..2_450_000).contains(&grid.step),
            "{grid:?}"
        );
        let fives: Vec<i32> = (-40..40).map(|n| n * 5).collect();
        assert_eq!(Grid::of(&fives).step, 5 * UNIT);
        assert_eq!(Grid::of(&[3, 4, 5, 6, 7]), Grid::PLAIN);
        assert_eq!(Grid::of(&[i32::MIN, i32::MAX]), Grid::PLAIN);
    }

    #[test]
    fn counting_steps_loses_nothing() {
        for grid in STEPS
            .iter()
            .flat_map(|step| [false, true].map(|cut| Grid { step: *step, cut }))
        {
            for steps in (-3000..3000).chain([100_000_000, -100_000_000]) {
                assert_eq!(grid.steps(grid.units(steps)), steps, "{grid:?}");
            }
        }
    }
}
