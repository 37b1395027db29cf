//! Settings of the program: one TOML file, read once at start, unknown keys refused; the command line stands
//! above it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Most bays that one box serves.
pub const BAYS_MAX: usize = 32;
/// Most characters of a bay's name: it stands on a button.
pub const BAY_NAME_CHARS_MAX: usize = 40;
/// Largest settings file that is read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Why a settings file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read settings file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Larger than any settings file.
    #[error("settings file {0} is larger than 256 KiB")]
    TooLarge(PathBuf),
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("settings file {path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// A bay that cannot be served.
    #[error("bay {name:?}: {reason}")]
    Bay {
        /// Name of the bay as the file has it.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More bays than [`BAYS_MAX`].
    #[error("more than {BAYS_MAX} bays")]
    TooManyBays,
    /// Plain HTTP for the pages beyond this machine.
    #[error("listen address {0} is not a loopback address; tablets are served over HTTPS by lan_listen")]
    NotLoopback(SocketAddr),
}

/// The settings file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses of the pages.
    pub http: HttpConfig,
    /// The county hub.
    pub hub: HubConfig,
    /// The box's own network for tablets.
    pub lan: LanConfig,
    /// The kiosk.
    pub kiosk: KioskConfig,
    /// The card that the box started from, where it was provisioned for a clinic.
    pub card: Option<CardConfig>,
    /// Log lines on stderr.
    pub log: LogConfig,
    /// Device bays.
    #[serde(rename = "bay")]
    pub bays: Vec<BayConfig>,
}

/// Addresses of the pages.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Loopback HTTP.
    pub listen: Option<SocketAddr>,
    /// HTTPS on the local network.
    pub lan_listen: Option<SocketAddr>,
    /// The set-up page's plain HTTP.
    pub setup_listen: Option<SocketAddr>,
    /// Loopback HTTP of the box's own screen.
    pub screen_listen: Option<SocketAddr>,
}

/// The county hub.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// https://HOST:PORT of the hub's listener for boxes.
    pub url: Option<String>,
}

/// The box's own network for tablets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LanConfig {
    /// Name under which tablets reach the box; the box's DNS answers it.
    pub name: String,
    /// Addresses of the box on that network; they stand in its certificate.
    pub addresses: Vec<IpAddr>,
    /// Name of the Wi-Fi network, for the QR code of the set-up page.
    pub wifi_name: Option<String>,
    /// Password of the Wi-Fi network, for the QR code of the set-up page.
    pub wifi_password: Option<String>,
    /// Hosts that tablets ask whether there is an Internet; they are answered "yes", else a tablet leaves the
    /// box's Wi-Fi. Makers use hosts of their own.
    pub probe_hosts: Vec<String>,
}

impl Default for LanConfig {
    fn default() -> Self {
        let probe_hosts = [
            "connectivitycheck.gstatic.com",
            "connectivitycheck.platform.hicloud.com",
            "connect.rom.miui.com",
            "wifi.vivo.com.cn",
            "conn1.oppomobile.com",
            "conn2.oppomobile.com",
            "captive.apple.com",
            "www.msftconnecttest.com",
        ];
        Self {
            name: "clinic.internal".to_owned(),
            addresses: vec![IpAddr::from([192, 168, 8, 1])],
            wifi_name: None,
            wifi_password: None,
            probe_hosts: probe_hosts.map(str::to_owned).to_vec(),
        }
    }
}

/// The kiosk.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KioskConfig {
    /// Whether `/kiosk` opens on loopback without a paired screen.
    pub on_loopback: bool,
}

impl Default for KioskConfig {
    fn default() -> Self {
        Self { on_loopback: true }
    }
}

/// The card that the box started from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardConfig {
    /// Its device file, the whole card, or an image of it.
    pub device: PathBuf,
    /// File of the county's public key, against which identity rows and update bundles are checked.
    pub county_key: PathBuf,
    /// Folder where the first program says from which slot and on which board it started.
    #[serde(default = "run_folder")]
    pub run: PathBuf,
}

fn run_folder() -> PathBuf {
    PathBuf::from("/run/clinic")
}

/// Log lines on stderr.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// error, warn, info, debug or trace, or a filter such as `info,appliance::bays=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
        }
    }
}

