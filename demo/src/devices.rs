//! The demo's simulated devices: a cuff, an ECG recorder, an ID card reader and a second cuff, each on a line of its
//! own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use appliance::config::BayConfig;
use device_drivers::catalogue::DeviceKey;
use device_drivers::simulators::{Command, Replay, SimOptions, Simulator};

/// A simulated device and the bay that it is plugged into.
pub struct Plugged {
    /// Word of the device in the control page's addresses.
    pub word: &'static str,
    /// Name of its bay.
    pub bay: &'static str,
    simulator: Simulator,
    device: DeviceKey,
}

/// The devices of the demo.
pub struct Devices(Vec<Plugged>);

/// Word, name of the bay and model of each device.
const PLAN: [(&str, &str, DeviceKey); 4] = [
    ("cuff", "血压计", DeviceKey::OmronHbp9030),
    ("kiosk-cuff", "自助机血压计", DeviceKey::AndTm2655),
    ("ecg", "心电图机", DeviceKey::Contec8000g),
    ("reader", "身份证读卡器", DeviceKey::IdcardSam),
];

impl Devices {
    /// Starts them; with `replay` the ECG recorder plays that 12-lead WFDB record instead of the synthetic heart.
    ///
    /// # Errors
    /// Where the record cannot be played or no pseudo terminal is to be had.
    pub fn start(replay: Option<&Path>) -> Result<Self> {
        let replay = match replay {
            Some(path) => Some(Arc::new(
                Replay::from_wfdb(path).with_context(|| format!("cannot play {}", path.display()))?,
            )),
            None => None,
        };
        let now = records::time::WallTime(jiff::Timestamp::now().as_millisecond()).china();
        let start = |(word, bay, device)| {
            let mut options = SimOptions::new(device, now);
            if device == DeviceKey::Contec8000g {
                options.replay = replay.clone();
            }
            let simulator = Simulator::spawn(options).context("cannot start a simulated device")?;
            Ok(Plugged {
                word,
                bay,
                simulator,
                device,
            })
        };
        Ok(Self(PLAN.into_iter().map(start).collect::<Result<_>>()?))
    }

    /// The bays that the box serves them by.
    pub fn bays(&self) -> Vec<BayConfig> {
        let bay = |plugged: &Plugged| BayConfig {
            name: plugged.bay.to_owned(),
            device: plugged.device.as_str().to_owned(),
            port: PathBuf::from(plugged.simulator.path()),
        };
        self.0.iter().map(bay).collect()
    }

    /// Does something at the device with this word; `false` where there is no such device.
    pub fn send(&self, word: &str, command: Command) -> bool {
        self.0
            .iter()
            .find(|plugged| plugged.word == word)
            .is_some_and(|plugged| plugged.simulator.send(command))
    }

    /// The devices in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Plugged> {
        self.0.iter()
    }
}
