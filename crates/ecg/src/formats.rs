//! File formats beside WFDB.

pub mod csv;
