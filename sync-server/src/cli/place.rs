//! Which database a verb works on. Its address may hold a password, which must not stand on a command line: whoever is
//! on this machine reads those.

use std::path::{Path, PathBuf};

use shell::verbs::Failure;
use store::{Address, BlobStore};

use super::Place;
use crate::blobs::{self, Keys};

/// Environment variable of the address where no argument names it.
const VARIABLE: &str = "SYNC_SERVER_DATABASE_URL";
/// The same of the blobs, and of the file with the keys of their bucket.
const BLOBS: &str = "SYNC_SERVER_BLOBS";
const BLOBS_KEYS: &str = "SYNC_SERVER_BLOBS_KEYS";
/// Bytes of an address at most.
const ADDRESS_BYTES_MAX: u64 = 4096;

impl Place {
    /// The blobs outside the database; `None` where they are in it.
    pub(super) fn blobs(&self) -> Result<Option<BlobStore>, Failure> {
        blobs_at(self.blobs.as_deref(), self.blobs_keys.as_deref())
    }

    /// The database on a server; `None` where the records are in the folder.
    pub(super) fn database(&self) -> Result<Option<Address>, Failure> {
        let named = named(
            "--database-url",
            self.database_url.as_deref(),
            self.database_url_file.as_ref(),
        )?;
        named.map_or_else(of_environment, |address| Ok(Some(address)))
    }
}

/// The address that an argument names, or the first line of its file.
pub(super) fn named(
    argument: &str,
    text: Option<&str>,
    file: Option<&PathBuf>,
) -> Result<Option<Address>, Failure> {
    match (text, file) {
        (Some(text), _) => {
            let address = parse(argument, text)?;
            if address.has_password() {
                return Err(Failure::new(format!(
                    "a password on a command line can be read by everybody on this machine: put the address into a file \
                     ({argument}-file) or into the environment variable {VARIABLE}"
                )));
            }
            Ok(Some(address))
        }
        (None, Some(path)) => parse(&path.display().to_string(), &first_line(path)?).map(Some),
        (None, None) => Ok(None),
    }
}

/// The blobs that the environment names, for verbs without these arguments.
pub(super) fn blobs_of_environment() -> Result<Option<BlobStore>, Failure> {
    blobs_at(None, None)
}

fn blobs_at(address: Option<&str>, file: Option<&Path>) -> Result<Option<BlobStore>, Failure> {
    let address = match address {
        Some(address) => Some(address.to_owned()),
        None => variable(BLOBS)?,
    };
    let Some(address) = address else { return Ok(None) };
    let file = match file {
        Some(file) => Some(file.to_owned()),
        None => variable(BLOBS_KEYS)?.map(PathBuf::from),
    };
    let found = match &file {
        Some(file) => Keys::of_file(file),
        None => Ok(Keys::of_environment()),
    };
    let found = found.and_then(|keys| blobs::at(address.trim(), &keys));
    found.map(Some).map_err(|fault| Failure::new(fault.to_string()))
}

/// The database that the environment names, for verbs without these arguments.
pub(super) fn of_environment() -> Result<Option<Address>, Failure> {
    let named = variable(VARIABLE)?;
    named.map(|text| parse(VARIABLE, &text)).transpose()
}

/// The text of an environment variable; `None` where it is not set.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(format!("{name} is no text"))),
    }
}

fn first_line(path: &PathBuf) -> Result<String, Failure> {
    let failed = |path: &Path, why: String| Failure::new(format!("{} cannot be read: {why}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| failed(path, error.to_string()))?
        .len();
    if size > ADDRESS_BYTES_MAX {
        return Err(failed(path, "it is too long for an address".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(path, error.to_string()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Reads an address. What is refused is not repeated: it may hold a password.
fn parse(source: &str, text: &str) -> Result<Address, Failure> {
    text.trim()
        .parse()
        .map_err(|fault| Failure::new(format!("{source}: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: Option<&str>, file: Option<&Path>) -> Place {
        Place {
            data: PathBuf::from("d"),
            database_url: url.map(str::to_owned),
            database_url_file: file.map(Path::to_owned),
            blobs: None,
            blobs_keys: None,
        }
    }

    #[test]
    fn a_password_is_taken_from_a_file_and_not_from_the_command_line() {
        let secret = "postgres://clinic:secret-of-the-county@localhost/county";
        let refused = place(Some(secret), None).database().err().unwrap().sentence;
        assert!(
            refused.contains("--database-url-file") && !refused.contains("secret-of"),
            "{refused}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        let address = place(None, Some(&file)).database().unwrap().unwrap();
        assert!(address.has_password() && !format!("{address:?}").contains("secret-of"));
        assert!(
            place(Some("postgres://clinic@localhost/county"), None)
                .database()
                .unwrap()
                .is_some()
        );
        std::fs::write(&file, "mysql://clinic:secret-of-the-county@localhost/county").unwrap();
        let refused = place(None, Some(&file)).database().err().unwrap().sentence;
        assert!(!refused.contains("secret-of"), "{refused}");
    }
}
