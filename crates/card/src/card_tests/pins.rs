//! Start PINs: set and changed on a card whose power is cut at every write, tried on another machine, and opened by
//! another program than ours.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::encrypted::{RECOVERY, board, cryptsetup_key, make_with};
use super::*;
use crate::device::DeviceFault;
use crate::file_device::FileDevice;
use crate::luks::{self, ChangeFault, Cost, Header, OpenedBy, PinSlot, VolumeKey};
use crate::pin::StartPin;
use crate::protection::{DeviceKey, DeviceKeys, Source};
use crate::random::Random;

const ID: [u8; 16] = [5; 16];

fn random() -> Random {
    Random::new(Zeroizing::new([9; 32]))
}

fn own() -> DeviceKey {
    board(0).strongest().unwrap()
}

fn secret(pin: &str) -> Zeroizing<[u8; 32]> {
    StartPin::typed(pin).unwrap().secret(&own(), ID)
}

/// Sets a PIN at a cost that a test can pay a thousand times.
fn set<D: BlockDevice + ?Sized>(device: &mut D, key: &VolumeKey, pin: &str) -> Result<(), ChangeFault> {
    let slot = PinSlot {
        secret: &*secret(pin),
        source: own().source(),
        cost: Cost::new(64, 1).unwrap(),
    };
    luks::set_pin(device, extent(), key, &slot, &mut random())
}

fn extent() -> Extent {
    layout().data_for(CAPACITY).unwrap()
}

fn volume() -> (LoggedCard, VolumeKey) {
    let mut card = card(&release(1));
    let key = make_with(&mut card, extent(), ID, &own(), OpenedBy::Person).unwrap();
    (card.settled(), key)
}

fn settled(card: &mut LoggedCard) -> Header {
    let header = luks::read(card, extent()).unwrap().unwrap();
    luks::settle(card, extent(), header, &mut random()).unwrap()
}

fn opens(card: &mut LoggedCard, secret: &[u8]) -> Option<VolumeKey> {
    let header = luks::read(card, extent()).unwrap().unwrap();
    header.open(card, extent(), secret).unwrap()
}

/// After a cut and the next start, exactly one of these opens the volume, and the recovery key does. Where it is the new
/// one, the old one opens nothing by the header of before either: its slot is overwritten.
fn one_opens(card: &mut LoggedCard, before: &Header, key: &VolumeKey, old: &[u8], new: &[u8]) -> bool {
    settled(card);
    let by_before = before.open(card, extent(), old).unwrap().is_some();
    assert_eq!(by_before, opens(card, old).is_some(), "what the old slot held");
    assert_eq!(opens(card, RECOVERY.as_bytes()).as_ref(), Some(key));
    let (old, new) = (opens(card, old), opens(card, new));
    assert!(
        old.is_some() != new.is_some(),
        "{} {}",
        old.is_some(),
        new.is_some()
    );
    assert_eq!(old.or(new.clone()).as_ref(), Some(key));
    new.is_some()
}

/// Cuts a change at every write, and what ends it at every write again.
fn cut(changed: &LoggedCard, before: &Header, key: &VolumeKey, old: &[u8], new: &[u8]) {
    let (mut number, mut by_old, mut by_new, mut again) = (0_u32, 0, 0, 0);
    let count = changed.cuts(7, |mut card| {
        number += 1;
        // In the middle of a slot's 256 sectors all states are of one kind: a sample of them is enough.
        if !number.is_multiple_of(97) {
            return;
        }
        let left = card.clone().settled();
        let is_new = one_opens(&mut card, before, key, old, new);
        by_old += u32::from(!is_new);
        by_new += u32::from(is_new);
        let mut ending = left;
        settled(&mut ending);
        if ending.events() > 0 && number.is_multiple_of(97 * 13) {
            let mut step = 0_u32;
            ending.cuts(3, |mut card| {
                step += 1;
                if step.is_multiple_of(499) {
                    again += 1;
                    assert_eq!(one_opens(&mut card, before, key, old, new), is_new);
                }
            });
        }
    });
    assert!(
        count > 5000 && by_old > 20 && by_new > 20 && again > 5,
        "{count} {by_old} {by_new} {again}"
    );
}

#[test]
fn a_cut_while_the_first_start_pin_is_set_leaves_the_machine_or_the_pin_and_the_recovery_key() {
    let (mut card, key) = volume();
    let before = luks::read(&mut card, extent()).unwrap().unwrap();
    set(&mut card, &key, "482759").unwrap();
    cut(&card, &before, &key, own().secret(), &*secret("482759"));
}

#[test]
fn a_cut_while_a_start_pin_is_changed_leaves_the_old_or_the_new_one_and_the_recovery_key() {
    let (mut card, key) = volume();
    set(&mut card, &key, "482759").unwrap();
    let mut card = card.settled();
    let before = luks::read(&mut card, extent()).unwrap().unwrap();
    set(&mut card, &key, "红旗渠1969年").unwrap();
    cut(&card, &before, &key, &*secret("482759"), &*secret("红旗渠1969年"));
}

#[test]
fn a_header_of_which_one_copy_stayed_behind_is_never_taken_back_by_a_cut() {
    let (mut card, key) = volume();
    let before = luks::read(&mut card, extent()).unwrap().unwrap();
    let behind = extent().at + (16 << 10);
    let mut old = vec![0; 16 << 10];
    card.read_at(behind, &mut old).unwrap();
    set(&mut card, &key, "482759").unwrap();
    card.write_at(behind, &old).unwrap();
    let mut card = card.settled();
    settled(&mut card);
    let mut number = 0_u32;
    let count = card.cuts(13, |mut card| {
        number += 1;
        if number.is_multiple_of(7) {
            assert!(one_opens(
                &mut card,
                &before,
                &key,
                own().secret(),
                &*secret("482759")
            ));
        }
    });
    assert!(count > 500, "{count}");
}

