//! Encrypted volumes: made at a first start that is cut at every write, opened by the right keys only, and opened by
//! another program than ours.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use zeroize::Zeroizing;

use super::*;
use crate::device::DeviceFault;
use crate::file_device::FileDevice;
use crate::first_start::{self, Mark};
use crate::luks::{self, DATA_OFFSET, New, OpenedBy, VolumeKey};
use crate::protection::{DeviceKey, DeviceKeys, Source};
use crate::random::Random;
use crate::state::Data;

pub(super) const RECOVERY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A machine with these keys.
pub(super) struct Board(Vec<(Source, Vec<u8>)>);

impl DeviceKeys for Board {
    fn bytes(&self, source: Source) -> Option<Zeroizing<Vec<u8>>> {
        let found = self.0.iter().find(|(has, _)| *has == source);
        found.map(|(_, bytes)| Zeroizing::new(bytes.clone()))
    }
}

pub(super) fn board(number: u8) -> Board {
    let otp = (0..32).map(|byte: u8| byte ^ number).collect();
    Board(vec![
        (Source::Serial, b"10000000abcd1234\0".to_vec()),
        (Source::Otp, otp),
    ])
}

fn make<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    id: [u8; 16],
    key: &DeviceKey,
) -> Result<VolumeKey, DeviceFault> {
    make_with(device, extent, id, key, OpenedBy::Machine)
}

pub(super) fn new(id: [u8; 16], key: &DeviceKey, opened_by: OpenedBy) -> New<'_> {
    New {
        id,
        device_key: key,
        recovery: RECOVERY,
        sealed: "sealed",
        opened_by,
    }
}

pub(super) fn make_with<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    id: [u8; 16],
    key: &DeviceKey,
    opened_by: OpenedBy,
) -> Result<VolumeKey, DeviceFault> {
    let mut random = Random::new(Zeroizing::new([id[0]; 32]));
    luks::make(device, extent, &new(id, key, opened_by), &mut random)
}

/// An encrypted volume, and behind it a block that stands for the file system.
struct Sealed;

impl<D: BlockDevice + ?Sized> Volume<D> for Sealed {
    fn make(&mut self, device: &mut D, extent: Extent, id: [u8; 16]) -> Result<(), DataFault> {
        make(device, extent, id, &board(0).strongest().unwrap())?;
        device.write_at(extent.at + DATA_OFFSET, &[0xf5; BLOCK as usize])?;
        Ok(())
    }

    fn find(&mut self, device: &mut D, extent: Extent) -> Result<Option<[u8; 16]>, DataFault> {
        Ok(luks::read(device, extent)?.map(|header| header.id))
    }
}

fn block_at(card: &mut LoggedCard, at: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    card.read_at(at, &mut block).unwrap();
    block
}

#[test]
fn a_cut_at_any_write_of_an_encrypted_first_start_never_costs_data_and_never_leaves_a_volume_that_does_not_open()
 {
    let mut first = card(&release(1));
    let mut state = State::read(&mut first).unwrap();
    let ready = first_start::start(&mut first, &mut state, &mut Sealed, [5; 16]).unwrap();
    let (extent, data) = (ready.extent, ready.extent.at + DATA_OFFSET + BLOCK);
    first.write_at(data, &[0xda; BLOCK as usize]).unwrap();
    first.flush().unwrap();
    let mark = layout().data_mark();
    let (mut number, mut made, mut opened) = (0_u32, 0, 0);
    let count = first.cuts(7, |mut card| {
        number += 1;
        let had_data = block_at(&mut card, data) == [0xda; BLOCK as usize];
        let before = State::read(&mut card).unwrap();
        let marked = Mark::parse(&crate::device::read_sector(&mut card, mark).unwrap());
        // In the middle of a slot's 256 sectors all states are of one kind: a sample of them is enough.
        let is_plain = before.data == Data::Blank && marked == Some(Mark::Blank);
        if is_plain && !had_data && !number.is_multiple_of(101) {
            return;
        }
        let mut state = before;
        let again = first_start::start(&mut card, &mut state, &mut Sealed, [6; 16]).unwrap();
        assert!(!(had_data && again.is_new), "made over data");
        assert_eq!(again.extent, extent);
        made += u32::from(again.is_new);
        opened += u32::from(!again.is_new);
        let header = luks::read(&mut card, extent).unwrap().unwrap();
        assert_eq!(header.id, if again.is_new { [6; 16] } else { [5; 16] });
        let key = board(0).key(header.source().unwrap()).unwrap();
        assert!(header.open(&mut card, extent, key.secret()).unwrap().is_some());
        assert_eq!(
            block_at(&mut card, extent.at + DATA_OFFSET),
            [0xf5; BLOCK as usize]
        );
    });
    assert!(
        count > 5000 && made > 10 && opened > 50,
        "{count} {made} {opened}"
    );
}

