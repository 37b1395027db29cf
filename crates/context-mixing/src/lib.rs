//! Compression of short structured streams by mixing the predictions of many contexts.
//!
//! Bytes are coded one by one together with the *field* that they stand in, so the model learns each field's
//! own values. Both ends hold the same [`Model`]; what was coded before (a shared base, the messages before)
//! makes the next bytes cheap. Integers of fixed width only: every machine computes the same probabilities, and
//! a golden test holds the format still. Memory is fixed by the [`Size`].

mod chance;
mod coder;
mod histories;
mod logistic;
mod model;
mod tables;

pub use coder::{Decoder, Encoder};
pub use model::{Model, Size};
