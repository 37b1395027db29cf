//! Verbs `bundle export` and `bundle import`: the exchange by files on a stick, at both ends.
//!
//! PATH is a file, or the folder of the stick; there a box's file is `box-DEVICE.stick` and the hub's answer to it
//! `hub-DEVICE.stick`, so that one stick may go round several boxes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use store::{ParcelCounts, ParcelError, SealFault, Side, StickError, StickFile, Store};

use crate::verbs::{Failure, Outcome, chain, complain, say};

/// Ending of the names of files on a stick.
const ENDING: &str = ".stick";
/// Most files that are taken from one folder.
const FILES_MAX: usize = 10_000;

/// What is done with the stick.
#[derive(Debug, Subcommand)]
pub enum BundleVerb {
    /// Writes what the other side does not have yet into a file.
    Export(BundleArgs),
    /// Takes what the other side wrote; the same file twice changes nothing.
    Import(BundleArgs),
}

impl BundleVerb {
    /// Whether an object was asked for as the last line.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Export(args) | Self::Import(args) => args.json,
        }
    }
}

/// Arguments of `bundle export` and `bundle import`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// A file, or the folder of the stick.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Writes a box's file for its hub, or the hub's answers to the boxes that brought one.
///
/// # Errors
///
/// The box has not joined, no box has brought a file, or the file cannot be written.
pub async fn export(store: Store, software: &str, args: BundleArgs) -> Outcome {
    let written = match store.side() {
        Side::Box => write_files(&store, software, &args.path)
            .await
            .map_err(|error| not_written(&error))?,
        Side::Hub => answers(&store, &args.path).await?,
    };
    if args.json {
        let files: Vec<Value> = written.iter().map(file_object).collect();
        say(&json!({ "files": files }).to_string());
    } else {
        for file in &written {
            let StickFile { path, bytes, counts } = file;
            say(&format!(
                "{}: {bytes} bytes, {} changes, {} blobs",
                path.display(),
                counts.changes,
                counts.blobs
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a box's file for its hub, or the hub's answers, into the folder of a stick.
pub(crate) async fn write_files(
    store: &Store,
    software: &str,
    folder: &Path,
) -> Result<Vec<StickFile>, StickError> {
    if store.side() == Side::Box {
        let path = place(folder, "box", &store.device().to_string());
        return Ok(vec![store.stick_to_hub(&path, software).await?]);
    }
    let waiting = store.stick_waiting().await?;
    if waiting.is_empty() {
        return Err(StickError::NobodyWaits);
    }
    let mut written = Vec::new();
    for device in waiting {
        let path = place(folder, "hub", &device.to_string());
        written.push(store.stick_to_box(device, &path).await?);
    }
    Ok(written)
}

/// What came of a file: the clinic that wrote it, at a hub, and how much was new.
pub(crate) type TakenFile = Result<(Option<String>, ParcelCounts), StickError>;

/// Takes the other side's files out of a stick's folder; one that is refused does not stop the others.
pub(crate) async fn take_files(store: &Store, folder: &Path) -> Result<Vec<(PathBuf, TakenFile)>, Failure> {
    let paths = match store.side() {
        Side::Box => vec![place(folder, "hub", &store.device().to_string())],
        Side::Hub => brought(folder)?,
    };
    let mut taken = Vec::new();
    for path in paths {
        let outcome = take(store, &path).await;
        taken.push((path, outcome));
    }
    Ok(taken)
}

async fn answers(store: &Store, path: &Path) -> Result<Vec<StickFile>, Failure> {
    let waiting = store.stick_waiting().await;
    let waiting = waiting.map_err(|error| Failure::of("no file was written", &error))?;
    if waiting.is_empty() {
        return Err(not_written(&StickError::NobodyWaits));
    }
    if path.is_dir() {
        let written = write_files(store, "", path).await;
        return written.map_err(|error| not_written(&error));
    }
    if waiting.len() > 1 && !path.is_dir() {
        return Err(Failure::new(format!(
            "no file was written: {} boxes have brought one; name a folder, in which each gets its own",
            waiting.len()
        )));
    }
    let mut written = Vec::new();
    for device in waiting {
        let path = place(path, "hub", &device.to_string());
        written.push(
            store
                .stick_to_box(device, &path)
                .await
                .map_err(|error| not_written(&error))?,
        );
    }
    Ok(written)
}

/// Takes the other side's file, at a hub all that lie in a folder. One that is refused does not stop the others.
///
/// # Errors
///
/// There is no file.
pub async fn import(store: Store, args: BundleArgs) -> Outcome {
    let mut taken = Vec::new();
    let mut refused = 0;
    for (path, outcome) in take_files(&store, &args.path).await? {
        match outcome {
            Ok((clinic, counts)) => taken.push((path, clinic, counts)),
            Err(error) => {
                refused += 1;
                complain(&format!("{}: {}", path.display(), sentence(&error)));
            }
        }
    }
    let sum = |one: fn(&ParcelCounts) -> u64| taken.iter().map(|(_, _, counts)| one(counts)).sum::<u64>();
    let (changes, blobs) = (sum(|counts| counts.changes), sum(|counts| counts.blobs));
    if args.json {
        let mut object = json!({
            "files": taken.len(), "refused": refused, "changes": changes, "blobs": blobs,
        });
        if refused > 0 {
            object["error"] = json!(format!("{refused} files were refused"));
        }
        say(&object.to_string());
    } else {
        for (path, clinic, counts) in &taken {
            let of = clinic
                .as_ref()
                .map(|code| format!(" of clinic {code}"))
                .unwrap_or_default();
            say(&format!(
                "{}{of}: {} new changes, {} new blobs",
                path.display(),
                counts.changes,
                counts.blobs
            ));
        }
    }
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn take(store: &Store, path: &Path) -> Result<(Option<String>, ParcelCounts), StickError> {
    match store.side() {
        Side::Box => Ok((None, store.stick_from_hub(path).await?)),
        Side::Hub => {
            let taken = store.stick_from_box(path).await?;
            Ok((Some(taken.clinic.as_str().to_owned()), taken.counts))
        }
    }
}

/// The file itself, or the one with this device's name in the folder of the stick.
fn place(path: &Path, from: &str, device: &str) -> PathBuf {
    if path.is_dir() {
        path.join(format!("{from}-{device}{ENDING}"))
    } else {
        path.to_owned()
    }
}

fn brought(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: std::io::Error| Failure::of(&format!("{} cannot be read", path.display()), &error);
    let is_ours = |name: &OsStr| {
        name.to_str()
            .is_some_and(|name| name.starts_with("box-") && name.ends_with(ENDING))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)?.take(FILES_MAX) {
        let entry = entry.map_err(failed)?;
        if is_ours(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    if found.is_empty() {
        return Err(Failure::new(format!(
            "no box's file (box-….stick) lies in {}",
            path.display()
        )));
    }
    found.sort();
    Ok(found)
}

fn file_object(file: &StickFile) -> Value {
    json!({
        "path": file.path.display().to_string(),
        "bytes": file.bytes,
        "changes": file.counts.changes,
        "blobs": file.counts.blobs,
    })
}

fn not_written(error: &StickError) -> Failure {
    Failure::new(format!("no file was written: {}", sentence(error)))
}

fn sentence(error: &StickError) -> String {
    let text = match error {
        StickError::Seal(SealFault::OtherKey) => "the file is for another machine or another county",
        StickError::Seal(SealFault::Damaged) => "the file is damaged or cut off; write it again",
        StickError::NotForHere | StickError::Parcel(ParcelError::NotForHere) => {
            "the file goes the other way, or is none of a stick"
        }
        StickError::NobodyWaits => "no box has brought a file yet; import one first",
        StickError::Parcel(ParcelError::NotJoined) => {
            "this machine has not joined a county; a box joins once, by enroll"
        }
        StickError::Parcel(ParcelError::Unheard) => {
            "this hub was restored and must hear from another box before it writes for this one"
        }
        StickError::Seal(_) | StickError::Parcel(_) | StickError::File { .. } | StickError::Store(_) => {
            return chain(error);
        }
    };
    text.to_owned()
}
