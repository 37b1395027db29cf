//! Probabilities in the logistic domain, in integers, so that every machine computes the same.

use std::sync::OnceLock;

/// 65,536 / (1 + e^-x) for x from -8 to 8 in steps of one half, rounded.
const CURVE: [i32; 33] = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11_955, 17_625, 24_743, 32_768, 40_793,
    47_911, 53_581, 57_724, 60_565, 62_428, 63_615, 64_357, 64_816, 65_097, 65_269, 65_374, 65_438, 65_476,
    65_500, 65_514,
];

/// Largest value in the logistic domain: 8, with eight fractional bits.
pub(crate) const STRETCH_MAX: i32 = 2047;

/// The probability (16 bits) at a place of the logistic domain (eight fractional bits).
pub(crate) fn squash(at: i32) -> i32 {
    let at = at.clamp(-STRETCH_MAX, STRETCH_MAX) + 2048;
    let (step, rest) = ((at >> 7) as usize, at & 127);
    (CURVE[step] * (128 - rest) + CURVE[step + 1] * rest + 64) >> 7
}

struct Stretch([i16; 4096]);

fn table() -> &'static Stretch {
    static TABLE: OnceLock<Stretch> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [STRETCH_MAX as i16; 4096];
        let mut from = 0;
        for at in -STRETCH_MAX..=STRETCH_MAX {
            let upto = ((squash(at) >> 4) as usize).min(4095);
            while from <= upto {
                table[from] = at as i16;
                from += 1;
            }
        }
        Stretch(table)
    })
}

/// The inverse of [`squash`], of the upper twelve bits of a probability.
#[derive(Clone, Copy)]
pub(crate) struct Stretcher(&'static Stretch);

impl Stretcher {
    pub(crate) fn new() -> Self {
        Self(table())
    }

    pub(crate) fn stretch(self, probability: i32) -> i32 {
        i32::from(self.0.0[((probability >> 4) & 4095) as usize])
    }
}

impl std::fmt::Debug for Stretcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stretcher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretch_undoes_squash() {
        let stretcher = Stretcher::new();
        for at in (-1800..1800).step_by(7) {
            let back = stretcher.stretch(squash(at));
            let slack = 3 + at.abs() / 16;
            assert!((back - at).abs() <= slack, "{at} {back}");
        }
        assert!((1..65_536).contains(&squash(-9999)) && (1..65_536).contains(&squash(9999)));
    }
}