#[test]
fn with_a_start_pin_the_machine_alone_opens_nothing_and_nothing_of_its_slot_is_left() {
    let (mut card, key) = volume();
    let header = luks::read(&mut card, extent()).unwrap().unwrap();
    assert!(header.is_by_person() && header.source().is_some() && header.pin_source().is_none());
    let slot = extent().at + (32 << 10);
    let mut before = vec![0; 128 << 10];
    card.read_at(slot, &mut before).unwrap();
    set(&mut card, &key, "482759").unwrap();
    let header = luks::read(&mut card, extent()).unwrap().unwrap();
    assert!(header.is_by_person() && header.is_ours());
    assert_eq!((header.source(), header.pin_source()), (None, Some(Source::Otp)));
    assert_eq!(opens(&mut card, own().secret()), None);
    assert_eq!(opens(&mut card, &*secret("482758")), None);
    assert_eq!(opens(&mut card, b"482759"), None, "the PIN without the machine");
    let other = board(1).strongest().unwrap();
    assert_eq!(
        opens(&mut card, &*StartPin::typed("482759").unwrap().secret(&other, ID)),
        None
    );
    assert_eq!(opens(&mut card, &*secret("482759")), Some(key.clone()));
    let mut after = vec![0; 128 << 10];
    card.read_at(slot, &mut after).unwrap();
    let same = before
        .chunks(16)
        .zip(after.chunks(16))
        .filter(|(old, new)| old == new)
        .count();
    assert_eq!(same, 0, "pieces of the machine's slot");
    // As often as somebody likes: places of old slots are taken again.
    for pin in [
        "102938", "564738", "482759", "102938", "998877a", "564738", "482759", "1a2b3c", "7g6f5d",
    ] {
        set(&mut card, &key, pin).unwrap();
        assert_eq!(opens(&mut card, &*secret(pin)), Some(key.clone()));
    }
    assert_eq!(opens(&mut card, &*secret("482759")), None);
}

#[test]
fn a_volume_that_its_machine_opens_takes_no_start_pin_and_is_not_settled() {
    let mut card = card(&release(1));
    let key = make_with(&mut card, extent(), ID, &own(), OpenedBy::Machine).unwrap();
    let mut card = card.settled();
    assert_eq!(set(&mut card, &key, "482759"), Err(ChangeFault::OtherVolume));
    settled(&mut card);
    assert_eq!(card.events(), 0);
    let (mut card, _) = volume();
    assert_eq!(
        set(&mut card, &key, "482759"),
        Ok(()),
        "the same seed, the same key"
    );
    let other = luks::make(
        &mut card,
        extent(),
        &super::encrypted::new([6; 16], &own(), OpenedBy::Person),
        &mut random(),
    );
    assert_eq!(set(&mut card, &key, "482759"), Err(ChangeFault::OtherVolume));
    assert_ne!(other.unwrap(), key);
}

/// A card that takes no writes where the slot of a first PIN lies, and does not say so.
struct Deaf(LoggedCard);

impl BlockDevice for Deaf {
    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn grain(&self) -> u64 {
        self.0.grain()
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
        self.0.read_at(at, into)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault> {
        let third = extent().at + (32 << 10) + 2 * (128 << 10);
        if at == third {
            return Ok(());
        }
        self.0.write_at(at, bytes)
    }

    fn flush(&mut self) -> Result<(), DeviceFault> {
        self.0.flush()
    }
}

#[test]
fn a_pin_that_the_card_did_not_keep_takes_nobodys_place() {
    let (card, key) = volume();
    let mut card = Deaf(card);
    assert_eq!(set(&mut card, &key, "482759"), Err(ChangeFault::NotVerified));
    let header = luks::read(&mut card.0, extent()).unwrap().unwrap();
    assert_eq!((header.source(), header.pin_source()), (Some(Source::Otp), None));
    assert_eq!(opens(&mut card.0, own().secret()), Some(key));
    assert_eq!(opens(&mut card.0, &*secret("482759")), None);
}

#[test]
fn cryptsetup_opens_the_slot_of_a_start_pin_and_finds_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    std::fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let extent = Extent { at: 0, len: 64 << 20 };
    let mut device = FileDevice::open_in_use(&path).unwrap();
    let key = make_with(&mut device, extent, ID, &own(), OpenedBy::Person).unwrap();
    let slot = PinSlot {
        secret: &*secret("482759"),
        source: own().source(),
        cost: Cost::BOX,
    };
    luks::set_pin(&mut device, extent, &key, &slot, &mut random()).unwrap();
    drop(device);
    assert_eq!(cryptsetup_key(&path, &*secret("482759")).unwrap(), *key.to_hex());
    assert_eq!(cryptsetup_key(&path, RECOVERY.as_bytes()).unwrap(), *key.to_hex());
    assert_eq!(cryptsetup_key(&path, own().secret()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever PINs were set one after the other: the last one opens, none before it does.
    #[test]
    fn the_last_start_pin_opens_and_none_before_it(pins in proptest::collection::vec(0_u8..5, 1..7)) {
        let (mut card, key) = volume();
        let text = |pin: u8| format!("10293{pin}");
        for pin in &pins {
            set(&mut card, &key, &text(*pin)).unwrap();
        }
        for pin in 0..5 {
            let is_last = pins.last() == Some(&pin);
            prop_assert_eq!(opens(&mut card, &*secret(&text(pin))).is_some(), is_last);
        }
        prop_assert_eq!(opens(&mut card, RECOVERY.as_bytes()), Some(key));
    }
}
