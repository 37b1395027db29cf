//! Changes of a header: a start PIN takes the place of the machine's own slot, or of the PIN before it.
//!
//! A header lies in two copies. The copy that is not the newest is written first and is on the medium before the other
//! is touched, so a cut leaves one that is whole. A slot is named by a token only once it was seen to open the volume,
//! and what a slot held is overwritten only once another one is named: at every point one of the two opens, and the
//! recovery key always does. What a cut leaves half done, [`settle`] ends.

use serde_json::{Value, json};

use super::stretch::{Cost, Stretch};
use super::{
    DEVICE_TOKEN, HEADER, Header, PERSON_TOKEN, PIN_TOKEN, SLOTS_MAX, TEXT_MAX, VolumeKey, header_bytes,
    place, put_slot, read, slot, slot_at,
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
    #[error("the new start PIN does not open the data: the one before stays; the card may be failing")]
    NotVerified,
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
    let header = read(device, extent)?.ok_or(ChangeFault::OtherVolume)?;
    if !(header.is_ours() && header.is_by_person() && header.confirms(key)) {
        return Err(ChangeFault::OtherVolume);
    }
    let mut header = settle(device, extent, header, random)?;
    let number = header.free_slot().ok_or(ChangeFault::NoRoom)?;
    let stretch = Stretch::by_memory(pin.cost, &*random.draw::<32>());
    let described = put_slot(device, extent, number, key, pin.secret, stretch, random)?;
    header.add_slot(number, described);
    header.write(device, extent, random)?;

    let mut header = read(device, extent)?.ok_or(ChangeFault::OtherVolume)?;
    let opened = header.open_slot(device, extent, &number.to_string(), pin.secret)?;
    if opened.as_ref() != Some(key) {
        settle(device, extent, header, random)?;
        return Err(ChangeFault::NotVerified);
    }
    header.name_pin(number, pin.source);
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

    /// Says that the PIN opens this slot and no other.
    fn name_pin(&mut self, number: usize, source: Source) {
        let token = json!({ "type": PIN_TOKEN, "keyslots": [number.to_string()], "source": source.word() });
        let before = self.number_of(PIN_TOKEN);
        let mut numbers = (0..SLOTS_MAX).map(|number| number.to_string());
        let free = numbers.find(|number| !self.text.tokens.contains_key(number));
        if let Some(number) = before.or(free) {
            self.text.tokens.insert(number, token);
        }
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
                return !slots.is_empty() || token.get("type") == Some(&json!(PERSON_TOKEN));
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
