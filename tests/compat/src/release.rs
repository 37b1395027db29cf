//! A release as it is kept: two data folders, what was said, and what was in them.

use std::fs;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use records::ids::{BlobId, DocKind};
use records::tree::{Edit, Scalar};
use serde::{Deserialize, Serialize};
use store::{AuditAct, By, Commit, Side, Store, Target, Write};
use sync_core::wire::VERSIONS;
use tempfile::TempDir;

use crate::machine::{clinic, found, join, open};
use crate::meeting::{Said, meet};

/// Largest kept file.
pub const FILE_BYTES_MAX: u64 = 300_000;
/// Level of zstd: a release is packed once.
const LEVEL: i32 = 19;
/// Seeds of the machines' random bytes.
const HUB_SEED: u64 = 1;
const BOX_SEED: u64 = 2;
/// Bytes of the photo.
const PHOTO_BYTES: usize = 6_000;

/// What a kept release holds, told by the release that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Charts on the box.
    pub patients: u64,
    /// Visits on the box.
    pub encounters: u64,
    /// Readings on the box.
    pub observations: u64,
    /// Changes in the box's log.
    pub changes: u64,
    /// Fingerprint of the box.
    pub fingerprint: String,
    /// Changes that wait for the hub.
    pub pending: u64,
    /// Name of the person who has everything, a made-up one.
    pub name: String,
    /// The photo, in hexadecimal.
    pub photo: String,
    /// Wire versions that were recorded.
    pub versions: Vec<u16>,
}

/// Where a release is kept.
pub fn folder_of(release: &str) -> PathBuf {
    releases().join(release)
}

/// Where all releases are kept.
pub fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("releases")
}

/// The kept releases, oldest first.
///
/// # Errors
/// Where they are not there.
pub fn all() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(releases())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The last kept release.
///
/// # Errors
/// Where there is none.
pub fn newest() -> Result<String> {
    all()?.pop().context("no release is kept")
}

/// A kept data folder, unpacked anew.
///
/// # Errors
/// Where it is not there or damaged.
pub fn unpack(release: &str, name: &str) -> Result<TempDir> {
    let path = folder_of(release).join(format!("{name}.tar.zst"));
    let packed = fs::File::open(&path).with_context(|| path.display().to_string())?;
    let into = tempfile::tempdir()?;
    tar::Archive::new(zstd::Decoder::new(BufReader::new(packed))?).unpack(into.path())?;
    Ok(into)
}

/// What the release says of itself.
///
/// # Errors
/// Where it is not there or damaged.
pub fn kept(release: &str) -> Result<Kept> {
    Ok(serde_json::from_slice(&fs::read(
        folder_of(release).join("kept.json"),
    )?)?)
}

/// What box and hub said by one wire version.
///
/// # Errors
/// Where it is not there or damaged.
pub fn said(release: &str, version: u16) -> Result<Said> {
    let path = folder_of(release).join(format!("wire-{version}.zst"));
    Said::from_bytes(&zstd::decode_all(Cursor::new(fs::read(path)?))?)
}

/// Makes the files of this release from lines of a made-up clinic.
///
/// # Errors
/// What goes wrong.
pub async fn keep(release: &str, lines: Vec<u8>) -> Result<Kept> {
    let into = folder_of(release);
    fs::create_dir_all(&into)?;
    let mut versions = Vec::new();
    // A meeting of the same two for each version: what is kept of it are the bytes.
    for version in VERSIONS.0..VERSIONS.1 {
        let (_, _, said) = village(&lines, version).await?;
        write(&into.join(format!("wire-{version}.zst")), &said.to_bytes())?;
        versions.push(version);
    }
    let (hub_folder, box_folder, said) = village(&lines, VERSIONS.1).await?;
    write(&into.join(format!("wire-{}.zst", VERSIONS.1)), &said.to_bytes())?;
    versions.push(VERSIONS.1);
    let end = open(box_folder.path(), Side::Box, BOX_SEED + 100, 90)?;
    let held = end.verify(None, Box::new(|_, _| {})).await?;
    let line = end.patients_page(None, 1).await?;
    let name = line.first().map(|line| line.name.clone()).unwrap_or_default();
    let kept = Kept {
        patients: held.patients,
        encounters: held.encounters,
        observations: held.observations,
        changes: held.changes,
        fingerprint: held.fingerprint.to_string(),
        pending: end.link_status().await?.pending,
        name,
        photo: sync_core::blobs::blob_id(&photo()).to_string(),
        versions,
    };
    drop(end);
    pack(hub_folder.path(), &into.join("hub.tar.zst"))?;
    pack(box_folder.path(), &into.join("box.tar.zst"))?;
    fs::write(into.join("kept.json"), serde_json::to_vec_pretty(&kept)?)?;
    Ok(kept)
}

