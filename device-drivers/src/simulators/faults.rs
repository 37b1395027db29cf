//! How a simulated device misbehaves.

use super::Dice;

/// Bursts of which one is damaged on a noisy line, where the protocol survives that.
const DAMAGED_ONE_IN: usize = 4;
/// Most stray bytes before a burst.
const STRAY_MAX: usize = 12;

/// Faults of a simulated device; any of them can be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Stray bytes between frames, damaged frames where the protocol has a check.
    pub noise: bool,
    /// The plug comes out in the middle of the first measurement, for two seconds.
    pub unplug: bool,
    /// Results of earlier days come out of the device's memory, and new ones come twice.
    pub replay: bool,
    /// Another rate than the host expects: every byte is wrong.
    pub wrong_baud: bool,
    /// The device's clock is a day behind.
    pub wrong_clock: bool,
}

/// A word that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault; expected noise, unplug, replay, baud or clock")]
pub struct UnknownFault;

impl std::str::FromStr for Faults {
    type Err = UnknownFault;
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut faults = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "noise" => faults.noise = true,
                "unplug" => faults.unplug = true,
                "replay" => faults.replay = true,
                "baud" => faults.wrong_baud = true,
                "clock" => faults.wrong_clock = true,
                _ => return Err(UnknownFault),
            }
        }
        Ok(faults)
    }
}

/// The line between device and host.
#[derive(Debug)]
pub(crate) struct Line {
    faults: Faults,
    dice: Dice,
    damages: bool,
}

impl Line {
    pub(crate) fn new(faults: Faults, seed: u64, damages: bool) -> Self {
        Self {
            faults,
            dice: Dice::new(seed ^ 0x10_15e),
            damages,
        }
    }

    /// What arrives of a burst.
    pub(crate) fn carry(&mut self, burst: Vec<u8>) -> Vec<u8> {
        let noisy = if self.faults.noise {
            self.add_noise(burst)
        } else {
            burst
        };
        if self.faults.wrong_baud {
            noisy.into_iter().map(misread).collect()
        } else {
            noisy
        }
    }

    fn add_noise(&mut self, mut burst: Vec<u8>) -> Vec<u8> {
        let stray = self.dice.below(STRAY_MAX + 1);
        // A disturbed idle line reads as bytes with high bits set.
        let mut carried: Vec<u8> = (0..stray)
            .map(|_| 0x80 | (self.dice.roll() & 0x5f) as u8)
            .collect();
        if self.damages && !burst.is_empty() && self.dice.below(DAMAGED_ONE_IN) == 0 {
            let at = self.dice.below(burst.len());
            if self.dice.below(2) == 0 {
                burst.remove(at);
            } else {
                burst[at] ^= 1 << self.dice.below(7);
            }
        }
        carried.extend(burst);
        carried
    }
}

/// How a byte looks to a receiver at twice the rate: each bit is seen twice, the upper half is lost.
fn misread(byte: u8) -> u8 {
    (0..8).fold(0, |read, bit| read | (byte >> (bit / 2) & 1) << bit) ^ 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_in_a_list() {
        let faults: Faults = "noise, unplug,replay".parse().unwrap();
        assert!(faults.noise && faults.unplug && faults.replay && !faults.wrong_baud);
        assert!("noise,fire".parse::<Faults>().is_err());
    }

    #[test]
    fn an_undamaged_line_carries_bytes_as_they_are() {
        let mut line = Line::new(Faults::default(), 1, true);
        assert_eq!(line.carry(vec![1, 2, 3]), [1, 2, 3]);
    }
}
