//! The hub's share of an opening, and the slots of a revoked box: brought in and overwritten on a card whose power is cut
//! at every write.

use zeroize::Zeroizing;

use super::encrypted::{RECOVERY, board, cryptsetup_key, make_with};
use super::*;
use crate::file_device::FileDevice;
use crate::luks::{self, ChangeFault, Cost, Header, OpenedBy, PinSlot, VolumeKey};
use crate::pin::StartPin;
use crate::protection::{DeviceKey, DeviceKeys, Source};
use crate::random::Random;
use crate::share::HubShare;

const ID: [u8; 16] = [5; 16];
const PIN: &str = "482759";

fn random() -> Random {
    Random::new(Zeroizing::new([9; 32]))
}

fn own() -> DeviceKey {
    board(0).strongest().unwrap()
}

fn extent() -> Extent {
    layout().data_for(CAPACITY).unwrap()
}

fn by_pin() -> Zeroizing<[u8; 32]> {
    StartPin::typed(PIN).unwrap().secret(&own(), ID)
}

fn by_share(byte: u8) -> Zeroizing<[u8; 32]> {
    HubShare::new(Zeroizing::new([byte; 32])).secret(&own(), ID)
}

fn volume(opened_by: OpenedBy) -> (LoggedCard, VolumeKey) {
    let mut card = card(&release(1));
    let key = make_with(&mut card, extent(), ID, &own(), opened_by).unwrap();
    (card.settled(), key)
}

fn set_pin<D: BlockDevice + ?Sized>(device: &mut D, extent: Extent, key: &VolumeKey) {
    let slot = PinSlot {
        secret: &*by_pin(),
        source: own().source(),
        cost: Cost::new(64, 1).unwrap(),
    };
    luks::set_pin(device, extent, key, &slot, &mut random()).unwrap();
}

fn set_share<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    key: &VolumeKey,
    byte: u8,
) -> Result<(), ChangeFault> {
    luks::set_share(device, extent, key, &*by_share(byte), &mut random())
}

/// A volume that start PIN and share open.
fn shared() -> (LoggedCard, VolumeKey) {
    let (mut card, key) = volume(OpenedBy::PersonOrHub);
    set_pin(&mut card, extent(), &key);
    set_share(&mut card, extent(), &key, 1).unwrap();
    (card.settled(), key)
}

fn header(card: &mut LoggedCard) -> Header {
    luks::read(card, extent()).unwrap().unwrap()
}

/// What the next start makes of the header first.
fn settled(card: &mut LoggedCard) -> Header {
    let header = header(card);
    luks::settle(card, extent(), header, &mut random()).unwrap()
}

/// What opens a volume by one of its headers: the machine, the PIN, each of two shares, the recovery key.
fn opens_by(card: &mut LoggedCard, header: &Header, key: &VolumeKey) -> [bool; 5] {
    let secrets = [
        own().secret().to_vec(),
        by_pin().to_vec(),
        by_share(1).to_vec(),
        by_share(2).to_vec(),
        RECOVERY.as_bytes().to_vec(),
    ];
    secrets.map(|secret| {
        let opened = header.open(card, extent(), &secret).unwrap();
        assert!(opened.is_none() || opened.as_ref() == Some(key), "another key");
        opened.is_some()
    })
}

/// In the middle of a slot's 256 sectors all states are of one kind: few of them are enough.
const RARE: u32 = 601;

fn is_looked_at(number: u32) -> bool {
    number.is_multiple_of(RARE) || (number < RARE && number.is_multiple_of(13))
}

/// Cuts a change at a sample of its writes, and what the next start does about it again; `judge` is told what opens the
/// volume then, by its header and by the header of before, and says which of two kinds it is.
fn cut(changed: &LoggedCard, before: &Header, key: &VolumeKey, judge: impl Fn([bool; 5], [bool; 5]) -> bool) {
    let look = |card: &mut LoggedCard| {
        let now = settled(card);
        judge(opens_by(card, &now, key), opens_by(card, before, key))
    };
    let (mut number, mut kinds, mut again) = (0_u32, [0, 0], 0);
    let count = changed.cuts(7, |mut card| {
        number += 1;
        if !is_looked_at(number) {
            return;
        }
        let mut ending = card.clone().settled();
        let is_new = look(&mut card);
        kinds[usize::from(is_new)] += 1;
        settled(&mut ending);
        if ending.events() > 0 && number.is_multiple_of(5 * RARE) {
            let mut step = 0_u32;
            ending.cuts(3, |mut card| {
                step += 1;
                if step.is_multiple_of(1999) {
                    again += 1;
                    assert_eq!(look(&mut card), is_new);
                }
            });
        }
    });
    assert!(
        count > 5000 && kinds.iter().all(|kind| *kind > 10) && again > 3,
        "{count} {kinds:?} {again}"
    );
}

#[test]
fn a_cut_while_the_hubs_share_is_set_leaves_the_pin_as_it_was_and_the_recovery_key() {
    let (mut card, key) = volume(OpenedBy::PersonOrHub);
    set_pin(&mut card, extent(), &key);
    let mut card = card.settled();
    let before = header(&mut card);
    set_share(&mut card, extent(), &key, 1).unwrap();
    let (mut number, mut with) = (0_u32, [0, 0]);
    card.cuts(7, |mut card| {
        number += 1;
        if is_looked_at(number) || (header(&mut card).has_share() && number.is_multiple_of(7)) {
            let now = settled(&mut card);
            let [machine, pin, share, _, recovery] = opens_by(&mut card, &now, &key);
            assert!(!machine && pin && recovery);
            // It is named only once it opens, and what is not named opens nothing.
            assert_eq!(now.has_share(), share);
            assert!(opens_by(&mut card, &before, &key)[1]);
            with[usize::from(share)] += 1;
        }
    });
    assert!(with.iter().all(|count| *count > 3), "{with:?}");
}

