//! Where the hub's blobs lie: the address on the command line, the keys of a bucket, and the task that moves blobs out
//! of the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use store::{BlobStore, Store, StoreError};
use url::{Host, Url};

/// Bytes of a file of keys at most.
const KEYS_BYTES_MAX: u64 = 16 * 1024;
/// Names of what a bucket may need, in the environment and in a file of keys.
const NAMES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];
/// Region of a bucket where none is named; stores that are not Amazon's do not look at it.
const REGION: &str = "us-east-1";
/// One request, an object of 32 MiB on a slow line included.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// One object with all tries: a desk waits for a picture as long.
const TRIES_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether something waits, where nobody told of anything.
const LOOK: Duration = Duration::from_secs(15);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);
/// After a commit, so that what comes together is moved together.
const GATHER: Duration = Duration::from_millis(200);

/// Why an address of blobs cannot be used. No part of a key is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum BlobsFault {
    /// The text is no such address.
    #[error("the place of the blobs is not of the form file:///FOLDER or s3://BUCKET/PREFIX")]
    Malformed,
    /// A key stands in the address.
    #[error(
        "a key on a command line can be read by everybody on this machine: put it into a file (--blobs-keys) or into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
    )]
    KeyInAddress,
    /// The folder is not there: a disk that is not mounted must not be taken for an empty one.
    #[error("{0} is no folder: make it, or mount the disk that it lies on")]
    NoFolder(PathBuf),
    /// The keys of a bucket are missing.
    #[error("a bucket needs {0}, in the environment or in the file of --blobs-keys")]
    NoKeys(&'static str),
    /// The file of keys cannot be read.
    #[error("{0} cannot be read: {1}")]
    KeysFile(PathBuf, String),
    /// What would be sent could be read on the way.
    #[error("the bucket is on another machine and its address is not https://")]
    Unprotected,
    /// The client of the store could not be made.
    #[error("the store of the blobs cannot be used: {0}")]
    Client(object_store::Error),
}

