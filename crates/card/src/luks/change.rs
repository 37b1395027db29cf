//! Changes of a header: a start PIN takes the place of the machine's own slot, or of the PIN before it; the hub's share
//! gets a slot beside it; a revoked box keeps none but the county's.
//!
//! A header lies in two copies. The copy that is not the newest is written first and is on the medium before the other
//! is touched, so a cut leaves one that is whole. A slot is named by a token only once it was seen to open the volume,
//! and what a slot held is overwritten only once another one is named: at every point one of the two opens, and the
//! recovery key always does. What a cut leaves half done, [`settle`] ends.

use serde_json::{Value, json};

use super::stretch::{Cost, Stretch};
use super::{
    DEVICE_TOKEN, HEADER, HUB_TOKEN, Header, MARKS, PIN_TOKEN, RECOVERY_TOKEN, REVOKED_TOKEN, ROUNDS,
    SLOTS_MAX, TEXT_MAX, VolumeKey, header_bytes, place, put_slot, read, slot, slot_at,
};
use crate::device::{BLOCK, BlockDevice, DeviceFault};
use crate::mbr::Extent;
use crate::protection::Source;
use crate::random::Random;

/// What a start PIN's slot is made of.
pub struct PinSlot<'a> {
    /// The PIN mixed with the machine's key ([`crate::pin::StartPin::secret`]).
    pub secret: &'a [u8],
    /// Whose key was mixed in.
    pub source: Source,
    /// What one try costs.
    pub cost: Cost,
}

/// Why a header was not changed. What opened the volume before opens it still.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// No header of a volume that a person opens, or not the key of that volume.
    #[error("this is no volume that a person opens by a start PIN, or its key is another one")]
    OtherVolume,
    /// All slots are taken.
    #[error("the volume has no room for another key")]
    NoRoom,
    /// The new slot does not open the volume.
    #[error("the new slot does not open the data: the one before stays; the card may be failing")]
    NotVerified,
    /// There is no start PIN yet, or no recovery key: with this change the data might open by nothing.
    #[error("the volume has no start PIN or no recovery key")]
    NotYet,
}

/// Gives the volume a start PIN. It is in force when this returns, and the machine's own slot or the PIN before it
/// opens nothing any more.
///
/// # Errors
/// [`ChangeFault`].
pub fn set_pin<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    key: &VolumeKey,
    pin: &PinSlot<'_>,
    random: &mut Random,
) -> Result<(), ChangeFault> {
    let stretch = Stretch::by_memory(pin.cost, &*random.draw::<32>());
    let header = by_person(device, extent, key)?;
    let new = NewSlot {
        secret: pin.secret,
        source: pin.source,
        kind: PIN_TOKEN,
    };
    bring(device, extent, header, key, &new, stretch, random)
}

/// Gives a volume that has a start PIN a slot of the hub's share beside it, or puts another share in its place. `secret`
/// is the share mixed with the machine's key ([`crate::share::HubShare::secret`]). It is in force when this returns.
///
/// # Errors
/// [`ChangeFault`].
pub fn set_share<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    key: &VolumeKey,
    secret: &[u8],
    random: &mut Random,
) -> Result<(), ChangeFault> {
    let header = by_person(device, extent, key)?;
    if !header.is_by_hub() {
        return Err(ChangeFault::OtherVolume);
    }
    let source = header.pin_source().ok_or(ChangeFault::NotYet)?;
    let stretch = Stretch::by_rounds(ROUNDS, &*random.draw::<32>());
    let new = NewSlot {
        secret,
        source,
        kind: HUB_TOKEN,
    };
    bring(device, extent, header, key, &new, stretch, random)
}

