//! A small card whose data a person opens, as its first start leaves it.

use std::fs::File;
use std::path::Path;

use card::FileDevice;
use card::first_start::{self, DataFault, Volume};
use card::layout::{ALIGN, Layout, Sizes};
use card::luks::{self, New, OpenedBy, VolumeKey};
use card::mbr::Extent;
use card::protection::{DeviceKeys, Source};
use card::random::Random;
use card::state::{Content, Data, State, System, Version};
use zeroize::Zeroizing;

/// The recovery key of the volume.
pub(crate) const RECOVERY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Its number.
pub(crate) const ID: [u8; 16] = [5; 16];
const CAPACITY: u64 = 256 << 20;

/// The machine of the card.
pub(crate) struct Board;

impl DeviceKeys for Board {
    fn bytes(&self, source: Source) -> Option<Zeroizing<Vec<u8>>> {
        (source == Source::Otp).then(|| Zeroizing::new((0..32).collect()))
    }
}

/// The volume alone: what stands behind it is nobody's business here.
struct Bare {
    opened_by: OpenedBy,
    key: Option<VolumeKey>,
}

impl Volume<FileDevice> for Bare {
    fn make(&mut self, device: &mut FileDevice, extent: Extent, id: [u8; 16]) -> Result<(), DataFault> {
        let own = Board.strongest().ok_or(DataFault::NoKey)?;
        let new = New {
            id,
            device_key: &own,
            recovery: RECOVERY,
            sealed: "sealed",
            opened_by: self.opened_by,
        };
        let mut random = Random::new(Zeroizing::new([1; 32]));
        self.key = Some(luks::make(device, extent, &new, &mut random)?);
        Ok(())
    }

    fn find(&mut self, device: &mut FileDevice, extent: Extent) -> Result<Option<[u8; 16]>, DataFault> {
        Ok(luks::read(device, extent)?.map(|header| header.id))
    }
}

/// Makes a card that a person opens; the key of its volume.
pub(crate) fn by_person(path: &Path) -> VolumeKey {
    opened_by(path, OpenedBy::Person)
}

/// Makes a card that a person or the county's hub opens; the key of its volume.
pub(crate) fn by_hub(path: &Path) -> VolumeKey {
    opened_by(path, OpenedBy::PersonOrHub)
}

fn opened_by(path: &Path, opened_by: OpenedBy) -> VolumeKey {
    File::create(path).unwrap().set_len(CAPACITY).unwrap();
    let mut device = FileDevice::open_in_use(path).unwrap();
    let sizes = Sizes {
        select: 9 * ALIGN,
        boot: ALIGN,
        root: ALIGN,
    };
    let layout = Layout::new(&sizes, 0x0bad_cafe).unwrap();
    layout.write_new(&mut device).unwrap();
    let content = Content::of(b"system");
    let mut state = State::new(System {
        version: Version(1),
        boot: content,
        root: content,
    });
    assert_eq!(state.data, Data::Blank);
    let mut volume = Bare { opened_by, key: None };
    first_start::start(&mut device, &mut state, &mut volume, ID).unwrap();
    volume.key.unwrap()
}
