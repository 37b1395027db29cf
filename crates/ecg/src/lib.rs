//! ECG waveforms: the model, a lossless codec, filters for display, beat detection, measurements, file formats,
//! drawing true to scale, and a synthetic heart.
//!
//! Pure: functions take bytes and texts, the caller reads files and clocks. Nothing here is a diagnosis.

pub mod codec;
pub mod draw;
pub mod filters;
pub mod formats;
pub mod measure;
pub mod model;
pub mod preview;
pub mod qrs;
pub mod score;
pub mod synthetic;
pub mod wfdb;

#[cfg(test)]
mod recordings;
