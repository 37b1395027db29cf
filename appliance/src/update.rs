//! New systems for the box, from a bundle to a verdict.
//!
//! The pages' process has few rights and never writes the card. It takes a bundle, checked as it arrives, and leaves it
//! in the [`Mailbox`]; a short program with the system's rights ([`work`]) checks it again, writes the other slot and
//! asks for a trial. After each start another one ([`settle`]) asks the box for its health and commits, goes back or
//! tries.

pub mod fetched;
pub mod health;
pub mod mailbox;
pub mod own;
pub mod settle;
pub mod taking;
pub mod work;

use std::io;
use std::path::PathBuf;

use card::bundle::BundleFault;
use card::identity::IdentityFault;
use card::layout::LayoutFault;
use card::signed::BadKey;
use card::slots::SlotFault;

pub use mailbox::Mailbox;
pub use own::Own;

/// Why an update goes no further. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum UpdateFault {
    /// The settings name no card.
    #[error("this machine does not start from a provisioned card: its program is not updated this way")]
    NoCard,
    /// A file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The first program did not say from which slot or on which board it started.
    #[error("the first program of the card did not say {0}")]
    NotSaid(&'static str),
    /// The card's state does not know the running system.
    #[error("the card does not know the system that runs")]
    UnknownSystem,
    /// The county's key is none.
    #[error("the county's key: {0}")]
    Key(#[from] BadKey),
    /// Who the box is.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// The partitions.
    #[error(transparent)]
    Layout(#[from] LayoutFault),
    /// The slots.
    #[error(transparent)]
    Slots(#[from] SlotFault),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleFault),
    /// The file ends before the bundle does.
    #[error("the update bundle stops in its middle: it was not copied whole")]
    CutShort,
    /// Work ended by a panic.
    #[error("the work on the card was broken off")]
    BrokenOff,
}

impl UpdateFault {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Key of the text that tells it on a page.
    pub fn text(&self) -> &'static str {
        match self {
            Self::NoCard => "systems-no-card",
            Self::Identity(_) | Self::Key(_) => "update-no-county",
            Self::CutShort | Self::Bundle(BundleFault::Length { .. } | BundleFault::Damaged { .. }) => {
                "update-damaged"
            }
            Self::Bundle(fault) => refusal(fault),
            Self::Slots(SlotFault::Unsettled) => "update-unsettled",
            Self::Slots(SlotFault::TooLarge { .. }) => "update-too-large",
            Self::Slots(SlotFault::Worn) => "update-worn",
            Self::File { .. } => "update-file",
            Self::NotSaid(_) | Self::UnknownSystem | Self::Layout(_) | Self::Slots(_) | Self::BrokenOff => {
                "update-card"
            }
        }
    }
}

fn refusal(fault: &BundleFault) -> &'static str {
    match fault {
        BundleFault::Form | BundleFault::Signed(_) | BundleFault::Manifest(_) => "update-not-believed",
        BundleFault::OtherCounty => "update-other-county",
        BundleFault::OtherHardware { .. } => "update-other-hardware",
        BundleFault::NotNewer { .. } => "update-not-newer",
        BundleFault::WentBack(_) => "update-went-back",
        BundleFault::DataTooOld { .. } | BundleFault::NoWayBack { .. } => "update-no-way-back",
        BundleFault::OtherBase => "update-other-base",
        BundleFault::Length { .. } | BundleFault::Damaged { .. } => "update-damaged",
        BundleFault::File(_) => "update-file",
        BundleFault::Slot(SlotFault::Worn) => "update-worn",
        BundleFault::Slot(SlotFault::Unsettled) => "update-unsettled",
        BundleFault::Slot(SlotFault::TooLarge { .. }) => "update-too-large",
        BundleFault::Slot(_) | BundleFault::Device(_) => "update-card",
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
pub(crate) mod tests;