#[test]
fn a_cut_while_another_share_takes_its_place_leaves_one_of_the_two() {
    let (mut card, key) = shared();
    let before = header(&mut card);
    set_share(&mut card, extent(), &key, 2).unwrap();
    cut(&card, &before, &key, |now, by_before| {
        let [machine, pin, old, new, recovery] = now;
        assert!(!machine && pin && recovery && old != new, "{now:?}");
        assert_eq!(by_before[2], old, "what the old slot held");
        new
    });
}

#[test]
fn a_cut_while_a_revoked_box_is_left_to_the_county_leaves_it_as_it_was_or_by_the_recovery_key_alone() {
    let (mut card, key) = shared();
    let before = header(&mut card);
    luks::leave_to_county(&mut card, extent(), &mut random()).unwrap();
    cut(&card, &before, &key, |now, by_before| {
        let as_before = now == [false, true, true, false, true];
        assert!(as_before || now == [false, false, false, false, true], "{now:?}");
        // A header that somebody kept finds nothing more in the slots.
        assert_eq!(by_before, now);
        !as_before
    });
}

#[test]
fn a_revoked_box_without_a_pin_is_left_to_the_county_and_a_pin_by_the_recovery_key_ends_that() {
    for opened_by in [OpenedBy::Person, OpenedBy::PersonOrHub] {
        let (mut card, key) = volume(opened_by);
        luks::leave_to_county(&mut card, extent(), &mut random()).unwrap();
        let left = settled(&mut card);
        assert_eq!(
            opens_by(&mut card, &left, &key),
            [false, false, false, false, true]
        );
        assert!(left.is_revoked() && left.is_by_person());
        // The vestibule is still there for the locked pages.
        assert_eq!(left.machine_source(), Some(Source::Otp));
        let mut card = card.settled();
        luks::leave_to_county(&mut card, extent(), &mut random()).unwrap();
        assert_eq!(card.events(), 0, "a second word changes nothing");
        set_pin(&mut card, extent(), &key);
        let now = settled(&mut card);
        assert!(!now.is_revoked());
        assert_eq!(opens_by(&mut card, &now, &key), [false, true, false, false, true]);
    }
}

#[test]
fn only_a_volume_that_the_hub_may_open_takes_a_share_and_only_beside_a_pin() {
    let (mut card, key) = volume(OpenedBy::PersonOrHub);
    assert_eq!(
        set_share(&mut card, extent(), &key, 1),
        Err(ChangeFault::NotYet),
        "before there is a PIN"
    );
    let (mut card, key) = volume(OpenedBy::Person);
    set_pin(&mut card, extent(), &key);
    assert!(!header(&mut card).is_by_hub());
    assert_eq!(
        set_share(&mut card, extent(), &key, 1),
        Err(ChangeFault::OtherVolume)
    );
    let (mut card, key) = volume(OpenedBy::Machine);
    assert_eq!(
        set_share(&mut card, extent(), &key, 1),
        Err(ChangeFault::OtherVolume)
    );
    let left = luks::leave_to_county(&mut card, extent(), &mut random());
    assert_eq!(left, Err(ChangeFault::OtherVolume), "its machine opens it");
}

#[test]
fn neither_the_share_nor_the_machine_opens_alone_and_both_do_through_any_change_of_the_pin() {
    let (mut card, key) = shared();
    let now = header(&mut card);
    assert!(now.is_by_hub() && now.has_share());
    let by = |card: &mut LoggedCard, secret: &[u8]| {
        let header = header(card);
        header.open_by_share(card, extent(), secret).unwrap()
    };
    let other = board(1).strongest().unwrap();
    let share = HubShare::new(Zeroizing::new([1; 32]));
    assert_eq!(by(&mut card, share.bytes()), None, "without the machine");
    assert_eq!(by(&mut card, own().secret()), None, "without the hub");
    assert_eq!(by(&mut card, &*share.secret(&other, ID)), None, "another machine");
    assert_eq!(
        by(&mut card, &*by_pin()),
        None,
        "the slot of the PIN is another one"
    );
    assert_eq!(by(&mut card, &*by_share(1)), Some(key.clone()));
    for _ in 0..9 {
        set_pin(&mut card, extent(), &key);
        set_share(&mut card, extent(), &key, 2).unwrap();
    }
    assert_eq!(by(&mut card, &*by_share(1)), None);
    assert_eq!(by(&mut card, &*by_share(2)), Some(key));
}

#[test]
fn cryptsetup_opens_the_slot_of_a_share_and_none_but_the_countys_once_the_box_was_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    std::fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let extent = Extent { at: 0, len: 64 << 20 };
    let mut device = FileDevice::open_in_use(&path).unwrap();
    let key = make_with(&mut device, extent, ID, &own(), OpenedBy::PersonOrHub).unwrap();
    set_pin(&mut device, extent, &key);
    set_share(&mut device, extent, &key, 1).unwrap();
    assert_eq!(cryptsetup_key(&path, &*by_share(1)).unwrap(), *key.to_hex());
    luks::leave_to_county(&mut device, extent, &mut random()).unwrap();
    for secret in [&*by_pin(), &*by_share(1)] {
        assert_eq!(cryptsetup_key(&path, secret), None);
    }
    assert_eq!(cryptsetup_key(&path, RECOVERY.as_bytes()).unwrap(), *key.to_hex());
}
