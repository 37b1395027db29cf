//! A box and a hub with a line of packets between them: folders, enrolment, single exchanges.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clinic_box::{Bay, start_devices};
use crate::narrow_line::NarrowLine;
use crate::programs::{Program, Said, hub_verb, run, run_in};
use crate::workload::Workload;

/// The clinic of the workload.
const CODE: &str = "0017";

/// Folders of a box that has sent everything to its hub, of that hub, and what they say.
pub struct FarHub {
    folder: PathBuf,
    clinic: &'static str,
}

/// How one exchange went.
pub struct Exchanged {
    /// What the box said, as its last line.
    pub told: Value,
    /// From the start of the process to its end.
    pub took: Duration,
}

impl FarHub {
    /// Enrols a box at a hub and sends it the charts of a panel, over this machine's loopback.
    pub fn with_base(folder: &Path, panel: Workload) -> Self {
        let base = folder.join("base");
        std::fs::create_dir_all(folder).unwrap();
        panel.write_base(&base);
        let this = Self::of(folder, CODE);
        this.import(&base);
        this.enrol();
        this
    }

    /// The box of this clinic in `folder`, where it may have been founded already, and a hub for it.
    pub fn of(folder: &Path, clinic: &'static str) -> Self {
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        Self {
            folder: folder.to_owned(),
            clinic,
        }
    }

    /// Enrols the box and sends what it holds, over this machine's loopback.
    pub fn enrol(&self) {
        self.hub_verb(
            &["clinic", "add"],
            &["--code", self.clinic, "--name", "示例卫生室"],
        );
        let token = self.hub_verb(&["token"], &["--clinic", self.clinic]).out;
        let (hub, url) = self.serve(None, "127.0.0.1");
        let enrol = [
            "enroll",
            "--data",
            &self.path("box"),
            "--hub",
            &url,
            "--token-file",
            "-",
        ];
        let said = run("appliance", &enrol, token.as_bytes());
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
        self.settle(&url);
        assert!(hub.stop().success());
    }

    /// Exchanges with the hub at this URL until nothing waits.
    fn settle(&self, url: &str) {
        let told = self
            .exchange(None, url)
            .unwrap_or_else(|said| panic!("{} {}", said.out, said.err))
            .told;
        assert_eq!(told["pending"], 0, "everything is at the hub: {told}");
    }

    /// Sends what waits; `true` where both ends then hold the same.
    pub fn meets(&self) -> bool {
        let (hub, url) = self.serve(None, "127.0.0.1");
        self.settle(&url);
        assert!(hub.stop().success());
        let [there, here] = self.fingerprints();
        there == here
    }

    /// Adds lines to the box.
    pub fn import(&self, lines: &Path) {
        let import = [
            "import",
            "--data",
            &self.path("box"),
            lines.to_str().unwrap(),
            "--json",
        ];
        let said = run("appliance", &import, b"");
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    }

    /// The same folders once more.
    pub fn copy_to(&self, folder: &Path) -> Self {
        for side in ["box", "hub", "logs"] {
            copy(&self.folder.join(side), &folder.join(side));
        }
        Self::of(folder, self.clinic)
    }

    /// Starts the hub at this address, in a namespace; gives it with its URL.
    pub fn serve(&self, namespace: Option<&str>, address: &str) -> (Program, String) {
        self.serve_to(namespace, address, &[])
    }

    /// The same with these environment variables.
    pub(crate) fn serve_to(
        &self,
        namespace: Option<&str>,
        address: &str,
        environment: &[(&str, &str)],
    ) -> (Program, String) {
        let link = format!("{address}:0");
        let arguments = [
            "serve",
            "--data",
            &self.path("hub"),
            "--listen",
            "127.0.0.1:0",
            "--link",
            &link,
        ];
        let logs = self.folder.join("logs");
        let mut hub = Program::start_in(namespace, "sync-server", &arguments, environment, &logs);
        let url = hub.url("link").trim_end_matches('/').to_owned();
        (hub, url)
    }

    /// One exchange from the near end of a line; what the box said where it came to nothing.
    ///
    /// # Errors
    ///
    /// The exchange did not come to its end.
    pub fn exchange(&self, line: Option<&NarrowLine>, url: &str) -> Result<Exchanged, Said> {
        let sync = [
            "sync",
            "--data",
            &self.path("box"),
            "--once",
            "--hub",
            url,
            "--json",
        ];
        let began = Instant::now();
        let said = run_in(line.and_then(NarrowLine::near), "appliance", &sync, b"");
        let took = began.elapsed();
        if said.code == 0 {
            Ok(Exchanged {
                told: said.json(),
                took,
            })
        } else {
            Err(said)
        }
    }

    /// Starts the box beside a hub at this URL.
    pub fn serve_box(&self, url: &str) -> Program {
        self.serve_box_to(url, &[])
    }

    /// The same with these environment variables.
    pub(crate) fn serve_box_to(&self, url: &str, environment: &[(&str, &str)]) -> Program {
        self.start_box(url, environment, &[])
    }

    /// The same with simulated devices, each with the name of its bay.
    pub fn serve_box_with(&self, url: &str, bays: &[Bay<'_>]) -> (Program, Vec<(String, Program)>) {
        let mut settings = String::new();
        let devices = start_devices(bays, &mut settings, &self.folder.join("logs"));
        let file = self.path("box.toml");
        std::fs::write(&file, settings).unwrap();
        (self.start_box(url, &[], &["--config", &file]), devices)
    }

    fn start_box(&self, url: &str, environment: &[(&str, &str)], more: &[&str]) -> Program {
        let data = self.path("box");
        let usual = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--hub", url];
        let arguments: Vec<&str> = usual.iter().chain(more).copied().collect();
        Program::start("appliance", &arguments, environment, &self.folder.join("logs"))
    }

    /// Folder of the box's data.
    pub fn box_data(&self) -> PathBuf {
        self.folder.join("box")
    }

    /// Folder of the hub's data.
    pub(crate) fn hub_data(&self) -> PathBuf {
        self.folder.join("hub")
    }

    /// Fingerprint of what the hub holds of the clinic, and of the box.
    pub fn fingerprints(&self) -> [Value; 2] {
        let hub = self.hub_verb(&["verify"], &["--clinic", self.clinic, "--json"]);
        let verify = ["verify", "--data", &self.path("box"), "--json"];
        let here = run("appliance", &verify, b"");
        [&hub, &here].map(|said| said.json()["fingerprint"].clone())
    }

    fn hub_verb(&self, words: &[&str], arguments: &[&str]) -> Said {
        hub_verb(&self.path("hub"), words, arguments)
    }

    fn path(&self, side: &str) -> String {
        self.folder.join(side).display().to_string()
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