/// A clinic with a history, what it and its hub said when it was sent, and a little that was not sent yet.
async fn village(lines: &[u8], version: u16) -> Result<(TempDir, TempDir, Said)> {
    let (hub_folder, box_folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let hub = open(hub_folder.path(), Side::Hub, HUB_SEED, 0)?;
    let end = open(box_folder.path(), Side::Box, BOX_SEED, 1)?;
    found(&hub).await?;
    join(&end, &hub).await?;
    let lines = store::lines_of(BufReader::new(Cursor::new(lines.to_vec())));
    end.import(lines, Box::new(|_| {})).await?;
    let (_, mut said) = meet(&end, &hub, version).await?;
    photographed(&end).await?;
    let (_, more) = meet(&end, &hub, version).await?;
    said.writes.extend(more.writes);
    // Work that waits for the hub, and work that waits for the box.
    edit_of_first(&end, "phone", "13800000017").await?;
    edit_of_first(&hub, "address", "示例县柳树村一组").await?;
    drop((hub, end));
    Ok((hub_folder, box_folder, said))
}

/// The content of the photo: any bytes.
fn photo() -> Vec<u8> {
    let mut bytes = vec![0; PHOTO_BYTES];
    blake3::Hasher::new()
        .update(b"photo")
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// A visit with a photo.
async fn photographed(end: &Store) -> Result<()> {
    let first = end.patients_page(None, 1).await?;
    let patient = first.first().context("no patient")?.id;
    let photo = photo();
    let BlobId(id) = sync_core::blobs::blob_id(&photo);
    let target = Target::New {
        kind: DocKind::Encounter,
        owner: clinic()?,
    };
    let edits = vec![
        Edit::put(&["visit", "patient"], Scalar::Bytes(patient.0.to_vec())),
        Edit::put(&["note", "complaint"], "咳嗽三天"),
        Edit::put(&["ext", "photo"], Scalar::Bytes(id.to_vec())),
    ];
    let mut commit = Commit::new(By::System, AuditAct::ChartChange, vec![Write::new(target, edits)]);
    commit.blobs = vec![photo];
    end.commit(commit).await?;
    Ok(())
}

/// Changes a field of the first chart.
///
/// # Errors
/// What the store says.
pub async fn edit_of_first(store: &Store, field: &str, value: &str) -> Result<()> {
    let first = store.patients_page(None, 1).await?;
    let patient = first.first().context("no patient")?.id;
    let write = Write::new(
        Target::Existing(patient.doc()),
        vec![Edit::put(&["person", field], value)],
    );
    store
        .commit(Commit::new(By::System, AuditAct::ChartChange, vec![write]))
        .await?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(fs::write(path, zstd::encode_all(bytes, LEVEL)?)?)
}

/// Packs the files of a data folder whose program has ended.
fn pack(folder: &Path, into: &Path) -> Result<()> {
    let mut out = tar::Builder::new(zstd::Encoder::new(fs::File::create(into)?, LEVEL)?);
    out.mode(tar::HeaderMode::Deterministic);
    let mut names: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    names.sort();
    for path in names {
        let name = path.file_name().context("a file without a name")?;
        if path.is_file() && name != "lock" {
            out.append_path_with_name(&path, name)?;
        }
    }
    out.into_inner()?.finish()?;
    Ok(())
}
