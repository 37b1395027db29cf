//! What the opener has to do with the county's hub. It has no network: the box's programs carry what is said, and the opener
//! makes each question and believes only an answer to it that the hub itself signed.

use card::BlockDevice;
use card::luks::{self, Header, VolumeKey};
use card::share::HubShare;
use records::ids::DeviceId;
use sync_core::identity::{DeviceKey, DevicePublicKey};
use sync_core::wire::{Meeting, ShareAsk, ShareRefusal, ShareWhy};

use super::protocol::Answer;
use super::{Fault, Opener, System};

/// A question that was made.
pub(super) struct Question {
    meeting: Meeting,
    nonce: [u8; 32],
    /// Whose answer counts.
    hub: [u8; 32],
}

impl<D: BlockDevice, S: System> Opener<D, S> {
    fn own_opening_key(&mut self) -> Result<DeviceKey, Fault> {
        let seed = self.vestibule.opening_seed(&mut self.device, &mut self.random)?;
        Ok(DeviceKey::from_seed(&seed))
    }

    pub(super) fn opening_key(&mut self) -> Result<Answer, Fault> {
        let key = self.own_opening_key()?.public().to_bytes();
        Ok(Answer::OpeningKey { key })
    }

    /// Makes the question of this box to its hub.
    pub(super) fn ask_hub(&mut self, nonce: [u8; 32]) -> Result<Answer, Fault> {
        let Some(hub) = self.vestibule.hub().cloned() else {
            return Ok(Answer::NotNow);
        };
        let meeting = Meeting {
            county: hub.county,
            device: DeviceId(hub.device),
            nonce,
        };
        let nonce = *self.random.draw::<32>();
        let ask = ShareAsk::sign(&self.own_opening_key()?, &meeting, nonce);
        self.asked = Some(Question {
            meeting,
            nonce,
            hub: hub.hub,
        });
        Ok(Answer::Question {
            key: ask.key,
            nonce: ask.nonce,
            signature: ask.signature,
        })
    }

    /// Opens the data with the hub's share. Nobody guesses one, so a wrong one costs no wait.
    pub(super) fn open_by_share(&mut self, share: &str) -> Result<Answer, Fault> {
        if self.system.is_open() {
            return Ok(Answer::Opened);
        }
        let Some(share) = HubShare::from_hex(share) else {
            return Ok(Answer::WrongKey);
        };
        let header = self.header()?;
        match self.key_by_share(&header, &share)? {
            Some(key) => {
                tracing::info!("the hub's share opens the data");
                self.mount(&key)
            }
            None => Ok(Answer::WrongKey),
        }
    }

    fn key_by_share(&mut self, header: &Header, share: &HubShare) -> Result<Option<VolumeKey>, Fault> {
        let secret = share.secret(&self.own, header.id);
        Ok(header.open_by_share(&mut self.device, self.extent, &*secret)?)
    }

    /// Keeps the volume's key while the hub's share has no slot yet; the kernel has it as well, for as long.
    pub(super) fn keep_for_share(&mut self, header: &Header, key: &VolumeKey) {
        self.key = header.is_by_hub().then(|| key.clone());
    }

    /// Lets a share that the hub keeps open the data from now on.
    pub(super) fn set_share(&mut self, share: &str) -> Result<Answer, Fault> {
        let Some(share) = HubShare::from_hex(share) else {
            return Ok(Answer::WrongKey);
        };
        let header = self.header()?;
        let can_have = self.system.is_open() && header.is_by_hub() && header.pin_source().is_some();
        if !can_have {
            return Ok(Answer::NotNow);
        }
        if self.key_by_share(&header, &share)?.is_some() {
            return Ok(Answer::Done);
        }
        let Some(key) = self.key.clone() else {
            return Ok(Answer::NotNow);
        };
        let secret = share.secret(&self.own, header.id);
        luks::set_share(&mut self.device, self.extent, &key, &*secret, &mut self.random)?;
        tracing::info!("the hub's share opens the data from now on");
        Ok(Answer::Done)
    }

    /// What the hub refused. Where it says, in answer to our question and under its own signature, that the county revoked
    /// this box, the data are left to the county, and the machine starts anew where they were open.
    pub(super) fn refused(&mut self, why: u8, signature: [u8; 64]) -> Result<Answer, Fault> {
        let refusal = ShareRefusal {
            why: ShareWhy::from_number(why),
            signature,
        };
        // Each question has one answer.
        let is_believed = self.asked.take().is_some_and(|asked| {
            let hub = DevicePublicKey::from_slice(&asked.hub);
            hub.is_ok_and(|hub| refusal.verify(hub, &asked.meeting, &asked.nonce).is_ok())
        });
        if !is_believed {
            return Ok(Answer::NotBelieved);
        }
        if refusal.why != ShareWhy::Revoked {
            return Ok(Answer::Done);
        }
        tracing::warn!("the county revoked this box: its data are left to the county's recovery key");
        luks::leave_to_county(&mut self.device, self.extent, &mut self.random)?;
        self.key = None;
        if self.system.is_open() {
            self.system.start_anew();
        }
        Ok(Answer::Revoked)
    }
}
