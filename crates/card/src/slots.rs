//! The life of a new system on a card: install, read back, try, then commit or roll back.
//!
//! | step | writes, each on the medium before the next |
//! |---|---|
//! | install | state: the other slot is empty; the partitions; after they were read back, state: the slot is whole |
//! | ask for a trial | state: on trial; then the box restarts with the one-shot flag |
//! | begin | state: the first program ran |
//! | healthy | the sector of `autoboot.txt` (the commit); state: committed |
//! | roll back | state: the reason; then the box restarts, and the firmware takes the old slot as ever |
//!
//! No step touches the slot that ordinary starts take.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::device::{BLOCK, BlockDevice, DeviceFault, read_sector, write_sector};
use crate::layout::{Layout, LayoutFault, Slot};
use crate::mbr::Extent;
use crate::select::{self, Autoboot, SelectFault, autoboot_sector};
use crate::state::{Content, Outcome, State, StateFault, System, Trial, Version, Why, shortened};

/// How often a start of a new system is asked for before the box goes back: the first may end with the power.
pub const TRIALS_MAX: u8 = 2;
/// Starts of a slot without being found healthy after which it counts as weak.
pub const STARTS_MAX: u8 = 5;
/// Bytes that are copied and compared at once.
const AT_ONCE: usize = 1 << 20;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum SlotFault {
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// The partitions cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutFault),
    /// The selection cannot be read.
    #[error(transparent)]
    Select(#[from] SelectFault),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateFault),
    /// What is to be installed cannot be read.
    #[error("the new system cannot be read: {0}")]
    Source(#[from] std::io::Error),
    /// What is to be installed is not what it should be.
    #[error("the new system is not the one that was signed")]
    OtherSystem,
    /// The card gave other bytes back than were written.
    #[error("the card gave other data back than was written: it is worn out")]
    Worn,
    /// The new system does not fit.
    #[error("the new system does not fit: its {part} needs {needs} bytes and has {has}")]
    TooLarge {
        /// `boot` or `root`.
        part: &'static str,
        /// What it needs.
        needs: u64,
        /// What there is.
        has: u64,
    },
    /// The running system is not the selected one, or another is on trial.
    #[error("the last update is not settled yet: wait until the running system was found healthy")]
    Unsettled,
    /// Nothing whole lies in the other slot.
    #[error("there is no whole system in the other slot")]
    NothingThere,
}

/// What a start is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Began {
    /// The selected system runs; so many starts since it was last found healthy, this one included.
    Ordinary {
        /// Starts.
        starts: u8,
    },
    /// The new system runs for the first time or the second.
    OnTrial(Version),
    /// A trial was asked for and did not end in a verdict: it may be asked for once more.
    TrialOpen(Version),
    /// The box is back from a trial that failed.
    RolledBack(Version, Why),
    /// A slot runs that is not selected and not on trial.
    Unselected,
}

/// Where the bytes of a new partition come from, in order. It may read the card that they are written to: the running
/// slot holds most of them.
pub trait Source<D> {
    /// Gives the next bytes, as many as asked for.
    ///
    /// # Errors
    /// [`SlotFault`]; also where there are no more.
    fn fill(&mut self, device: &mut D, into: &mut [u8]) -> Result<(), SlotFault>;
}

impl<D, R: Read> Source<D> for R {
    fn fill(&mut self, _: &mut D, into: &mut [u8]) -> Result<(), SlotFault> {
        Ok(self.read_exact(into)?)
    }
}

/// A card with its layout and state.
#[derive(Debug)]
pub struct Card<D> {
    device: D,
    layout: Layout,
    state: State,
}

impl<D: BlockDevice> Card<D> {
    /// Reads layout and state of a card.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn open(mut device: D) -> Result<Self, SlotFault> {
        let layout = Layout::read(&mut device)?;
        let state = State::read(&mut device)?;
        Ok(Self {
            device,
            layout,
            state,
        })
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Device and state, for the data partition's start.
    pub fn parts(&mut self) -> (&mut D, &mut State) {
        (&mut self.device, &mut self.state)
    }

    /// Gives the device back.
    pub fn into_device(self) -> D {
        self.device
    }

    /// The slot that ordinary starts take.
    ///
    /// # Errors
    /// [`SlotFault::Select`].
    pub fn selected(&mut self) -> Result<Option<Slot>, SlotFault> {
        Ok(select::selected(&mut self.device, &self.layout)?)
    }

    /// Installs a system into the slot that does not run, and reads it back. `sources` are its boot and its root
    /// partition; `moved` hears of bytes written and read.
    ///
    /// # Errors
    /// [`SlotFault`]; the slot then counts as empty, and the running system goes on.
    pub fn install(
        &mut self,
        running: Slot,
        system: &System,
        sources: [&mut dyn Source<D>; 2],
        mut moved: impl FnMut(u64),
    ) -> Result<Slot, SlotFault> {
        if self.selected()? != Some(running) || self.state.trial.is_some() {
            return Err(SlotFault::Unsettled);
        }
        let slot = running.other();
        let parts = [
            ("boot", self.layout.boot_of(slot), system.boot),
            ("root", self.layout.root_of(slot), system.root),
        ];
        for (part, extent, content) in parts {
            if content.len > extent.len {
                return Err(SlotFault::TooLarge {
                    part,
                    needs: content.len,
                    has: extent.len,
                });
            }
        }
        if self.state.systems[slot.index()].is_some() {
            self.state.systems[slot.index()] = None;
            self.state.write(&mut self.device)?;
        }
        for ((_, extent, content), source) in parts.into_iter().zip(sources) {
            let written = copy(&mut self.device, extent, content.len, source, &mut moved)?;
            if written != content {
                return Err(SlotFault::OtherSystem);
            }
        }
        self.device.flush()?;
        for (_, extent, content) in parts {
            if !holds(&mut self.device, extent, &content, &mut moved)? {
                return Err(SlotFault::Worn);
            }
        }
        self.state.systems[slot.index()] = Some(*system);
        self.state.write(&mut self.device)?;
        Ok(slot)
    }

    /// Notes that the other slot is to be tried; the caller restarts the box with the one-shot flag.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn ask_for_trial(&mut self, running: Slot) -> Result<Slot, SlotFault> {
        let slot = running.other();
        if self.selected()? != Some(running) {
            return Err(SlotFault::Unsettled);
        }
        if self.state.system(slot).is_none() {
            return Err(SlotFault::NothingThere);
        }
        let before = self.state.trial.filter(|trial| trial.slot == slot);
        let trial = before.unwrap_or(Trial {
            slot,
            asked: 0,
            began: 0,
        });
        self.state.trial = Some(Trial {
            asked: trial.asked.saturating_add(1),
            ..trial
        });
        self.state.write(&mut self.device)?;
        Ok(slot)
    }

    /// Notes a start, before anything of the running slot's root is touched, and mends what a power cut left half
    /// done.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn begin(&mut self, running: Slot) -> Result<Began, SlotFault> {
        let selected = self.mended(running)?;
        let Some(trial) = self.state.trial else {
            if running != selected {
                return Ok(Began::Unselected);
            }
            self.state.starts = self.state.starts.saturating_add(1);
            self.state.write(&mut self.device)?;
            return Ok(Began::Ordinary {
                starts: self.state.starts,
            });
        };
        let version = self.version_of(trial.slot);
        if selected == trial.slot {
            // The cut came after the commit.
            self.committed(version)?;
            return Ok(Began::Ordinary { starts: 0 });
        }
        if running == trial.slot {
            self.state.trial = Some(Trial {
                began: trial.began.saturating_add(1),
                ..trial
            });
            self.state.write(&mut self.device)?;
            return Ok(Began::OnTrial(version));
        }
        if trial.asked < TRIALS_MAX {
            return Ok(Began::TrialOpen(version));
        }
        let why = if trial.began == 0 {
            Why::NeverBegan
        } else {
            Why::NotHealthyInTime
        };
        self.roll_back(why, "")?;
        Ok(Began::RolledBack(version, why))
    }

    /// The running system was found healthy: on trial it is committed by one sector.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn healthy(&mut self, running: Slot) -> Result<(), SlotFault> {
        match self.state.trial {
            Some(trial) if trial.slot == running => {
                select::select(&mut self.device, &self.layout, running)?;
                let version = self.version_of(running);
                self.committed(version)
            }
            Some(_) => Ok(()),
            None if self.state.starts == 0 => Ok(()),
            None => {
                self.state.starts = 0;
                Ok(self.state.write(&mut self.device)?)
            }
        }
    }

    /// Ends the trial with a reason, which is kept; the version's slot counts as empty from now on. The caller
    /// restarts the box where the version runs.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn roll_back(&mut self, why: Why, detail: &str) -> Result<(), SlotFault> {
        let Some(trial) = self.state.trial.take() else {
            return Ok(());
        };
        self.forsake(trial.slot, why, detail)
    }

    /// What a slot may be left for: the older system in the other one, which was found healthy in its time. A newer one
    /// was only installed; it is tried, never taken unseen.
    pub fn fallback(&self, running: Slot) -> Option<&System> {
        let (own, other) = (self.state.system(running), self.state.system(running.other())?);
        own.is_none_or(|own| other.version < own.version).then_some(other)
    }

    /// Leaves a selected slot that is damaged or does not become healthy for the older system in the other one, by one
    /// sector.
    ///
    /// # Errors
    /// [`SlotFault::NothingThere`] where none lies there.
    pub fn leave(&mut self, running: Slot, why: Why, detail: &str) -> Result<Slot, SlotFault> {
        let other = running.other();
        if self.fallback(running).is_none() || self.state.trial.is_some() {
            return Err(SlotFault::NothingThere);
        }
        select::select(&mut self.device, &self.layout, other)?;
        self.forsake(running, why, detail)?;
        Ok(other)
    }

    /// Whether the content of a slot is what was installed.
    ///
    /// # Errors
    /// What the device reports.
    pub fn is_whole(&mut self, slot: Slot) -> Result<bool, SlotFault> {
        let Some(system) = self.state.system(slot).copied() else {
            return Ok(false);
        };
        let (boot, root) = (self.layout.boot_of(slot), self.layout.root_of(slot));
        Ok(holds(&mut self.device, boot, &system.boot, &mut |_| {})?
            && holds(&mut self.device, root, &system.root, &mut |_| {})?)
    }

    fn version_of(&self, slot: Slot) -> Version {
        self.state
            .system(slot)
            .map_or(Version(0), |system| system.version)
    }

    fn committed(&mut self, version: Version) -> Result<(), SlotFault> {
        self.state.trial = None;
        self.state.starts = 0;
        self.state.last = Outcome::Committed(version);
        Ok(self.state.write(&mut self.device)?)
    }

    fn forsake(&mut self, slot: Slot, why: Why, detail: &str) -> Result<(), SlotFault> {
        self.state.last = Outcome::RolledBack {
            version: self.version_of(slot),
            why,
            detail: shortened(detail, crate::state::DETAIL_MAX).to_owned(),
        };
        self.state.systems[slot.index()] = None;
        self.state.starts = 0;
        Ok(self.state.write(&mut self.device)?)
    }

    /// The selected slot; a sector that was torn between two texts is written whole again.
    fn mended(&mut self, running: Slot) -> Result<Slot, SlotFault> {
        let at = select::autoboot_at(&mut self.device, &self.layout)?;
        let sector = read_sector(&mut self.device, at)?;
        let said = Slot::of_boot_partition(Autoboot::parse(&sector).partition);
        let selected = said.unwrap_or(running);
        let meant = autoboot_sector(selected);
        if sector != meant {
            write_sector(&mut self.device, at, &meant)?;
            self.device.flush()?;
        }
        Ok(selected)
    }
}