#[test]
fn a_volume_opens_with_its_machine_and_with_the_recovery_key_and_with_nothing_else() {
    let mut card = card(&release(1));
    let extent = layout().data_for(CAPACITY).unwrap();
    assert!(luks::read(&mut card, extent).unwrap().is_none());
    let key = make(&mut card, extent, [5; 16], &board(0).strongest().unwrap()).unwrap();
    let header = luks::read(&mut card, extent).unwrap().unwrap();
    assert!(header.is_ours());
    assert_eq!(header.source(), Some(Source::Otp), "the stronger of two");
    assert_eq!(header.sealed_recovery(), Some("sealed"));
    let mut open = |secret: &[u8]| header.open(&mut card, extent, secret).unwrap();
    assert_eq!(
        open(board(0).key(Source::Otp).unwrap().secret()),
        Some(key.clone())
    );
    assert_eq!(open(RECOVERY.as_bytes()), Some(key.clone()));
    assert_eq!(open(board(1).key(Source::Otp).unwrap().secret()), None);
    assert_eq!(open(board(0).key(Source::Serial).unwrap().secret()), None);
    assert_eq!(open(b""), None);
    // Nothing of the keys lies on the card in clear.
    let mut all = vec![0; 2 << 20];
    card.read_at(extent.at, &mut all).unwrap();
    let hex = key.to_hex();
    let bytes = hex::decode(hex.as_bytes()).unwrap();
    for secret in [
        hex.as_bytes(),
        &bytes,
        RECOVERY.as_bytes(),
        board(0).strongest().unwrap().secret(),
    ] {
        assert!(!all.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn one_damaged_copy_of_a_header_or_one_damaged_slot_costs_nothing() {
    let mut whole = card(&release(1));
    let extent = layout().data_for(CAPACITY).unwrap();
    let key = make(&mut whole, extent, [5; 16], &board(0).strongest().unwrap()).unwrap();
    let own = board(0).strongest().unwrap();
    // Both binary parts, both texts.
    for at in [0, 4096 + 100, 16_384, 16_384 + 4096 + 100] {
        let mut card = whole.clone();
        card.write_at(extent.at + at / 512 * 512, &[0xee; 512]).unwrap();
        let header = luks::read(&mut card, extent).unwrap().unwrap();
        let opened = header.open(&mut card, extent, own.secret()).unwrap();
        assert_eq!(opened, Some(key.clone()), "byte {at}");
    }
    let mut card = whole.clone();
    card.write_at(extent.at + 32_768 + 512, &[0xee; 512]).unwrap();
    let header = luks::read(&mut card, extent).unwrap().unwrap();
    assert_eq!(header.open(&mut card, extent, own.secret()).unwrap(), None);
    let opened = header.open(&mut card, extent, RECOVERY.as_bytes()).unwrap();
    assert_eq!(opened, Some(key));
    for at in [0, 16_384] {
        whole.write_at(extent.at + at, &[0; 512]).unwrap();
    }
    assert!(luks::read(&mut whole, extent).unwrap().is_none());
}

fn cryptsetup(arguments: &[&str], volume: &Path, key: &Path) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("cryptsetup")
        .env("PATH", format!("{path}:/usr/sbin"))
        .args(arguments)
        .arg(volume)
        .arg("--key-file")
        .arg(key)
        .output()
        .expect("cryptsetup of the package cryptsetup-bin")
}

/// The key that cryptsetup finds by a secret, in hex; `None` where the secret opens nothing.
pub(super) fn cryptsetup_key(volume: &Path, secret: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("secret"), folder.path().join("key"));
    std::fs::write(&file, secret).unwrap();
    let dump = [
        "luksDump",
        "--batch-mode",
        "--dump-volume-key",
        "--volume-key-file",
    ];
    let ran = cryptsetup(&[&dump[..], &[out.to_str().unwrap()]].concat(), volume, &file);
    ran.status.success().then(|| {
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let header = FileDevice::open_to_read(volume).map(|mut device| {
            let len = device.capacity();
            luks::read(&mut device, Extent { at: 0, len }).unwrap().unwrap()
        });
        assert!(said.contains(&luks::dashed(header.unwrap().id)), "{said}");
        hex::encode(std::fs::read(&out).unwrap())
    })
}

/// What a technician's machine makes of a volume: the same key, by either secret.
#[test]
fn cryptsetup_opens_a_volume_of_ours_and_finds_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    File::create(at("volume")).unwrap().set_len(64 << 20).unwrap();
    let extent = Extent { at: 0, len: 64 << 20 };
    let own = board(0).strongest().unwrap();
    let mut device = FileDevice::open_in_use(&at("volume")).unwrap();
    let key = make(&mut device, extent, *b"0123456789abcdef", &own).unwrap();
    drop(device);
    std::fs::write(at("other"), [1; 32]).unwrap();
    for secret in [own.secret(), RECOVERY.as_bytes()] {
        assert_eq!(cryptsetup_key(&at("volume"), secret).unwrap(), *key.to_hex());
    }
    let ran = cryptsetup(&["open", "--test-passphrase"], &at("volume"), &at("other"));
    assert!(!ran.status.success());
}
