//! The stick: the exchange carried by hand. A box writes a file for its hub; the hub takes it and writes one back
//! with its acknowledgements and everything that is new for the box. Files are encrypted to the receiver's key and
//! signed as a whole; the messages inside are those of the link, each signed. So any order with the network is
//! right, twice is once, and a lost stick reveals nothing.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use records::ids::{ClinicCode, DeviceId};
use serde::{Deserialize, Serialize};

use crate::engine::{Store, StoreError};
use crate::sealing::{OpeningKey, SealFault, SealKey};
use crate::sync::{ParcelCounts, ParcelError, sender_and_county};
pub use file::fuzz_one;
use file::{Contents, Direction, StickWriter, Tag};

/// Setting that holds what is to be answered to a box, by its id.
const WAITING: &str = "stick_answer:";
/// Acknowledgements that are kept for one box; the newest say all that older ones said.
const ANSWERS_KEPT: usize = 64;

/// A file for the stick cannot be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum StickError {
    /// It cannot be encrypted or opened: another receiver's (also another county's), or damaged.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// What it holds cannot be made or taken.
    #[error(transparent)]
    Parcel(#[from] ParcelError),
    /// The file is no file of a stick, or goes the other way.
    #[error("the file is not one for this side")]
    NotForHere,
    /// No box has brought a file yet.
    #[error("no box has brought a file, so there is none to answer")]
    NobodyWaits,
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path that was tried.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A file that was written for the stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// What it holds.
    pub counts: ParcelCounts,
}

/// What a hub took from a stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickTaken {
    /// The box that wrote the file.
    pub device: DeviceId,
    /// Its clinic.
    pub clinic: ClinicCode,
    /// What was new.
    pub counts: ParcelCounts,
}

/// What a hub remembers for the answer to a box.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Waiting {
    head: Vec<u8>,
    answers: Vec<Vec<u8>>,
}

impl Store {
    /// Box: writes everything that the hub has not acknowledged into a file, and how far the box holds what the hub
    /// sent. A new box that has joined writes one, too: the answer fills it.
    pub async fn stick_to_hub(&self, path: &Path, software: &str) -> Result<StickFile, StickError> {
        let enrolment = self.enrolment().await?.ok_or(ParcelError::NotJoined)?;
        let head = self.parcel_head(software).await?;
        let to = SealKey::of_device(enrolment.hub()?)?;
        let mut file = StickWriter::begin(path, &to, Direction::ToHub)?;
        file.put(Tag::Head, &head).map_err(failed(path))?;
        let counts = self.parcel_up(|entry| file.put(Tag::Entry, &entry)).await?;
        self.end(file, &enrolment.county, counts)
    }

    /// Hub: takes a box's file. All of it is checked before anything is taken.
    pub async fn stick_from_box(&self, path: &Path) -> Result<StickTaken, StickError> {
        let key = OpeningKey::of_device(self.device_key())?;
        let contents = Contents::check(path, key, Direction::ToHub)?;
        self.parcel_is_of_device(contents.actor, contents.digest, &contents.signature)
            .await?;
        let head = contents.head.as_deref().ok_or(StickError::NotForHere)?;
        let taken = self.take_parcel_up(head, contents.entries()?).await?;
        let name = format!("{WAITING}{}", taken.device);
        let mut waiting = self.waiting(&name).await?.unwrap_or_default();
        waiting.head = head.to_vec();
        waiting.answers.extend(taken.answers);
        let too_many = waiting.answers.len().saturating_sub(ANSWERS_KEPT);
        waiting.answers.drain(..too_many);
        let kept = serde_json::to_value(&waiting).map_err(|_| StoreError::Unreadable("answer"))?;
        self.put_setting(&name, &kept).await?;
        Ok(StickTaken {
            device: taken.device,
            clinic: taken.clinic,
            counts: taken.counts,
        })
    }

    /// Hub: the boxes that have brought a file and can be answered by one.
    pub async fn stick_waiting(&self) -> Result<Vec<DeviceId>, StoreError> {
        let mut waiting = Vec::new();
        for row in self.devices(None).await? {
            let device = row.device;
            if row.revoked.is_none() && self.waiting(&format!("{WAITING}{device}")).await?.is_some() {
                waiting.push(device);
            }
        }
        Ok(waiting)
    }

    /// Hub: writes the answer to a box: acknowledgements of what it brought, and all that is new for it.
    pub async fn stick_to_box(&self, device: DeviceId, path: &Path) -> Result<StickFile, StickError> {
        let name = format!("{WAITING}{device}");
        let waiting = self.waiting(&name).await?.ok_or(StickError::NobodyWaits)?;
        let (key, _, county) = self.read(move |sql| sender_and_county(sql, device)).await?;
        let mut file = StickWriter::begin(path, &SealKey::of_device(key)?, Direction::ToBox)?;
        for answer in &waiting.answers {
            file.put(Tag::Answer, answer).map_err(failed(path))?;
        }
        let counts = self
            .parcel_down(&waiting.head, |entry| file.put(Tag::Entry, &entry))
            .await?;
        self.end(file, &county, counts)
    }

    /// Box: takes its hub's file. All of it is checked before anything is taken.
    pub async fn stick_from_hub(&self, path: &Path) -> Result<ParcelCounts, StickError> {
        let key = OpeningKey::of_device(self.device_key())?;
        let contents = Contents::check(path, key, Direction::ToBox)?;
        self.parcel_is_of_hub(contents.actor, contents.digest, &contents.signature)
            .await?;
        let counts = self.take_parcel_down(contents.entries()?).await?;
        self.take_parcel_answers(&contents.answers).await?;
        Ok(counts)
    }

    fn end(
        &self,
        file: StickWriter,
        county: &[u8; 32],
        counts: ParcelCounts,
    ) -> Result<StickFile, StickError> {
        let (path, bytes) = file.finish(|digest| self.sign_parcel(county, digest))?;
        Ok(StickFile { path, bytes, counts })
    }

    async fn waiting(&self, name: &str) -> Result<Option<Waiting>, StoreError> {
        let kept = self.setting(name).await?;
        Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StickError {
    let path = path.to_owned();
    move |source| StickError::File { path, source }
}
