//! A hub of two nodes on one PostgreSQL database, and boxes of one clinic: the real programs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use harness::one_address::OneAddress;
use harness::programs::{Program, Said, run, run_to, wait_until};
use objects_for_tests::Bucket;
use postgresql_for_tests::Database;
use serde_json::Value;

/// The clinic.
pub(crate) const CODE: &str = "0017";
/// What all nodes of a hub have in common besides the database.
const KEYS: [&str; 3] = ["device.key", "county.pem", "county.key.pem"];

/// The folders of everything, and what the nodes share.
pub(crate) struct County {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: Database,
    /// Where the nodes keep their blobs; else these are in the database.
    pub(crate) bucket: Option<Bucket>,
}

impl County {
    /// A hub with a clinic, and the keys for the second node; no node runs yet.
    pub(crate) fn new(bucket: Option<Bucket>) -> Self {
        let county = Self {
            folder: tempfile::tempdir().unwrap(),
            database: Database::new(),
            bucket,
        };
        county.hub_verb(&["clinic", "add"], &["--code", CODE, "--name", "示例卫生室"]);
        county.hub_verb(&["ca"], &[]);
        std::fs::create_dir(county.path("second")).unwrap();
        for key in KEYS {
            std::fs::copy(county.path("first").join(key), county.path("second").join(key)).unwrap();
        }
        county
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The keys of the bucket.
    fn keys(&self) -> Vec<(&'static str, String)> {
        self.bucket.as_ref().map(Bucket::environment).unwrap_or_default()
    }

    /// Starts a node; gives its address for boxes, too.
    pub(crate) fn node(&self, name: &str) -> (Program, SocketAddr) {
        let (data, free) = (self.text(name), "127.0.0.1:0");
        let blobs = self.bucket.as_ref().map(Bucket::url);
        let mut arguments = vec!["serve", "--data", &data, "--listen", free, "--link", free];
        if let Some(blobs) = &blobs {
            arguments.extend(["--blobs", blobs]);
        }
        let mut environment = self.keys();
        environment.push(("SYNC_SERVER_DATABASE_URL", self.database.url()));
        let mut node = Program::start("sync-server", &arguments, &lent(&environment), self.folder.path());
        let link = node.url("link");
        let link = link.trim_start_matches("https://").trim_end_matches('/');
        (node, link.parse().unwrap())
    }

    /// What a verb of the hub says, however it ends.
    pub(crate) fn hub_says(&self, words: &[&str], more: &[&str]) -> Said {
        let (data, url) = (self.text("first"), self.database.url());
        let mut all = words.to_vec();
        all.extend(["--data", &data, "--database-url", &url]);
        all.extend(more);
        run_to("sync-server", &all, &lent(&self.keys()), b"")
    }

    pub(crate) fn hub_verb(&self, words: &[&str], more: &[&str]) -> Said {
        let said = self.hub_says(words, more);
        assert_eq!(said.code, 0, "{words:?}: {} {}", said.out, said.err);
        said
    }

    pub(crate) fn box_verb(&self, name: &str, verb: &str, more: &[&str], input: &[u8]) -> Said {
        let data = self.text(name);
        let mut all = vec![verb, "--data", &data];
        all.extend(more);
        let said = run("appliance", &all, input);
        assert_eq!(said.code, 0, "{verb}: {} {}", said.out, said.err);
        said
    }

    pub(crate) fn enrol(&self, name: &str, address: &OneAddress) {
        let token = self.hub_verb(&["token"], &["--clinic", CODE]).out;
        let more = ["--hub", &address.url(), "--token-file", "-"];
        self.box_verb(name, "enroll", &more, token.as_bytes());
    }

    pub(crate) fn import(&self, name: &str, lines: &Path) {
        self.box_verb(name, "import", &[lines.to_str().unwrap(), "--json"], b"");
    }

    /// Exchanges everything.
    pub(crate) fn sync(&self, name: &str, address: &OneAddress) -> Value {
        let said = self.box_verb(name, "sync", &["--once", "--hub", &address.url(), "--json"], b"");
        let told = said.json();
        assert_eq!(told["pending"], 0);
        told
    }

    /// Kills the node that carries an exchange of a box after so many bytes.
    pub(crate) fn dies_in_exchange(&self, node: Program, name: &str, address: &OneAddress, bytes: u64) {
        let before = address.carried();
        let (data, url) = (self.text(name), address.url());
        let cut = ["sync", "--data", &data, "--once", "--hub", &url, "--json"];
        let mut cut = Program::start("appliance", &cut, &[], self.folder.path());
        wait_until("the exchange is in its middle", || {
            (address.carried() > before + bytes).then_some(())
        });
        node.kill();
        assert!(!cut.wait().success(), "the exchange ended before its node died");
    }
}

fn lent<'e>(environment: &'e [(&'static str, String)]) -> Vec<(&'static str, &'e str)> {
    environment
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect()
}
