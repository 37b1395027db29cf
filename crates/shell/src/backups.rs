//! Verbs that both programs have: `backup`, `restore`, `recovery-key`, and `reseal` of the hub.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use store::{BackupError, OpenOptions, OpeningKey, SealFault, SealKey, Store, reseal, restore};

use crate::progress::{follow, things};
use crate::verbs::{Failure, Outcome, chain, complain, say};

/// Longest file of secret keys.
const IDENTITY_BYTES_MAX: u64 = 64 * 1024;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// File to write, or a folder in which the file gets a name with device and time.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Key that can open the backup (age1…), instead of the county's key and the recovery key; may be repeated.
    #[arg(long, value_name = "KEY")]
    recipient: Vec<SealKey>,
    /// Prints one object as the last line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Folder to restore to: empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File with the secret key (AGE-SECRET-KEY-1…); - reads it from stdin.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `recovery-key`.
#[derive(Debug, Args)]
pub struct RecoveryKeyArgs {
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Makes a new key where there is one already; the old one opens only older backups.
    #[arg(long)]
    replace: bool,
}

/// Arguments of `reseal`.
#[derive(Debug, Args)]
pub struct ResealArgs {
    /// Folder that holds the county's data: its key opens the backup.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Backup of a box, as the box wrote it.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// File to write.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Key that can open OUT (age1…); may be repeated.
    #[arg(long, value_name = "KEY", required = true)]
    recipient: Vec<SealKey>,
}