/// One device bay: a place where one device stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BayConfig {
    /// Name on screens.
    pub name: String,
    /// Key of the device in the catalogue.
    pub device: String,
    /// Path of its port, used as given.
    pub port: PathBuf,
}

impl Config {
    /// Reads and checks a settings file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read_error = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(read_error)?.len();
        if length > FILE_BYTES_MAX {
            return Err(ConfigError::TooLarge(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read_error)?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_loopback([self.http.listen, self.http.screen_listen])?;
        check_bays(&self.bays)
    }
}

/// Refuses plain HTTP for the pages, and for the box's own screen, on anything but loopback.
pub fn check_loopback(listens: [Option<SocketAddr>; 2]) -> Result<(), ConfigError> {
    let open = listens
        .into_iter()
        .flatten()
        .find(|listen| !listen.ip().is_loopback());
    open.map_or(Ok(()), |listen| Err(ConfigError::NotLoopback(listen)))
}

/// Refuses bays without a usable name, of an unknown device, or twice on one port.
pub fn check_bays(bays: &[BayConfig]) -> Result<(), ConfigError> {
    if bays.len() > BAYS_MAX {
        return Err(ConfigError::TooManyBays);
    }
    for (place, bay) in bays.iter().enumerate() {
        let refuse = |reason| {
            Err(ConfigError::Bay {
                name: bay.name.clone(),
                reason,
            })
        };
        let chars = bay.name.chars().count();
        if bay.name.trim().is_empty() || chars > BAY_NAME_CHARS_MAX || bay.name.chars().any(char::is_control)
        {
            return refuse("a name has 1 to 40 printable characters");
        }
        if bay
            .device
            .parse::<device_drivers::catalogue::DeviceKey>()
            .is_err()
        {
            return refuse("its device is not in the catalogue");
        }
        if bay.port.as_os_str().is_empty() {
            return refuse("its port is empty");
        }
        let before = bays.iter().take(place);
        if before.clone().any(|other| other.name == bay.name) {
            return refuse("its name stands there twice");
        }
        if before.clone().any(|other| other.port == bay.port) {
            return refuse("its port stands there twice");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_bay_is_read_as_given() {
        let text = "[[bay]]\nname = \"血压\"\ndevice = \"omron-hbp9030\"\nport = \"/dev/serial/by-path/x\"\n";
        let bay = &parse(text).unwrap().bays[0];
        assert_eq!(
            (bay.name.as_str(), bay.device.as_str()),
            ("血压", "omron-hbp9030")
        );
        assert_eq!(bay.port, PathBuf::from("/dev/serial/by-path/x"));
    }

    #[test]
    fn unknown_keys_are_refused_at_every_level() {
        for text in [
            "colour = 1",
            "[http]\nport = 1",
            "[[bay]]\nname='a'\ndevice='omron-hbp9030'\nport='p'\nbaud=1",
        ] {
            assert!(parse(text).unwrap_err().contains("unknown field"), "{text}");
        }
    }

    #[test]
    fn bays_that_cannot_be_told_apart_are_refused() {
        let bay = |name: &str, port: &str| BayConfig {
            name: name.to_owned(),
            device: "omron-hbp9030".to_owned(),
            port: port.into(),
        };
        assert!(check_bays(&[bay("a", "/p"), bay("b", "/q")]).is_ok());
        assert!(check_bays(&[bay("a", "/p"), bay("a", "/q")]).is_err());
        assert!(check_bays(&[bay("a", "/p"), bay("b", "/p")]).is_err());
        assert!(check_bays(&[bay(" ", "/p")]).is_err());
        assert!(check_bays(&[bay("a", "")]).is_err());
        let unknown = BayConfig {
            device: "toaster".to_owned(),
            ..bay("a", "/p")
        };
        assert!(check_bays(&[unknown]).is_err());
        let many: Vec<_> = (0..=BAYS_MAX)
            .map(|n| bay(&n.to_string(), &format!("/{n}")))
            .collect();
        assert!(matches!(check_bays(&many), Err(ConfigError::TooManyBays)));
    }

    #[test]
    fn pages_go_over_plain_http_on_loopback_only() {
        assert!(parse("[http]\nlisten = '127.0.0.1:80'").is_ok());
        assert!(
            parse("[http]\nlisten = '0.0.0.0:80'")
                .unwrap_err()
                .contains("loopback")
        );
    }
}
