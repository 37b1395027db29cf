//! Records as Automerge documents, the rules of the change log, and the exchange with the other side as a
//! state machine. Sans-IO: no socket, no database, no clock.

pub mod backoff;
pub mod blobs;
pub mod check;
pub mod compact;
pub mod document;
pub mod exchange;
pub mod fingerprint;
pub mod identity;
pub mod wire;