/// Writes a backup and checks it by restoring it to a scratch folder.
///
/// # Errors
///
/// There is no key, or the backup could not be written or is not whole: nothing is left of it.
pub async fn backup(store: Store, program: &str, args: BackupArgs) -> Outcome {
    let began = Instant::now();
    let keys = if args.recipient.is_empty() {
        let kept = store.backup_keys().await;
        kept.map_err(|error| Failure::of("the keys of backups cannot be read", &error))?
    } else {
        args.recipient
    };
    let bar = things();
    let made = store
        .backup(&args.path, keys, follow(&bar, "documents checked"))
        .await;
    bar.finish_and_clear();
    let made =
        made.map_err(|error| Failure::new(format!("no backup was made: {}", sentence(&error, program))))?;
    if args.json {
        let object = json!({
            "path": made.path.display().to_string(),
            "bytes": made.bytes,
            "made": made.made.rfc3339(),
            "changes": made.changes,
            "blobs": made.blobs,
            "blobs_outside": made.blobs_outside,
            "fingerprint": made.fingerprint.to_string(),
            "recipients": made.keys,
            "verified": true,
            "seconds": began.elapsed().as_secs_f64(),
        });
        say(&object.to_string());
    } else {
        say(&format!("file          {}", made.path.display()));
        say(&format!("bytes         {}", made.bytes));
        say(&format!("changes       {}", made.changes));
        say(&format!("blobs         {}", made.blobs));
        tell_outside(made.blobs_outside);
        say(&format!("fingerprint   {}", made.fingerprint));
        say("restored to a scratch folder and found whole");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_outside(blobs: u64) {
    if blobs > 0 {
        say(&format!(
            "outside       {blobs} of the blobs lie in the folder or bucket of --blobs and are not in this file: it needs a backup of its own"
        ));
    }
}

/// Restores a backup into an empty folder.
///
/// # Errors
///
/// The folder is not empty, the key does not fit, or the backup is damaged: nothing is left of it.
pub async fn bring_back(options: OpenOptions, program: &str, args: RestoreArgs) -> Outcome {
    let began = Instant::now();
    let keys = read_identity(&args.identity)?;
    let bar = things();
    let progress = follow(&bar, "documents checked");
    let restored = restore(&args.path, &args.data, keys, options, progress).await;
    bar.finish_and_clear();
    let restored = restored
        .map_err(|error| Failure::new(format!("nothing was restored: {}", sentence(&error, program))))?;
    if args.json {
        let object = json!({
            "made": restored.made.rfc3339(),
            "changes": restored.changes,
            "blobs": restored.blobs,
            "blobs_outside": restored.blobs_outside,
            "fingerprint": restored.fingerprint.to_string(),
            "epoch": restored.epoch,
            "seconds": began.elapsed().as_secs_f64(),
        });
        say(&object.to_string());
    } else {
        say(&format!("made          {}", restored.made.rfc3339()));
        say(&format!("changes       {}", restored.changes));
        say(&format!("blobs         {}", restored.blobs));
        tell_outside(restored.blobs_outside);
        say(&format!("fingerprint   {}", restored.fingerprint));
        if let Some(epoch) = restored.epoch {
            say(&format!("epoch         {epoch}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a recovery key: the secret on stdout, once; what to do with it on stderr.
///
/// # Errors
///
/// There is one already and it shall not be replaced, or the store failed.
pub async fn recovery_key(store: Store, args: RecoveryKeyArgs) -> Outcome {
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::of("no recovery key was made", error);
    let present = store.recovery_key().await.map_err(|error| failed(&error))?;
    if let Some(present) = present.filter(|_| !args.replace) {
        return Err(Failure::new(format!(
            "there is a recovery key already ({present}); --replace makes a new one for later backups"
        )));
    }
    let key = store.new_recovery_key().await.map_err(|error| failed(&error))?;
    say(&format!(
        "# recovery key, made {}",
        store.clock().now().at.rfc3339()
    ));
    say(&format!("# public key: {}", key.public()));
    say(&key.secret_text());
    complain(
        "This is shown once. Keep it on paper, away from this machine: it opens every backup from now on.",
    );
    Ok(ExitCode::SUCCESS)
}

/// Opens a box's backup with the county's key and encrypts it to another key.
///
/// # Errors
///
/// The backup was not encrypted to this county, is damaged, or OUT cannot be written.
pub async fn hand_on(store: Store, program: &'static str, args: ResealArgs) -> Outcome {
    let key = OpeningKey::of_device(store.device_key());
    let key = key.map_err(|error| Failure::of("the county's key cannot be used", &error))?;
    let done =
        tokio::task::spawn_blocking(move || reseal(&args.path, &args.out, &[key], &args.recipient)).await;
    match done {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(Failure::new(format!(
            "the backup was not opened: {}",
            sentence(&error, program)
        ))),
        Err(_) => Err(Failure::new("the backup was not opened: it ended unexpectedly")),
    }
}

fn read_identity(path: &Path) -> Result<Vec<OpeningKey>, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .take(IDENTITY_BYTES_MAX)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(IDENTITY_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::of(&format!("the key in {} cannot be read", path.display()), &error))?;
    OpeningKey::read_all(&text)
        .map_err(|error| Failure::of(&format!("the key in {} cannot be used", path.display()), &error))
}

fn sentence(error: &BackupError, program: &str) -> String {
    match error {
        BackupError::NoKey => {
            format!(
                "there is no key to encrypt to; run {program} recovery-key first, or name one by --recipient"
            )
        }
        BackupError::OnServer => format!(
            "the records are in a PostgreSQL database: back it up with pg_dump or pg_basebackup, and this folder's keys \
             with it; restore a copy and run {program} check-copy, so that boxes hear what is safe; after a restore run \
             {program} new-epoch before any node serves"
        ),
        BackupError::NotEmpty => {
            "the data folder is not empty; name an empty or a new one, or move the old one aside".to_owned()
        }
        BackupError::OtherSide => "the backup is of the other kind of machine (box or hub)".to_owned(),
        BackupError::Seal(SealFault::OtherKey) => {
            "the backup was encrypted to another key than this one".to_owned()
        }
        BackupError::Seal(SealFault::Damaged) => {
            "the file is damaged, cut off, or not a backup; use another copy".to_owned()
        }
        BackupError::Seal(_)
        | BackupError::NotABackup(_)
        | BackupError::NotWhole(_)
        | BackupError::File { .. }
        | BackupError::Open(_)
        | BackupError::Store(_) => chain(error),
    }
}
