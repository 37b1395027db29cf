//! What the pages of box and hub share: layout, patient banner, forms, charts, ECG view, texts, sign-in, and the
//! guards in front of them.
//!
//! Pages are typed functions that return markup; nothing here knows a database or a device. A program collects
//! its handlers in [`guard::Routes`], builds a [`layout::Frame`] for each request and draws a [`layout::Page`].

pub mod account;
pub mod assets;
pub mod banner;
pub mod charts;
pub mod checks;
pub mod cookies;
pub mod csv;
pub mod ecg;
pub mod fields;
pub mod forms;
pub mod guard;
pub mod icons;
pub mod layout;
pub mod light;
pub mod moments;
pub mod panels;
pub mod patients;
pub mod people;
pub mod qr;
pub mod sign_in;
pub mod status;
pub mod texts;
pub mod trouble;
pub mod visits;
pub mod vitals;
pub mod words;

#[cfg(test)]
mod gallery;
