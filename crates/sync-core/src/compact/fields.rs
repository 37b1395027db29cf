//! Numbers of the fields of a stream: what the model learns apart. They are part of the format.

/// Sequence of a change in its session, against the one before.
pub(super) const SEQ: u32 = 1;
/// How the document of a change is told.
pub(super) const DOC: u32 = 2;
/// The kind byte of a document.
pub(super) const DOC_KIND: u32 = 3;
/// Place in the table of actors.
pub(super) const ACTOR: u32 = 4;
/// An actor that stands in no table yet.
pub(super) const NEW_ACTOR: u32 = 5;
/// Number in the origin of a document.
pub(super) const ORIGIN: u32 = 6;
/// A document id whole.
pub(super) const DOC_ID: u32 = 7;
/// How many changes ago the document was met.
pub(super) const DOC_AGO: u32 = 8;
/// Whether a change travels as operations or raw.
pub(super) const FORM: u32 = 9;
/// A raw change.
pub(super) const RAW: u32 = 10;
/// Number and way of telling the dependencies.
pub(super) const DEPS: u32 = 11;
/// Sequence of a dependency in its session.
pub(super) const DEP_SEQ: u32 = 12;
/// A hash whole.
pub(super) const HASH: u32 = 13;
/// First operation number, against the expected one.
pub(super) const START: u32 = 14;
/// Automerge's own sequence, against the expected one.
pub(super) const OWN_SEQ: u32 = 15;
/// Time, against the change before.
pub(super) const TIME: u32 = 16;
/// Message of a change.
pub(super) const MESSAGE: u32 = 17;
/// Bytes behind the operations.
pub(super) const EXTRA: u32 = 18;
/// The hash of an imported line.
pub(super) const LINE: u32 = 19;
/// Whether the change has the hash of a line.
pub(super) const HAS_LINE: u32 = 20;
/// An object: an operation number.
pub(super) const OBJECT: u32 = 21;
/// Operation number of a list element.
pub(super) const ELEMENT: u32 = 22;
/// Number of predecessors.
pub(super) const PREDS: u32 = 23;
/// Operation number of a predecessor.
pub(super) const PRED: u32 = 24;
/// A key as eight bytes.
pub(super) const KEY_BYTES: u32 = 25;
/// A key as a number.
pub(super) const KEY_NUMBER: u32 = 26;
/// A key as text.
pub(super) const KEY_TEXT: u32 = 27;
/// Place of an entry of an imported line.
pub(super) const KEY_PLACE: u32 = 28;
/// Who sends a message.
pub(super) const SENDER: u32 = 40;
/// How far the sender held its feed.
pub(super) const KNOWS: u32 = 41;
/// How many items follow.
pub(super) const COUNT: u32 = 42;
/// A signature.
pub(super) const SIGNATURE: u32 = 43;
/// An audit entry.
pub(super) const AUDIT: u32 = 44;
/// The hub's epoch.
pub(super) const EPOCH: u32 = 45;
/// A position of a feed, and how far it is to the next.
pub(super) const AFTER: u32 = 46;
pub(super) const STEP: u32 = 47;
/// A chain hash.
pub(super) const CHAIN: u32 = 48;
/// What kind of entry a feed has here.
pub(super) const ITEM: u32 = 49;
/// A fact and an offer of a blob, whole.
pub(super) const FACT: u32 = 50;
pub(super) const BLOB: u32 = 51;
/// Operations: this and what stood before.
pub(super) const OP: u32 = 0x100;
/// Keys: this and what stood before.
pub(super) const KEY: u32 = 0x1_0000;
/// Values: this and the key.
pub(super) const VALUE: u32 = 0x2_0000;
/// Packed maps: this and the key before.
pub(super) const PACKED_KEY: u32 = 0x3_0000;
/// Packed values: this and the key.
pub(super) const PACKED: u32 = 0x4_0000;