/// The keys of a bucket, by their names.
#[derive(Default)]
pub struct Keys(BTreeMap<&'static str, String>);

impl Keys {
    /// Those in the environment.
    #[must_use]
    pub fn of_environment() -> Self {
        let found = NAMES.map(|name| Some((name, std::env::var(name).ok()?)));
        Self(found.into_iter().flatten().collect())
    }

    /// Those in a file: lines `NAME=VALUE`, with the names that the environment has.
    ///
    /// # Errors
    /// [`BlobsFault::KeysFile`].
    pub fn of_file(path: &Path) -> Result<Self, BlobsFault> {
        let failed = |why: String| BlobsFault::KeysFile(path.to_owned(), why);
        let size = path.metadata().map_err(|error| failed(error.to_string()))?.len();
        if size > KEYS_BYTES_MAX {
            return Err(failed("it is too long for a file of keys".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text)
            .map_err(|line| failed(format!("line {line} is not one of NAME=VALUE that is known")))
    }

    /// Reads lines; the number of the first one that is none. What it holds is not repeated: it may be a key.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut keys = BTreeMap::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(n + 1)?;
            let name = NAMES.into_iter().find(|known| *known == name.trim());
            keys.insert(name.ok_or(n + 1)?, value.trim().trim_matches('"').to_owned());
        }
        Ok(Self(keys))
    }

    fn get(&self, name: &'static str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// The store of the blobs at this address.
///
/// # Errors
/// [`BlobsFault`].
pub fn at(address: &str, keys: &Keys) -> Result<BlobStore, BlobsFault> {
    let url = Url::parse(address).map_err(|_| BlobsFault::Malformed)?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(BlobsFault::KeyInAddress);
    }
    match url.scheme() {
        "file" => in_folder(&url),
        "s3" => in_bucket(&url, keys),
        _ => Err(BlobsFault::Malformed),
    }
}

fn in_folder(url: &Url) -> Result<BlobStore, BlobsFault> {
    let folder = url.to_file_path().map_err(|()| BlobsFault::Malformed)?;
    if !folder.is_dir() {
        return Err(BlobsFault::NoFolder(folder));
    }
    let objects = LocalFileSystem::new_with_prefix(&folder).map_err(BlobsFault::Client)?;
    // An object is there when it survives a power cut, not before.
    let objects = objects.with_fsync(true).with_automatic_cleanup(true);
    Ok(BlobStore::new(Arc::new(objects), url.as_str()))
}

fn in_bucket(url: &Url, keys: &Keys) -> Result<BlobStore, BlobsFault> {
    // The client asks for the provider of TLS when it is made. A second choice is the same one.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let bucket = url
        .host_str()
        .filter(|bucket| !bucket.is_empty())
        .ok_or(BlobsFault::Malformed)?;
    let need = |name| keys.get(name).ok_or(BlobsFault::NoKeys(name));
    let options = ClientOptions::new().with_timeout(REQUEST_MAX);
    let retry = RetryConfig {
        max_retries: 3,
        retry_timeout: TRIES_MAX,
        backoff: BackoffConfig::default(),
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_access_key_id(need("AWS_ACCESS_KEY_ID")?)
        .with_secret_access_key(need("AWS_SECRET_ACCESS_KEY")?)
        .with_region(keys.get("AWS_REGION").unwrap_or(REGION))
        .with_retry(retry);
    if let Some(token) = keys.get("AWS_SESSION_TOKEN") {
        builder = builder.with_token(token);
    }
    let mut allow_http = false;
    if let Some(endpoint) = keys.get("AWS_ENDPOINT_URL") {
        allow_http = is_on_this_machine(endpoint)?;
        builder = builder.with_endpoint(endpoint);
    }
    if keys.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST") == Some("true") {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    let bucket = builder
        .with_client_options(options.with_allow_http(allow_http))
        .build()
        .map_err(BlobsFault::Client)?;
    let prefix = url.path().trim_matches('/');
    let objects: Arc<dyn ObjectStore> = if prefix.is_empty() {
        Arc::new(bucket)
    } else {
        Arc::new(PrefixStore::new(bucket, prefix))
    };
    Ok(BlobStore::new(objects, url.as_str()))
}

/// Whether plain HTTP may be spoken: to this machine only. Recordings must not be read on the way.
fn is_on_this_machine(endpoint: &str) -> Result<bool, BlobsFault> {
    let url = Url::parse(endpoint).map_err(|_| BlobsFault::Unprotected)?;
    let near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if near => Ok(true),
        _ => Err(BlobsFault::Unprotected),
    }
}

/// Moves blobs out of the database for as long as the hub runs.
pub(crate) async fn look_after(store: Store) {
    let mut changes = store.changes();
    loop {
        let pause = match store.move_blobs().await {
            Ok(done) => {
                if done != store::Moved::default() {
                    tracing::info!(
                        moved = done.moved,
                        removed = done.removed,
                        "blobs outside the database"
                    );
                }
                LOOK
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %shell::verbs::chain(&error), "blobs stay in the database; it is tried again");
                AGAIN
            }
        };
        // Whatever was told, or a listener that missed something: it is looked at.
        let _told = tokio::time::timeout(pause, changes.recv()).await;
        tokio::time::sleep(GATHER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(more: &[(&'static str, &str)]) -> Keys {
        let both = [
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-county"),
        ];
        let all = both.iter().chain(more);
        Keys(all.map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn a_place_is_a_folder_that_is_there_or_a_bucket_with_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let there = format!("file://{}", folder.path().display());
        at(&there, &Keys::default()).unwrap();
        let not_mounted = at(&format!("{there}/disk"), &Keys::default());
        assert!(matches!(not_mounted, Err(BlobsFault::NoFolder(_))));
        at("s3://county/blobs", &keys(&[])).unwrap();
        for (url, keys) in [
            ("s3://county", Keys::default()),
            ("s3://me:secret-of-the-county@county", keys(&[])),
            ("s3://county?X-Amz-Signature=secret-of-the-county", keys(&[])),
            ("https://county", keys(&[])),
            ("county", keys(&[])),
            (
                "s3://county",
                keys(&[("AWS_ENDPOINT_URL", "http://s3.county.example")]),
            ),
            (
                "s3://county",
                keys(&[("AWS_ENDPOINT_URL", "http://localhost.example")]),
            ),
        ] {
            let fault = at(url, &keys).err().map(|fault| fault.to_string());
            assert!(fault.is_some_and(|text| !text.contains("secret-of")), "{url}");
        }
        at(
            "s3://county",
            &keys(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")]),
        )
        .unwrap();
        at(
            "s3://county",
            &keys(&[("AWS_ENDPOINT_URL", "https://s3.county.example")]),
        )
        .unwrap();
    }

    #[test]
    fn a_file_of_keys_has_names_that_are_known_and_none_of_it_is_repeated() {
        let read = Keys::parse("# keys\nAWS_ACCESS_KEY_ID = k\nAWS_SECRET_ACCESS_KEY=\"a=b\"\n\n").unwrap();
        assert_eq!(
            (read.get("AWS_ACCESS_KEY_ID"), read.get("AWS_SECRET_ACCESS_KEY")),
            (Some("k"), Some("a=b"))
        );
        assert_eq!(Keys::parse("AWS_REGION=x\nsecret-of-the-county").err(), Some(2));
        assert_eq!(Keys::parse("AWS_SECRET=secret-of-the-county").err(), Some(1));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, "secret-of-the-county\n").unwrap();
        let said = Keys::of_file(&file).err().unwrap().to_string();
        assert!(said.contains("line 1") && !said.contains("secret-of"), "{said}");
        std::fs::write(&file, vec![b' '; 17 * 1024]).unwrap();
        assert!(Keys::of_file(&file).is_err());
    }
}
