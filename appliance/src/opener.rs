//! The opener: the one privileged part of a box whose data a person opens. It takes a start PIN, the hub's share or the
//! county's recovery key from the box's own programs, counts wrong PINs on the card, opens the data, and is the only one
//! that writes the vestibule. What it asks of the system stands behind [`System`].

pub mod asking;
pub mod client;
mod hub;
pub mod protocol;
pub mod serving;
pub mod tries;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use card::first_start::DataFault;
use card::layout::Layout;
use card::luks::{self, ChangeFault, Cost, Header, PinSlot, VolumeKey};
use card::mbr::Extent;
use card::pin::{PinFault, StartPin};
use card::protection::{DeviceKey, DeviceKeys};
use card::random::Random;
use card::vestibule::{Item, Vestibule, VestibuleFault};
use card::{BlockDevice, DeviceFault};
use protocol::{Answer, Request, Standing, pin_word};
use tries::Tries;

/// What the opener asks of the machine that it runs on.
pub trait System {
    /// Whether the data are mounted.
    fn is_open(&self) -> bool;

    /// Makes the data's device with this key, checks its file system and mounts it.
    ///
    /// # Errors
    /// What did not work, in a sentence.
    fn open(&mut self, extent: Extent, volume: [u8; 16], key: &VolumeKey) -> Result<(), String>;

    /// Starts the machine anew: what was opened is closed by nothing less.
    fn start_anew(&mut self);
}

/// The opener of one card.
pub struct Opener<D, S> {
    device: D,
    system: S,
    extent: Extent,
    own: DeviceKey,
    vestibule: Vestibule,
    tries: Tries,
    random: Random,
    cost: Cost,
    /// The volume's key, while the hub's share waits for its slot.
    key: Option<VolumeKey>,
    /// What the hub was asked last: its answer is one to this.
    asked: Option<hub::Question>,
}