/// Leaves the volume of a revoked box to the county: the slots of start PIN, hub and machine are overwritten, and only the
/// recovery key opens what is there. Nothing of the data is touched.
///
/// # Errors
/// [`ChangeFault`]; a volume without a recovery key is left as it is.
pub fn leave_to_county<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    random: &mut Random,
) -> Result<(), ChangeFault> {
    let header = read(device, extent)?.ok_or(ChangeFault::OtherVolume)?;
    if !(header.is_ours() && header.is_by_person()) {
        return Err(ChangeFault::OtherVolume);
    }
    let mut header = settle(device, extent, header, random)?;
    if header.is_revoked() {
        return Ok(());
    }
    let source = header.machine_source().ok_or(ChangeFault::OtherVolume)?;
    if !header.has_recovery() {
        return Err(ChangeFault::NotYet);
    }
    header.forget(&[DEVICE_TOKEN, PIN_TOKEN, HUB_TOKEN]);
    header.put_token(json!({ "type": REVOKED_TOKEN, "keyslots": [], "source": source.word() }));
    header.write(device, extent, random)?;
    settle(device, extent, header, random)?;
    Ok(())
}

/// A slot that is to be brought in, and the kind of token that names it.
struct NewSlot<'a> {
    secret: &'a [u8],
    source: Source,
    kind: &'static str,
}

/// The header of a volume that a person opens and that has this key.
fn by_person<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    key: &VolumeKey,
) -> Result<Header, ChangeFault> {
    let header = read(device, extent)?.ok_or(ChangeFault::OtherVolume)?;
    let fits = header.is_ours() && header.is_by_person() && header.confirms(key);
    fits.then_some(header).ok_or(ChangeFault::OtherVolume)
}

/// Writes a slot, sees that it opens the volume, and only then names it; what its token named before is overwritten.
fn bring<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    header: Header,
    key: &VolumeKey,
    new: &NewSlot<'_>,
    stretch: Stretch,
    random: &mut Random,
) -> Result<(), ChangeFault> {
    let mut header = settle(device, extent, header, random)?;
    let number = header.free_slot().ok_or(ChangeFault::NoRoom)?;
    let described = put_slot(device, extent, number, key, new.secret, stretch, random)?;
    header.add_slot(number, described);
    header.write(device, extent, random)?;

    let mut header = read(device, extent)?.ok_or(ChangeFault::OtherVolume)?;
    let opened = header.open_slot(device, extent, &number.to_string(), new.secret)?;
    if opened.as_ref() != Some(key) {
        settle(device, extent, header, random)?;
        return Err(ChangeFault::NotVerified);
    }
    // Who set a start PIN with the recovery key has the county's word.
    header.forget(&[REVOKED_TOKEN]);
    header.put_token(json!({
        "type": new.kind, "keyslots": [number.to_string()], "source": new.source.word(),
    }));
    header.write(device, extent, random)?;
    settle(device, extent, header, random)?;
    Ok(())
}

/// Ends what a cut left half done in the header of a volume that a person opens: a copy that was not written, a slot
/// that no token names, the machine's own slot beside a start PIN. Other volumes are left as they are.
///
/// # Errors
/// What the device reports.
pub fn settle<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    mut header: Header,
    random: &mut Random,
) -> Result<Header, DeviceFault> {
    if !header.is_by_person() || !header.is_ours() {
        return Ok(header);
    }
    if !header.is_twin {
        header.write(device, extent, random)?;
    }
    let dead = header.dead_slots();
    if dead.is_empty() {
        return Ok(header);
    }
    // First the material: a header without the slot would leave it where nobody looks for it.
    for number in &dead {
        if let Some((at, _)) = header.text.keyslots.get(number).and_then(place) {
            scrub(device, extent.at + at, random)?;
        }
    }
    header.drop_slots(&dead);
    header.write(device, extent, random)?;
    Ok(header)
}

fn scrub<D: BlockDevice + ?Sized>(device: &mut D, at: u64, random: &mut Random) -> Result<(), DeviceFault> {
    let mut noise = vec![0; slot::AREA as usize];
    for block in noise.chunks_mut(BLOCK as usize) {
        block.copy_from_slice(&random.draw::<{ BLOCK as usize }>()[..block.len()]);
    }
    device.write_at(at, &noise)?;
    device.flush()
}

impl Header {
    /// Slots that are to open nothing any more.
    pub(super) fn dead_slots(&self) -> Vec<String> {
        let has_pin = self.pin_source().is_some();
        let is_of_machine = |token: &Value| token.get("type") == Some(&json!(DEVICE_TOKEN));
        let named: Vec<&Value> = self
            .text
            .tokens
            .values()
            .filter(|token| !(has_pin && is_of_machine(token)))
            .filter_map(|token| token.get("keyslots")?.as_array())
            .flatten()
            .collect();
        let all = self.text.keyslots.keys();
        all.filter(|number| !named.contains(&&json!(number)))
            .cloned()
            .collect()
    }

