//! How a secret becomes the key of a slot: quickly where nobody can guess it, slowly and with much memory where it is
//! a person's. A header says how, and a forged one must hold up no start.

use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{of_base64, to_base64};

/// Most rounds of PBKDF2 that are counted.
pub(super) const ROUNDS_MAX: u32 = 10_000_000;
/// Least and most memory that one try may take, in KiB: what a Raspberry Pi with 1 GB spares.
const MEMORY_KIB: std::ops::RangeInclusive<u32> = 64..=128 << 10;
/// Least and most passes over it.
const PASSES: std::ops::RangeInclusive<u32> = 1..=16;
/// Least and most lanes that it is cut into.
const LANES: std::ops::RangeInclusive<u32> = 1..=4;
/// Bytes of a salt.
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
const SHA256: &str = "sha256";

/// What one try at a person's secret costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl Cost {
    /// What a box takes: about a second and 64 MiB on a Raspberry Pi 3.
    pub const BOX: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
    };

    /// Another cost; `None` for one that no box opens.
    pub fn new(memory_kib: u32, passes: u32) -> Option<Self> {
        let is_fit = MEMORY_KIB.contains(&memory_kib) && PASSES.contains(&passes);
        is_fit.then_some(Self { memory_kib, passes })
    }
}

/// How a slot's secret is stretched, in cryptsetup's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Stretch {
    /// Rounds of a hash.
    Pbkdf2 {
        hash: String,
        iterations: u32,
        salt: String,
    },
    /// Passes over much memory.
    Argon2id {
        time: u32,
        memory: u32,
        cpus: u32,
        salt: String,
    },
}

impl Stretch {
    pub(super) fn by_rounds(rounds: u32, salt: &[u8]) -> Self {
        Self::Pbkdf2 {
            hash: SHA256.to_owned(),
            iterations: rounds,
            salt: to_base64(salt),
        }
    }

    pub(super) fn by_memory(cost: Cost, salt: &[u8]) -> Self {
        Self::Argon2id {
            time: cost.passes,
            memory: cost.memory_kib,
            cpus: 1,
            salt: to_base64(salt),
        }
    }

    /// The salt, where this program counts so much.
    pub(super) fn salt(&self) -> Option<Vec<u8>> {
        let (is_fit, salt) = match self {
            Self::Pbkdf2 {
                hash,
                iterations,
                salt,
            } => (hash == SHA256 && (1..=ROUNDS_MAX).contains(iterations), salt),
            Self::Argon2id {
                time,
                memory,
                cpus,
                salt,
            } => (
                PASSES.contains(time) && MEMORY_KIB.contains(memory) && LANES.contains(cpus),
                salt,
            ),
        };
        of_base64(salt).filter(|salt| is_fit && SALT.contains(&salt.len()))
    }

    /// The stretched secret; `None` where this program does not count so much, or has no memory for it.
    pub(super) fn of(&self, secret: &[u8]) -> Option<Zeroizing<[u8; 64]>> {
        let salt = self.salt()?;
        let mut key = Zeroizing::new([0; 64]);
        match self {
            Self::Pbkdf2 { iterations, .. } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(secret, &salt, *iterations, &mut *key);
            }
            Self::Argon2id {
                time, memory, cpus, ..
            } => {
                let params = argon2::Params::new(*memory, *time, *cpus, Some(key.len())).ok()?;
                let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
                argon2.hash_password_into(secret, &salt, &mut *key).ok()?;
            }
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_asks_for_too_much_time_or_memory_is_not_obeyed() {
        let salt = to_base64(&[1; 32]);
        let rounds = |iterations| Stretch::Pbkdf2 {
            hash: SHA256.to_owned(),
            iterations,
            salt: salt.clone(),
        };
        assert!(rounds(1000).salt().is_some());
        for iterations in [0, ROUNDS_MAX + 1] {
            assert_eq!(rounds(iterations).salt(), None);
        }
        let memory = |time, memory, cpus| Stretch::Argon2id {
            time,
            memory,
            cpus,
            salt: salt.clone(),
        };
        assert!(memory(3, 64 << 10, 1).salt().is_some());
        for (time, kib, cpus) in [
            (0, 1 << 10, 1),
            (17, 1 << 10, 1),
            (3, (128 << 10) + 1, 1),
            (3, u32::MAX, 1),
            (3, 1 << 10, 0),
            (3, 1 << 10, 5),
        ] {
            assert_eq!(memory(time, kib, cpus).of(b"secret"), None, "{time} {kib} {cpus}");
        }
        let long = Stretch::by_rounds(1000, &[1; 65]);
        assert_eq!(long.salt(), None);
    }

    #[test]
    fn a_cost_that_no_box_opens_is_none() {
        assert_eq!(Cost::new(64 << 10, 3), Some(Cost::BOX));
        assert_eq!(Cost::new(129 << 10, 3), None);
        assert_eq!(Cost::new(64 << 10, 0), None);
    }
}
