//! A clinic's box as it stands in a clinic: the real program with simulated devices on pseudo terminals.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::programs::{Program, Said, run};

/// The password of the clinic's Wi-Fi.
pub const WIFI_PASSWORD: &str = "secret-of-the-clinic";

/// A device on the bench: what it is and how its simulator is started.
pub struct Bay<'a> {
    /// Its name on screens.
    pub name: &'a str,
    /// Key in the catalogue.
    pub device: &'a str,
    /// Further arguments of the simulator.
    pub arguments: &'a [&'a str],
}

/// Starts the simulators of these bays and adds them to a box's settings; gives each with the name of its bay.
pub(crate) fn start_devices(bays: &[Bay<'_>], settings: &mut String, logs: &Path) -> Vec<(String, Program)> {
    let mut devices = Vec::new();
    for bay in bays {
        let arguments: Vec<&str> = ["--device", bay.device]
            .iter()
            .chain(bay.arguments)
            .copied()
            .collect();
        let mut device = Program::start("simulate", &arguments, &[], logs);
        let port = device.next_line();
        write!(
            settings,
            "[[bay]]\nname = {:?}\ndevice = {:?}\nport = {port:?}\n",
            bay.name, bay.device
        )
        .unwrap();
        devices.push((bay.name.to_owned(), device));
    }
    devices
}

/// A running box.
pub struct ClinicBox {
    folder: PathBuf,
    program: Option<Program>,
    devices: Vec<(String, Program)>,
    pages: String,
}

impl ClinicBox {
    /// Starts the simulators, then the box on an empty folder below `folder`. Logs go there too.
    pub fn start(folder: &Path, bays: &[Bay<'_>]) -> Self {
        Self::start_telling(folder, bays, "info")
    }

    /// The same with a log of this level.
    pub fn start_telling(folder: &Path, bays: &[Bay<'_>], level: &str) -> Self {
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        let mut settings = format!(
            "[log]\nlevel = {level:?}\n[lan]\nwifi_name = \"clinic\"\nwifi_password = {WIFI_PASSWORD:?}\n"
        );
        let devices = start_devices(bays, &mut settings, &logs);
        std::fs::write(folder.join("box.toml"), settings).unwrap();
        let mut this = Self {
            folder: folder.to_owned(),
            program: None,
            devices,
            pages: String::new(),
        };
        this.serve();
        this
    }

    /// Starts the box again after [`Self::stop`].
    pub fn serve(&mut self) {
        let (data, config) = (self.data(), self.folder.join("box.toml").display().to_string());
        let free = "127.0.0.1:0";
        let arguments = [
            "serve",
            "--data",
            &data,
            "--config",
            &config,
            "--listen",
            free,
            "--lan-listen",
            free,
            "--setup-listen",
            free,
            "--screen-listen",
            free,
        ];
        let mut program = Program::start("appliance", &arguments, &[], &self.logs());
        self.pages = program.url("pages");
        self.program = Some(program);
    }

    /// Folder of its logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Folder of its data, as arguments take it.
    pub fn data(&self) -> String {
        self.folder.join("box").display().to_string()
    }

    /// Address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}", self.pages, path.trim_start_matches('/'))
    }

    /// The listener of this name: `pages`, `lan`, `setup` or `screen`.
    pub fn listener(&mut self, name: &str) -> String {
        self.program.as_mut().unwrap().url(name)
    }

    /// Tells the simulated device at a bay what a person does there.
    pub fn at(&mut self, bay: &str, what: &str) {
        let device = self.devices.iter_mut().find(|(name, _)| name == bay);
        device.unwrap().1.tell(what);
    }

    /// Stops the box in order; its devices stay.
    pub fn stop(&mut self) {
        let status = self.program.take().unwrap().stop();
        assert!(status.success(), "{status}");
    }

    /// Runs a verb on the box's folder.
    pub fn verb(&self, verb: &str, arguments: &[&str]) -> Said {
        let data = self.data();
        let all: Vec<&str> = [verb, "--data", &data].iter().chain(arguments).copied().collect();
        run("appliance", &all, b"")
    }
}
