//! What the two programs, box and hub, have in common around the store and the pages.
//!
//! `web` draws pages and knows no store; `store` keeps records and knows no pages. Here they meet: a request of
//! somebody who is signed in ([`visitor`]), the doors ([`session`]), errors as pages ([`errors`]), pages that are the
//! same at a clinic and at the county, and what a program is for the shell that started it: verbs, listeners, the log,
//! the signal that stops it. What truly differs between box and hub is a method of [`station::Station`].

pub mod account;
pub mod alarms;
pub mod aside;
pub mod audit;
pub mod backups;
pub mod chart;
pub mod checking;
pub mod clinics;
pub mod closing;
pub mod demographics;
pub mod drafts;
pub mod errors;
pub mod find;
pub mod forms;
pub mod keeping;
pub mod listening;
pub mod members;
pub mod opening;
pub mod pages;
pub mod patient;
pub mod person;
pub mod progress;
pub mod same;
pub mod serving;
pub mod session;
pub mod sessions;
pub mod station;
pub mod sticks;
pub mod storage;
pub mod streaming;
pub mod upkeep;
pub mod verbs;
pub mod visitor;
