//! The first start of a card: the data partition is made to the size of the card, once.
//!
//! Two marks say that data were made: one beside the data, one in the card's state. Data are made only where both say
//! in so many words that there are none; where a mark cannot be read, what is there is opened and nothing is made. The order
//! is: wipe, volume, mark, link of the partition, state; each is on the medium before the next begins, so that a power
//! cut leaves either nothing worth keeping, or data that the next start finds.

use sha2::{Digest, Sha256};

use crate::device::{BLOCK, BlockDevice, DeviceFault, SECTOR, read_sector, write_sector};
use crate::layout::{Layout, LayoutFault};
use crate::mbr::{self, Extent};
use crate::state::{Data, State, StateFault};

/// Bytes at the start of the data partition that are wiped before a volume is made.
pub const WIPE: u64 = 64 << 10;
const MAGIC: &[u8; 16] = b"clinic-data-1\r\n\0";

/// What the mark beside the data says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// No data were made.
    Blank,
    /// They were, under this number.
    Made([u8; 16]),
}

impl Mark {
    /// The sector of the mark.
    pub fn to_sector(self) -> [u8; SECTOR as usize] {
        let mut sector = [0; SECTOR as usize];
        sector[..16].copy_from_slice(MAGIC);
        if let Self::Made(id) = self {
            sector[16] = 1;
            sector[17..33].copy_from_slice(&id);
        }
        let sum = Sha256::digest(&sector[..480]);
        sector[480..].copy_from_slice(&sum);
        sector
    }

    /// Reads the sector; `None` for anything else than a mark.
    pub fn parse(sector: &[u8; SECTOR as usize]) -> Option<Self> {
        let is_whole = Sha256::digest(&sector[..480])[..] == sector[480..];
        if !is_whole || sector[..16] != MAGIC[..] {
            return None;
        }
        match sector[16] {
            0 => Some(Self::Blank),
            1 => sector[17..33].try_into().ok().map(Self::Made),
            _ => None,
        }
    }
}

/// What is to be done about the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// There are none: make them.
    Make,
    /// They are there under this number: open them.
    Open([u8; 16]),
    /// No mark tells: open what is there, make nothing. A cut in the middle of the mark leaves this.
    Adopt,
}

/// Why the data are left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataFault {
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// The partitions cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutFault),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateFault),
    /// Nothing says in so many words that there are no data.
    #[error("the marks of the data are damaged: nothing was changed; read the card on another machine")]
    Unsure,
    /// The marks are of two different data, or the volume is of others.
    #[error("the data partition was made for another state of this card: nothing was changed")]
    OtherData,
    /// They were made, and are not there.
    #[error("the data were made and cannot be found: nothing was changed; read the card on another machine")]
    Missing,
    /// No room.
    #[error("the card is too small for data: take a larger one")]
    TooSmall,
    /// They are encrypted with the key of another machine.
    #[error(
        "the data are locked: this machine's key does not open them; put the card back into its own box, or use the county's recovery key"
    )]
    Locked,
    /// They are closed until a person opens them: the ordinary state of such a site's box after a start.
    #[error("the data wait for the start PIN")]
    WaitsForPerson,
    /// They are to be encrypted, and this machine has no key.
    #[error("the data are to be encrypted, and this machine has no key of its own: nothing was made")]
    NoKey,
    /// Nothing says how the data are to be protected.
    #[error("nothing was made, since the card does not say how its data are to be protected: {0}")]
    NoPolicy(String),
    /// The volume could not be made.
    #[error("the data partition could not be made: {0}")]
    Volume(String),
}

/// Decides by the two marks. A state that is lost leaves the mark beside the data as the only witness.
///
/// # Errors
/// [`DataFault::OtherData`].
pub fn decide(state: Option<&Data>, mark: Option<Mark>) -> Result<Plan, DataFault> {
    match (state, mark) {
        (Some(Data::Blank), Some(Mark::Blank)) => Ok(Plan::Make),
        // The cut came between the mark and the state.
        (Some(Data::Blank) | None, Some(Mark::Made(id))) => Ok(Plan::Open(id)),
        (Some(Data::Made(id)), Some(Mark::Made(other))) if *id != other => Err(DataFault::OtherData),
        // The mark was damaged later, or a computer put an old one back: the state knows better.
        (Some(Data::Made(id)), Some(_) | None) => Ok(Plan::Open(*id)),
        (Some(Data::Blank), None) | (None, Some(Mark::Blank) | None) => Ok(Plan::Adopt),
    }
}

/// What makes and recognises the volume inside the data partition: encrypted on a box, anything in a test.
pub trait Volume<D: ?Sized> {
    /// Makes an empty volume under this number.
    ///
    /// # Errors
    /// [`DataFault::Volume`].
    fn make(&mut self, device: &mut D, extent: Extent, id: [u8; 16]) -> Result<(), DataFault>;

