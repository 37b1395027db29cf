//! Adaptive probabilities.

/// 4096 / (count + 1.5).
const RATES: [i32; 1024] = {
    let mut rates = [0; 1024];
    let mut count = 0;
    while count < 1024 {
        rates[count] = 8192 / (2 * count as i32 + 3);
        count += 1;
    }
    rates
};

/// An adaptive probability: 22 bits of it and a count of observations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chance(u32);

impl Chance {
    pub(crate) fn new(probability: u16) -> Self {
        Self(u32::from(probability) << 16)
    }

    pub(crate) fn p16(self) -> i32 {
        (self.0 >> 16) as i32
    }

    pub(crate) fn update(&mut self, bit: u8, most: u32) {
        let count = self.0 & 1023;
        let p22 = (self.0 >> 10) as i32;
        let target = if bit == 1 { 4_194_303 } else { 0 };
        // 19 bits of difference times 12 bits of rate.
        let step = (((target - p22) >> 3) * RATES[count as usize]) >> 9;
        let count = count + u32::from(count < most);
        self.0 = (((p22 + step) as u32) << 10) | count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_follows_what_happens_and_stays_within_its_bits() {
        for bit in [0, 1] {
            let mut chance = Chance::new(32_768);
            (0..5000).for_each(|_| chance.update(bit, 1000));
            assert_eq!(bit == 1, chance.p16() > 65_000);
            assert_eq!(bit == 0, chance.p16() < 500);
        }
    }
}