/// Why a question was answered with a fault.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Device(#[from] DeviceFault),
    #[error(transparent)]
    Change(#[from] ChangeFault),
    #[error(transparent)]
    Vestibule(#[from] VestibuleFault),
    #[error("the header of the data is gone")]
    NoHeader,
    #[error("{0}")]
    System(String),
}

impl<D: BlockDevice, S: System> Opener<D, S> {
    /// The opener of this card; `now` is the time since the start of the machine.
    ///
    /// # Errors
    /// [`DataFault`] where the card has no data that a person opens on this machine.
    pub fn new(
        mut device: D,
        system: S,
        keys: &impl DeviceKeys,
        mut random: Random,
        cost: Cost,
        now: Duration,
    ) -> Result<Self, DataFault> {
        let extent = Layout::read(&mut device)?.data.ok_or(DataFault::Missing)?;
        let header = luks::read(&mut device, extent)?.ok_or(DataFault::Missing)?;
        if !header.is_by_person() {
            return Err(DataFault::OtherData);
        }
        let header = luks::settle(&mut device, extent, header, &mut random)?;
        let source = header.machine_source().ok_or(DataFault::Locked)?;
        let own = keys.key(source).ok_or(DataFault::Locked)?;
        let vestibule = Vestibule::read(&mut device, extent, header.id, &own)?;
        Ok(Self {
            device,
            system,
            extent,
            own,
            vestibule,
            tries: Tries::begin(now),
            random,
            cost,
            key: None,
            asked: None,
        })
    }

    /// Answers a question.
    pub fn answer(&mut self, request: Request, now: Duration) -> Answer {
        let answered = match request {
            Request::State => self.standing(now).map(|standing| Answer::State { standing }),
            Request::Open { pin } => self.open(&pin, now),
            Request::Recover { key, pin } => self.recover(&key, &pin),
            Request::SetPin { old, new } => self.set_pin(&old, &new, now),
            Request::Papers => Ok(Answer::Papers {
                papers: self.vestibule.papers().cloned(),
            }),
            Request::Leave { papers } => self
                .vestibule
                .set_papers(&mut self.device, papers, &mut self.random)
                .map(|()| Answer::Done)
                .map_err(Fault::from),
            Request::Hub => Ok(Answer::Hub {
                hub: self.vestibule.hub().cloned(),
            }),
            Request::LeaveHub { hub } => self
                .vestibule
                .set_hub(&mut self.device, hub, &mut self.random)
                .map(|()| Answer::Done)
                .map_err(Fault::from),
            Request::OpeningKey => self.opening_key(),
            Request::AskHub { nonce } => self.ask_hub(nonce),
            Request::HubGave { share } => self.open_by_share(&share),
            Request::HubRefused { why, signature } => self.refused(why, signature),
            Request::SetShare { share } => self.set_share(&share),
            Request::Put { id, message } => match self.vestibule.put(&mut self.device, id, &message) {
                Ok(()) => Ok(Answer::Done),
                Err(VestibuleFault::Full) => Ok(Answer::Full),
                Err(fault) => Err(fault.into()),
            },
            Request::Next { from } => self.next(from),
            Request::Remove { place } => self
                .vestibule
                .remove(&mut self.device, place)
                .map(|()| Answer::Done)
                .map_err(Fault::from),
        };
        answered.unwrap_or_else(|fault| {
            tracing::error!(%fault, "the opener could not do what it was asked");
            Answer::Failed {
                why: fault.to_string(),
            }
        })
    }

    fn header(&mut self) -> Result<Header, Fault> {
        luks::read(&mut self.device, self.extent)?.ok_or(Fault::NoHeader)
    }

    fn standing(&mut self, now: Duration) -> Result<Standing, Fault> {
        let wrong = self.vestibule.wrong();
        let left = self.tries.left(wrong, now);
        let header = self.header()?;
        Ok(Standing {
            is_open: self.system.is_open(),
            has_pin: header.pin_source().is_some(),
            by_hub: header.is_by_hub(),
            has_share: header.has_share(),
            is_revoked: header.is_revoked(),
            wrong,
            wait_seconds: whole_seconds(left),
            waiting: self.vestibule.waiting(),
            is_full: self.vestibule.is_full(),
        })
    }

    /// The volume's key by a PIN. A try counts from before it is made: who cuts the power meanwhile has not had it for
    /// nothing.
    fn try_pin(&mut self, pin: &str, now: Duration) -> Result<Result<VolumeKey, Answer>, Fault> {
        let wrong = self.vestibule.wrong();
        let left = self.tries.left(wrong, now);
        if !left.is_zero() {
            return Ok(Err(Answer::Wait {
                wait_seconds: whole_seconds(left),
            }));
        }
        let header = self.header()?;
        let counted = wrong.saturating_add(1);
        self.vestibule
            .set_wrong(&mut self.device, counted, &mut self.random)?;
        let pin = StartPin::typed(pin).map(|pin| pin.secret(&self.own, header.id));
        let key = match &pin {
            Ok(secret) => header.open(&mut self.device, self.extent, &**secret)?,
            Err(_) => None,
        };
        let Some(key) = key else {
            self.tries = Tries::begin(now);
            return Ok(Err(Answer::WrongPin {
                wait_seconds: whole_seconds(tries::wait_after(counted)),
            }));
        };
        self.vestibule.set_wrong(&mut self.device, 0, &mut self.random)?;
        Ok(Ok(key))
    }

    fn open(&mut self, pin: &str, now: Duration) -> Result<Answer, Fault> {
        if self.system.is_open() {
            return Ok(Answer::Opened);
        }
        match self.try_pin(pin, now)? {
            Ok(key) => self.mount(&key),
            Err(refused) => Ok(refused),
        }
    }

    fn mount(&mut self, key: &VolumeKey) -> Result<Answer, Fault> {
        let header = self.header()?;
        self.system
            .open(self.extent, header.id, key)
            .map_err(Fault::System)?;
        self.keep_for_share(&header, key);
        Ok(Answer::Opened)
    }

    fn recover(&mut self, key: &str, new: &str) -> Result<Answer, Fault> {
        let pin = match StartPin::chosen(new) {
            Ok(pin) => pin,
            Err(fault) => return Ok(bad(fault)),
        };
        // As it is printed, or in groups as somebody wrote it down.
        let typed: zeroize::Zeroizing<String> =
            zeroize::Zeroizing::new(key.chars().filter(char::is_ascii_hexdigit).collect());
        let typed = zeroize::Zeroizing::new(typed.to_ascii_lowercase());
        let header = self.header()?;
        let opened = header.open(&mut self.device, self.extent, typed.as_bytes())?;
        let Some(key) = opened else {
            return Ok(Answer::WrongKey);
        };
        self.change(&key, &pin, header.id)?;
        self.vestibule.set_wrong(&mut self.device, 0, &mut self.random)?;
        if self.system.is_open() {
            return Ok(Answer::Done);
        }
        self.mount(&key)
    }

    fn set_pin(&mut self, old: &str, new: &str, now: Duration) -> Result<Answer, Fault> {
        if !self.system.is_open() {
            return Ok(Answer::NotNow);
        }
        let pin = match StartPin::chosen(new) {
            Ok(pin) => pin,
            Err(fault) => return Ok(bad(fault)),
        };
        let header = self.header()?;
        let key = if header.pin_source().is_some() {
            match self.try_pin(old, now)? {
                Ok(key) => key,
                Err(refused) => return Ok(refused),
            }
        } else {
            let opened = header.open(&mut self.device, self.extent, self.own.secret())?;
            opened.ok_or(Fault::Change(ChangeFault::OtherVolume))?
        };
        self.change(&key, &pin, header.id)?;
        Ok(Answer::Done)
    }

    fn change(&mut self, key: &VolumeKey, pin: &StartPin, volume: [u8; 16]) -> Result<(), Fault> {
        let slot = PinSlot {
            secret: &*pin.secret(&self.own, volume),
            source: self.own.source(),
            cost: self.cost,
        };
        luks::set_pin(&mut self.device, self.extent, key, &slot, &mut self.random)?;
        tracing::info!("the start PIN was set");
        let header = self.header()?;
        self.keep_for_share(&header, key);
        Ok(())
    }

    fn next(&mut self, from: usize) -> Result<Answer, Fault> {
        Ok(match self.vestibule.next(&mut self.device, from)? {
            None => Answer::NoItem,
            Some((place, Item::Whole(id, bytes))) => Answer::Item {
                place,
                id: Some(hex::encode(id)),
                bytes,
            },
            Some((place, Item::Damaged(bytes))) => Answer::Item {
                place,
                id: None,
                bytes,
            },
        })
    }
}

fn bad(fault: PinFault) -> Answer {
    Answer::BadPin {
        why: pin_word(fault).to_owned(),
    }
}

/// Seconds, the last one counted whole: nobody is told that a wait is over before it is.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