    /// The number of the volume that is there, if one is.
    ///
    /// # Errors
    /// What the device reports.
    fn find(&mut self, device: &mut D, extent: Extent) -> Result<Option<[u8; 16]>, DataFault>;
}

/// The data partition after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Where it lies.
    pub extent: Extent,
    /// Whether it was made just now.
    pub is_new: bool,
}

/// Makes or finds the data partition. `id` is drawn anew at each start and used only where data are made.
///
/// # Errors
/// [`DataFault`]; then no data were touched.
pub fn start<D: BlockDevice + ?Sized>(
    device: &mut D,
    state: &mut State,
    volume: &mut impl Volume<D>,
    id: [u8; 16],
) -> Result<Ready, DataFault> {
    let layout = Layout::read(device)?;
    let extent = match layout.data {
        Some(extent) => extent,
        None => layout.data_for(device.capacity()).ok_or(DataFault::TooSmall)?,
    };
    let mark = match read_sector(device, layout.data_mark()) {
        Ok(sector) => Mark::parse(&sector),
        Err(DeviceFault::CannotRead { .. }) => None,
        Err(fault) => return Err(fault.into()),
    };
    let (id, is_new) = match decide(Some(&state.data), mark)? {
        Plan::Make => {
            make(device, extent, volume, id)?;
            (id, true)
        }
        Plan::Open(id) => match volume.find(device, extent)? {
            Some(found) if found == id => (id, false),
            Some(_) => return Err(DataFault::OtherData),
            None => return Err(DataFault::Missing),
        },
        Plan::Adopt => (volume.find(device, extent)?.ok_or(DataFault::Unsure)?, false),
    };
    if mark != Some(Mark::Made(id)) {
        write_sector(device, layout.data_mark(), &Mark::Made(id).to_sector())?;
        device.flush()?;
    }
    link(device, &layout, extent)?;
    if state.data != Data::Made(id) {
        state.data = Data::Made(id);
        state.write(device)?;
    }
    Ok(Ready { extent, is_new })
}

fn make<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    volume: &mut impl Volume<D>,
    id: [u8; 16],
) -> Result<(), DataFault> {
    device.write_at(extent.at, &vec![0; WIPE.min(extent.len) as usize])?;
    device.flush()?;
    volume.make(device, extent, id)?;
    device.flush()?;
    Ok(())
}

/// Joins the partition to the table; the link of the last root partition is written last. What is right already is
/// left alone.
fn link(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
    extent: Extent,
) -> Result<(), DeviceFault> {
    let [extended, last] = layout.links;
    let here = layout.data_link();
    let put = |device: &mut _, at, sector| {
        if read_sector(device, at)? == sector {
            return Ok(false);
        }
        write_sector(device, at, &sector)?;
        Ok::<_, DeviceFault>(true)
    };
    let first_sector = read_sector(device, 0)?;
    let own = put(device, here, mbr::link_sector(extended, here, extent, None))?;
    let frame = put(device, 0, mbr::with_extended_end(first_sector, extent.end()))?;
    if own || frame {
        device.flush()?;
    }
    let joined = mbr::link_sector(extended, last, layout.root[1], Some((here, extent)));
    if put(device, last, joined)? {
        device.flush()?;
    }
    Ok(())
}

const _: () = assert!(WIPE.is_multiple_of(BLOCK));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_made_only_where_both_marks_say_that_there_are_none() {
        let (one, two) = ([1; 16], [2; 16]);
        let states = [None, Some(Data::Blank), Some(Data::Made(one))];
        let marks = [
            None,
            Some(Mark::Blank),
            Some(Mark::Made(one)),
            Some(Mark::Made(two)),
        ];
        for state in states {
            for mark in marks {
                let decided = decide(state.as_ref(), mark);
                let both_blank = state == Some(Data::Blank) && mark == Some(Mark::Blank);
                assert_eq!(decided == Ok(Plan::Make), both_blank, "{state:?} {mark:?}");
                if state == Some(Data::Made(one)) && mark == Some(Mark::Made(two)) {
                    assert_eq!(decided, Err(DataFault::OtherData));
                } else if let (Some(Data::Made(id)), _) | (_, Some(Mark::Made(id))) = (state, mark) {
                    assert_eq!(decided, Ok(Plan::Open(id)), "{state:?} {mark:?}");
                }
            }
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_no_other_sector_is_one() {
        for mark in [Mark::Blank, Mark::Made([7; 16])] {
            let sector = mark.to_sector();
            assert_eq!(Mark::parse(&sector), Some(mark));
            for byte in 0..sector.len() {
                let mut spoilt = sector;
                spoilt[byte] ^= 4;
                assert_eq!(Mark::parse(&spoilt), None, "byte {byte}");
            }
        }
        assert_eq!(Mark::parse(&[0; 512]), None);
    }
}
