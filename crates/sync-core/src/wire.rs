//! What goes over the wire between a box and its hub: bounded, versioned frames.
//!
//! A frame is a 16-bit length, a type byte and a body. Most content travels as *messages*, which are cut into
//! [`Segment`]s of at most [`MAX_SEGMENT`] bytes with a lane tag, so that something urgent overtakes a long
//! batch. A connection is a stream (TLS over TCP): frames arrive whole and in order or not at all, and every
//! message is idempotent, so a cut costs at most what was under way.
//!
//! Supported versions stand in [`VERSIONS`]; a hub serves every version that is still in the field.

mod ack;
mod batch;
mod blob;
pub(crate) mod bytes;
mod enrol;
mod fact;
mod feed;
mod frame;
pub(crate) mod greeting;
mod hand_back;
mod lane;
mod message;
mod ranges;
mod release;
mod roster;
mod share;
mod sketch;

pub use ack::{Ack, BlobHave, BlobState, MAX_ACK_ENTRIES, ParkReason, Spoiled};
pub use batch::{AuditBatch, Batch, ChangeItem, MAX_AUDIT_ENTRY, change_hash};
pub use blob::{BLOB_PIECE, BlobOffer, BlobPiece, WantedBlob};
pub use bytes::WireFault;
pub use enrol::{
    EnrolAnswer, EnrolRefusal, EnrolRequest, Enrolled, MAX_BOX_NAME, MAX_CERTIFICATE, SuccessionRequest,
    TOKEN_SECRET_LEN,
};
pub use fact::{Fact, FactKind, MAX_FACT};
pub use feed::{FeedBatch, FeedItem};
pub use frame::{Bye, Frame, FrameReader, MAX_LACKING, MAX_WANTED, Quiet, Segment, fuzz_one};
pub use greeting::{
    FeedEnd, FeedMarks, Hello, Holds, MAX_HOLDS, MAX_SOFTWARE, MAX_TIPS, QueueReport, SessionPrint, Wanted,
    Welcome,
};
pub use hand_back::{FedChange, HandBack};
pub use lane::Lane;
pub use message::Message;
pub use ranges::{Holdings, MAX_RANGES, RangeSet};
pub use release::{
    MAX_RELEASE_PIECES, RELEASE_PIECE, ReleaseOffer, SystemReport, WentBack, fuzz_one as fuzz_release,
};
pub use roster::{MAX_STAFF, RosterEntry, decode_roster, encode_roster};
pub use share::{
    Knock, Meeting, NONCE_LEN, SHARE_LEN, Share, ShareAnswer, ShareAsk, ShareGive, ShareRefusal, ShareWhy,
};
pub(crate) use sketch::beside;
pub use sketch::{LISTED_MAX, SessionSketch, Untold};

/// The version under which signatures are made.
pub const VERSION: u16 = 1;
/// Oldest and newest version that this release can speak.
pub const VERSIONS: (u16, u16) = (1, 3);
/// Most bytes of a frame's body.
pub const MAX_FRAME: usize = 16 * 1024;
/// Most bytes of a message in one segment.
pub const MAX_SEGMENT: usize = 1024;
/// Most bytes of a message as it travels.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Most bytes of a message once unpacked.
pub const MAX_PLAIN: usize = 8 * 1024 * 1024;
/// Most bytes of one change.
pub const MAX_CHANGE: usize = 2 * 1024 * 1024;
/// Most changes, audit entries or feed entries in one message.
pub const MAX_ITEMS: usize = 256;
/// Most bytes of a blob.
pub const MAX_BLOB: u64 = 64 * 1024 * 1024;
