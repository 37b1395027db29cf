//! What the pages' process leaves for the program that may write the card: files in a folder that the service manager
//! watches. One request is one file; it is gone once it was answered, well or not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The requests below a data folder.
#[derive(Debug, Clone)]
pub struct Mailbox {
    folder: PathBuf,
}

impl Mailbox {
    /// The mailbox of this data folder.
    pub fn of(data: &Path) -> Self {
        Self {
            folder: data.join("update"),
        }
    }

    fn request(&self, name: &str) -> PathBuf {
        self.folder.join("requests").join(name)
    }

    /// Where a bundle arrives.
    pub fn arriving(&self) -> PathBuf {
        self.folder.join("arriving.bundle")
    }

    /// Where a release from the hub is put together.
    pub fn fetched(&self) -> PathBuf {
        self.folder.join("fetched.bundle")
    }

    /// A whole bundle that is to be installed.
    pub fn bundle(&self) -> PathBuf {
        self.request("ready.bundle")
    }

    /// The wish to restart and try what was installed.
    pub fn restart(&self) -> PathBuf {
        self.request("restart")
    }

    /// The wish to overwrite the card's used token.
    pub fn token_used(&self) -> PathBuf {
        self.request("token-used")
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("requests"))
    }

    /// Leaves a request that is nothing but its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn ask(&self, request: &Path) -> io::Result<()> {
        self.make()?;
        File::create(request)?.sync_all()
    }

    /// Makes what arrived a request.
    ///
    /// # Errors
    /// What the system says.
    pub fn hand_over(&self) -> io::Result<()> {
        fs::rename(self.arriving(), self.bundle())?;
        File::open(self.folder.join("requests"))?.sync_all()
    }

    /// Removes an answered request, so that it is not there again after a power cut.
    ///
    /// # Errors
    /// What the system says.
    pub fn answered(&self, request: &Path) -> io::Result<()> {
        match fs::remove_file(request) {
            Ok(()) => File::open(self.folder.join("requests"))?.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
