//! A card that a test can make lie, fail and vanish, as counterfeit and dying cards do in the field.

use std::collections::BTreeMap;

use crate::device::{BLOCK, BlockDevice, DeviceFault, check_range};

/// What a card with a false capacity does beyond what it really holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Addresses wrap around: what is written there overwrites what stands further down.
    WrapsAround,
    /// Writes are taken and forgotten; zeros come back.
    Forgets,
}

/// What else is wrong with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A bit of the block at this byte comes back turned.
    TurnsABit {
        /// First byte of the block.
        at: u64,
    },
    /// This block cannot be read.
    CannotRead {
        /// First byte of the block.
        at: u64,
    },
    /// This block cannot be written.
    CannotWrite {
        /// First byte of the block.
        at: u64,
    },
    /// Takes every write without a word and keeps what it had: how many cards end.
    Frozen,
    /// Is pulled out after so many reads and writes.
    PulledOut {
        /// Calls that still work.
        after: u64,
    },
    /// Its lock switch is set.
    Locked,
}

/// A simulated card.
#[derive(Debug, Clone)]
pub struct SimulatedCard {
    claims: u64,
    holds: u64,
    beyond: Beyond,
    defect: Option<Defect>,
    calls: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl SimulatedCard {
    /// A good card, full of what an earlier use left there.
    pub fn new(bytes: u64) -> Self {
        let bytes = bytes / BLOCK * BLOCK;
        Self {
            claims: bytes,
            holds: bytes,
            beyond: Beyond::WrapsAround,
            defect: None,
            calls: 0,
            blocks: BTreeMap::new(),
        }
    }

    /// A card that claims more than it holds.
    #[must_use]
    pub fn counterfeit(claims: u64, holds: u64, beyond: Beyond) -> Self {
        Self {
            holds: holds / BLOCK * BLOCK,
            beyond,
            ..Self::new(claims)
        }
    }

    /// The card with a defect.
    #[must_use]
    pub fn with(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Sets or mends the defect of a card in use.
    pub fn set_defect(&mut self, defect: Option<Defect>) {
        self.calls = 0;
        self.defect = defect;
    }

    /// The block at a byte as it lies on the card; `None` where nothing was ever written.
    pub fn stored(&self, at: u64) -> Option<&[u8]> {
        self.blocks.get(&at).map(Vec::as_slice)
    }

    /// Reads and writes that were asked for so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn call(&mut self) -> Result<(), DeviceFault> {
        self.calls += 1;
        match self.defect {
            Some(Defect::PulledOut { after }) if self.calls > after => Err(DeviceFault::Gone),
            _ => Ok(()),
        }
    }

    /// Where a block really lies; `None` where it is forgotten.
    fn place(&self, at: u64) -> Option<u64> {
        match self.beyond {
            _ if at < self.holds => Some(at),
            Beyond::WrapsAround => Some(at % self.holds),
            Beyond::Forgets => None,
        }
    }
}

/// What an earlier use left in a block.
fn earlier(at: u64) -> u8 {
    (at / BLOCK).wrapping_mul(151) as u8 | 1
}

impl BlockDevice for SimulatedCard {
    fn capacity(&self) -> u64 {
        self.claims
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
        check_range(self.claims, BLOCK, at, into.len())?;
        self.call()?;
        for (block, at) in into
            .chunks_mut(BLOCK as usize)
            .zip((at..).step_by(BLOCK as usize))
        {
            if self.defect == Some(Defect::CannotRead { at }) {
                return Err(DeviceFault::CannotRead { at });
            }
            match self.place(at).map(|place| self.blocks.get(&place).ok_or(place)) {
                Some(Ok(stored)) => block.copy_from_slice(stored),
                Some(Err(place)) => block.fill(earlier(place)),
                None => block.fill(0),
            }
            if self.defect == Some(Defect::TurnsABit { at })
                && let Some(byte) = block.get_mut(1000)
            {
                *byte ^= 0x10;
            }
        }
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault> {
        check_range(self.claims, BLOCK, at, bytes.len())?;
        self.call()?;
        if self.defect == Some(Defect::Locked) {
            return Err(DeviceFault::WriteProtected);
        }
        for (block, at) in bytes.chunks(BLOCK as usize).zip((at..).step_by(BLOCK as usize)) {
            if self.defect == Some(Defect::CannotWrite { at }) {
                return Err(DeviceFault::CannotWrite { at });
            }
            if let Some(place) = self.place(at).filter(|_| self.defect != Some(Defect::Frozen)) {
                self.blocks.insert(place, block.to_vec());
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceFault> {
        self.call()
    }
}
