//! What the two authorities share: files that only this user reads, and dates that are set back.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName};
use records::time::WallTime;

pub(crate) const DAY_MILLISECONDS: i64 = 24 * 3600 * 1000;
/// Days by which the beginning is dated back: the clock of the other machine may be behind.
pub(crate) const BACKDATED_DAYS: i64 = 90;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CaFault {
    /// A file cannot be read or written.
    #[error("cannot keep or read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file is there but is no certificate or key.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The library refused to make a certificate.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The root was made for other names; tablets trust it for those only.
    #[error("the box's root certificate does not cover {0}")]
    Outside(String),
    /// No name at all, or too many.
    #[error("too many names and addresses, or none")]
    Names,
}

/// What root and leaf have in common: beginning dated back, so many days long.
pub(crate) fn dated(base: WallTime, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let date = |offset_days: i64| {
        let date = WallTime(base.0 + offset_days * DAY_MILLISECONDS).china_date();
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = date(-BACKDATED_DAYS);
    params.not_after = date(days - BACKDATED_DAYS);
    params.distinguished_name = DistinguishedName::new();
    params
}

pub(crate) fn read(path: &Path) -> Result<String, CaFault> {
    std::fs::read_to_string(path).map_err(|source| CaFault::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that only this user reads, whole or not at all.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), CaFault> {
    let fault = |source| CaFault::File {
        path: path.to_owned(),
        source,
    };
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::options();
    let mut file = file
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(fault)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(fault)?;
    std::fs::rename(&fresh, path).map_err(fault)
}
