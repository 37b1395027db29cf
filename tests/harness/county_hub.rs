//! The county's hub as it stands in a data centre: the real program on a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::programs::{Program, Said, hub_verb};

/// A sign-in that the hub printed for a person.
pub struct SignIn {
    /// What to type as user.
    pub user: String,
    /// The one-time password.
    pub password: String,
}

/// A running hub.
pub struct CountyHub {
    folder: PathBuf,
    program: Option<Program>,
    desk: String,
    link: String,
}

impl CountyHub {
    /// Starts a hub on an empty folder below `folder`. Logs go there too.
    pub fn start(folder: &Path) -> Self {
        Self::start_telling(folder, "info")
    }

    /// The same with a log of this level.
    pub fn start_telling(folder: &Path, level: &str) -> Self {
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        let mut this = Self {
            folder: folder.to_owned(),
            program: None,
            desk: String::new(),
            link: String::new(),
        };
        this.serve(level, "127.0.0.1:0");
        this
    }

    /// Starts it again after [`Self::stop`]; boxes find it where it was.
    pub fn start_again(&mut self) {
        let link = self.link().to_string();
        self.serve("info", &link);
    }

    fn serve(&mut self, level: &str, link: &str) {
        let data = self.data();
        let arguments = [
            "serve",
            "--data",
            &data,
            "--listen",
            "127.0.0.1:0",
            "--link",
            link,
        ];
        let mut program = Program::start("sync-server", &arguments, &[("RUST_LOG", level)], &self.logs());
        self.desk = program.url("desk");
        self.link = program.url("link");
        self.program = Some(program);
    }

    fn data(&self) -> String {
        self.folder.join("hub").display().to_string()
    }

    /// Folder of its logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Address of the desks' pages.
    pub fn desk(&self) -> &str {
        self.desk.trim_end_matches('/')
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.program.as_ref().unwrap().pid()
    }

    /// Address at which boxes reach it.
    pub fn link(&self) -> SocketAddr {
        self.link
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .parse()
            .unwrap()
    }

    /// Runs a verb that must succeed, beside the running hub.
    pub fn verb(&self, words: &[&str], arguments: &[&str]) -> Said {
        hub_verb(&self.data(), words, arguments)
    }

    /// Adds a clinic and gives a token for its box.
    pub fn invite(&self, code: &str, name: &str) -> String {
        self.verb(&["clinic", "add"], &["--code", code, "--name", name]);
        self.verb(&["token"], &["--clinic", code]).out.trim().to_owned()
    }

    /// Adds a person of the county.
    pub fn add_staff(&self, role: &str, name: &str) -> SignIn {
        let said = self
            .verb(&["staff", "add"], &["--role", role, "--name", name, "--json"])
            .json();
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        SignIn {
            user: text("user"),
            password: text("password"),
        }
    }

    /// Writes the hub's CA certificate into a file, for browsers to trust.
    pub fn authority(&self) -> PathBuf {
        let path = self.folder.join("hub-ca.pem");
        std::fs::write(&path, self.verb(&["ca"], &[]).out).unwrap();
        path
    }

    /// Stops the hub in order.
    pub fn stop(&mut self) {
        let status = self.program.take().unwrap().stop();
        assert!(status.success(), "{status}");
    }
}