    /// The first number whose place no slot takes.
    fn free_slot(&self) -> Option<usize> {
        let taken: Vec<u64> = self
            .text
            .keyslots
            .values()
            .filter_map(|described| Some(place(described)?.0))
            .collect();
        (0..SLOTS_MAX).find(|number| {
            let at = slot_at(*number);
            let is_over = |other: &u64| at < other + slot::AREA && *other < at + slot::AREA;
            !self.text.keyslots.contains_key(&number.to_string()) && !taken.iter().any(is_over)
        })
    }

    fn add_slot(&mut self, number: usize, described: Value) {
        self.text.keyslots.insert(number.to_string(), described);
        self.each_check(|slots| slots.push(json!(number.to_string())));
    }

    /// Lets the digests name other slots.
    fn each_check(&mut self, change: impl Fn(&mut Vec<Value>)) {
        for check in self.text.digests.values_mut() {
            if let Some(slots) = check.get_mut("keyslots").and_then(Value::as_array_mut) {
                change(slots);
            }
        }
    }

    /// Puts a token in the place of the one of its kind, else in a free one.
    fn put_token(&mut self, token: Value) {
        let kind = token.get("type").and_then(Value::as_str).unwrap_or_default();
        let before = self.number_of(kind);
        let mut numbers = (0..SLOTS_MAX).map(|number| number.to_string());
        let free = numbers.find(|number| !self.text.tokens.contains_key(number));
        if let Some(number) = before.or(free) {
            self.text.tokens.insert(number, token);
        }
    }

    /// Drops the tokens of these kinds: what they named opens nothing any more.
    fn forget(&mut self, kinds: &[&str]) {
        let is_meant = |token: &Value| kinds.iter().any(|kind| token.get("type") == Some(&json!(kind)));
        self.text.tokens.retain(|_, token| !is_meant(token));
    }

    /// Whether a slot is there that the county's recovery key opens.
    fn has_recovery(&self) -> bool {
        let slots = self.token(RECOVERY_TOKEN).and_then(|token| token.get("keyslots"));
        let mut slots = slots.and_then(Value::as_array).into_iter().flatten();
        slots.any(|number| {
            let number = number.as_str().unwrap_or_default();
            self.text.keyslots.get(number).and_then(place).is_some()
        })
    }

    fn number_of(&self, kind: &str) -> Option<String> {
        let mut tokens = self.text.tokens.iter();
        let found = tokens.find(|(_, token)| token.get("type") == Some(&json!(kind)));
        found.map(|(number, _)| number.clone())
    }

    fn drop_slots(&mut self, dead: &[String]) {
        self.text.keyslots.retain(|number, _| !dead.contains(number));
        let is_dead = |number: &Value| {
            number
                .as_str()
                .is_some_and(|text| dead.iter().any(|dead| dead == text))
        };
        self.each_check(|slots| slots.retain(|number| !is_dead(number)));
        self.text.tokens.retain(|_, token| {
            if let Some(slots) = token.get_mut("keyslots").and_then(Value::as_array_mut) {
                slots.retain(|number| !is_dead(number));
                return !slots.is_empty() || MARKS.iter().any(|kind| token.get("type") == Some(&json!(kind)));
            }
            true
        });
    }

    /// Writes both copies under the next number, the one that is not the newest first.
    fn write<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        extent: Extent,
        random: &mut Random,
    ) -> Result<(), DeviceFault> {
        let text = json!(self.text).to_string();
        if text.len() > TEXT_MAX {
            return Err(DeviceFault::Other(
                "the header of the data has no room".to_owned(),
            ));
        }
        self.sequence = self.sequence.saturating_add(1);
        for copy in [1 - self.copy, self.copy] {
            let at = copy as u64 * HEADER;
            let bytes = header_bytes(copy, at, self.sequence, self.id, &random.draw::<64>(), &text);
            device.write_at(extent.at + at, &bytes)?;
            device.flush()?;
        }
        self.is_twin = true;
        Ok(())
    }
}