/// Copies a content to the start of a partition; the last block is filled up with zeros.
fn copy<D: BlockDevice>(
    device: &mut D,
    extent: Extent,
    len: u64,
    source: &mut dyn Source<D>,
    moved: &mut impl FnMut(u64),
) -> Result<Content, SlotFault> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; AT_ONCE];
    let mut done = 0;
    while done < len {
        let part = (AT_ONCE as u64).min(len - done) as usize;
        source.fill(device, &mut buffer[..part])?;
        hash.update(&buffer[..part]);
        let padded = part.next_multiple_of(BLOCK as usize);
        buffer[part..padded].fill(0);
        device.write_at(extent.at + done, &buffer[..padded])?;
        done += part as u64;
        moved(part as u64);
    }
    Ok(Content {
        len,
        sha256: hash.finalize().into(),
    })
}

/// Whether a partition begins with this content.
pub(crate) fn holds(
    device: &mut impl BlockDevice,
    extent: Extent,
    content: &Content,
    moved: &mut impl FnMut(u64),
) -> Result<bool, DeviceFault> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; AT_ONCE];
    let mut done = 0;
    if content.len > extent.len {
        return Ok(false);
    }
    while done < content.len {
        let part = (AT_ONCE as u64).min(content.len - done) as usize;
        let padded = part.next_multiple_of(BLOCK as usize);
        device.read_at(extent.at + done, &mut buffer[..padded])?;
        hash.update(&buffer[..part]);
        done += part as u64;
        moved(part as u64);
    }
    Ok(<[u8; 32]>::from(hash.finalize()) == content.sha256)
}
