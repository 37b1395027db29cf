//! What the kernel tells of the machine: heat, supply voltage, the wear of its storage, radio.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernel's files about devices.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    sys: PathBuf,
}

/// What soldered storage says of its wear (JEDEC JESD84-B51, extended CSD). Cards that are plugged in say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wear {
    /// How much of its life is used, in steps of ten percent: 1 is up to 10 %, 11 is more than planned.
    pub(crate) used: u8,
    /// How much of the reserve is used: 1 normal, 2 four fifths, 3 nine tenths.
    pub(crate) reserve: u8,
}

impl Kernel {
    /// This machine's.
    pub(crate) fn of_this_computer() -> Self {
        Self {
            sys: PathBuf::from("/sys"),
        }
    }

    #[cfg(test)]
    pub(crate) fn at(sys: &Path) -> Self {
        Self { sys: sys.to_owned() }
    }

    /// Degrees Celsius of the processor.
    pub(crate) fn degrees(&self) -> Option<f64> {
        let text = read(&self.sys.join("class/thermal/thermal_zone0/temp"))?;
        let thousandths: i32 = text.parse().ok()?;
        Some(f64::from(thousandths) / 1_000.0)
    }

    /// Whether the supply voltage is too low: the firmware's watch, which the kernel's `raspberrypi-hwmon` tells.
    pub(crate) fn undervoltage(&self) -> Option<bool> {
        let watch = entries(&self.sys.join("class/hwmon"))
            .into_iter()
            .find(|path| read(&path.join("name")).as_deref() == Some("rpi_volt"))?;
        Some(read(&watch.join("in0_lcrit_alarm"))? != "0")
    }

    /// The most worn of the soldered storage.
    pub(crate) fn wear(&self) -> Option<Wear> {
        let number = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        entries(&self.sys.join("block"))
            .into_iter()
            .filter_map(|block| {
                let life = read(&block.join("device/life_time"))?;
                // Of two kinds of cells the more worn one counts.
                let used = life.split_ascii_whitespace().filter_map(number).max()?;
                let reserve = read(&block.join("device/pre_eol_info"))
                    .as_deref()
                    .and_then(number)?;
                Some(Wear { used, reserve })
            })
            .max_by_key(|wear| (wear.reserve, wear.used))
    }

    /// Names of its radios for wireless networks.
    pub(crate) fn radios(&self) -> Vec<String> {
        entries(&self.sys.join("class/net"))
            .into_iter()
            .filter(|path| path.join("phy80211").exists() || path.join("wireless").exists())
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect()
    }
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// What stands in a folder, in the order of names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sys: &Path, name: &str, text: &str) {
        let path = sys.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_a_raspberry_pi_says_is_read() {
        let sys = tempfile::tempdir().unwrap();
        let kernel = Kernel::at(sys.path());
        assert_eq!(
            (
                kernel.degrees(),
                kernel.undervoltage(),
                kernel.wear(),
                kernel.radios()
            ),
            (None, None, None, vec![])
        );
        put(sys.path(), "class/thermal/thermal_zone0/temp", "48312\n");
        put(sys.path(), "class/hwmon/hwmon0/name", "cpu_thermal\n");
        put(sys.path(), "class/hwmon/hwmon1/name", "rpi_volt\n");
        put(sys.path(), "class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        put(sys.path(), "block/mmcblk0/device/life_time", "0x01 0x02\n");
        put(sys.path(), "block/mmcblk0/device/pre_eol_info", "0x01\n");
        put(sys.path(), "class/net/eth0/address", "");
        put(sys.path(), "class/net/wlan0/phy80211/name", "phy0");
        assert_eq!(kernel.degrees(), Some(48.312));
        assert_eq!(kernel.undervoltage(), Some(false));
        assert_eq!(kernel.wear(), Some(Wear { used: 2, reserve: 1 }));
        assert_eq!(kernel.radios(), ["wlan0"]);
        put(sys.path(), "class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        assert_eq!(kernel.undervoltage(), Some(true));
        put(sys.path(), "block/mmcblk0/device/life_time", "nonsense\n");
        assert_eq!(kernel.wear(), None);
    }
}
