//! The serial ports of a computer and their names, read from `/dev/serial` and `/sys` without opening any.
//!
//! Equal adapters without a serial number of their own share one by-id name, and the system gives that name to
//! one of them. Such a name is refused; the by-path name, which means the USB socket, is always unique.

use std::fs;
use std::path::{Path, PathBuf};

use crate::port::OpenError;

/// Levels of `/sys` between a port and its USB device, at most.
const USB_LEVELS_MAX: usize = 8;

/// What a USB device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsbIdentity {
    /// Vendor id, four hexadecimal digits.
    pub vendor: String,
    /// Product id, four hexadecimal digits.
    pub product: String,
    /// Serial number; many adapters have none, or all the same.
    pub serial: Option<String>,
    /// Interface of the device that the port is.
    pub interface: Option<String>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// Its device file.
    pub device: PathBuf,
    /// Its name by the socket that it is plugged in; stable as long as the plug stays.
    pub by_path: Option<PathBuf>,
    /// Its name by what it says of itself.
    pub by_id: Option<PathBuf>,
    /// What it says of itself.
    pub usb: Option<UsbIdentity>,
}

/// The ports of a computer.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    dev: PathBuf,
    ports: Vec<PortInfo>,
}

impl Inventory {
    /// The ports of this computer now.
    pub fn of_this_computer() -> Self {
        Self::read(Path::new("/dev"), Path::new("/sys"))
    }

    /// The ports below these folders.
    pub fn read(dev: &Path, sys: &Path) -> Self {
        let by_path = links(&dev.join("serial/by-path"));
        let by_id = links(&dev.join("serial/by-id"));
        let name_of = |links: &[(PathBuf, PathBuf)], device: &Path| {
            links
                .iter()
                .find(|(_, target)| target == device)
                .map(|(name, _)| name.clone())
        };
        let mut ports: Vec<PortInfo> = fs::read_dir(sys.join("class/tty"))
            .map(|entries| entries.flatten().collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter(|entry| entry.path().join("device").exists())
            .map(|entry| {
                let device = dev.join(entry.file_name());
                PortInfo {
                    by_path: name_of(&by_path, &device),
                    by_id: name_of(&by_id, &device),
                    usb: usb_identity(&entry.path().join("device")),
                    device,
                }
            })
            .filter(|port| port.usb.is_some() || port.by_path.is_some())
            .collect();
        ports.sort_by(|a, b| a.device.cmp(&b.device));
        Self {
            dev: dev.to_owned(),
            ports,
        }
    }

    /// The ports, by device file.
    pub fn ports(&self) -> &[PortInfo] {
        &self.ports
    }

    /// The device file of a configured path, which may be any kind of name.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, OpenError> {
        let device = match fs::canonicalize(path) {
            Ok(device) => device,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(OpenError::Denied(path.to_owned()));
            }
            Err(_) => return Err(OpenError::Absent(path.to_owned())),
        };
        if !path.starts_with(self.dev.join("serial/by-id")) {
            return Ok(device);
        }
        let own = self
            .ports
            .iter()
            .find(|port| port.device == device)
            .and_then(|port| port.usb.as_ref());
        let equals: Vec<_> = self
            .ports
            .iter()
            .filter(|port| own.is_some() && port.usb.as_ref() == own)
            .collect();
        if equals.len() < 2 {
            return Ok(device);
        }
        let by_path = equals
            .iter()
            .map(|port| port.by_path.clone().unwrap_or_else(|| port.device.clone()));
        Err(OpenError::Ambiguous {
            path: path.to_owned(),
            by_path: by_path.collect(),
        })
    }
}

/// The links of a folder with what they lead to.
fn links(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut links: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), fs::canonicalize(entry.path()).ok()?)))
        .collect();
    links.sort();
    links
}

/// Climbs from a port to the USB device that it belongs to.
fn usb_identity(device: &Path) -> Option<UsbIdentity> {
    let start = fs::canonicalize(device).ok()?;
    let read = |folder: &Path, name: &str| {
        fs::read_to_string(folder.join(name))
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let mut interface = None;
    for folder in start.ancestors().take(USB_LEVELS_MAX) {
        interface = interface.or_else(|| read(folder, "bInterfaceNumber"));
        if let (Some(vendor), Some(product)) = (read(folder, "idVendor"), read(folder, "idProduct")) {
            return Some(UsbIdentity {
                vendor,
                product,
                serial: read(folder, "serial"),
                interface,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Plugs an adapter into a socket of a made-up computer.
    fn plug(root: &Path, tty: &str, socket: &str, serial: Option<&str>) {
        let (dev, sys) = (root.join("dev"), root.join("sys"));
        let usb = sys.join(format!("devices/usb1/{socket}"));
        let port = usb.join(format!("{socket}:1.0/{tty}"));
        fs::create_dir_all(&port).unwrap();
        fs::write(usb.join("idVendor"), "10c4\n").unwrap();
        fs::write(usb.join("idProduct"), "ea60\n").unwrap();
        fs::write(usb.join(format!("{socket}:1.0/bInterfaceNumber")), "00\n").unwrap();
        if let Some(serial) = serial {
            fs::write(usb.join("serial"), format!("{serial}\n")).unwrap();
        }
        fs::create_dir_all(sys.join(format!("class/tty/{tty}"))).unwrap();
        symlink(&port, sys.join(format!("class/tty/{tty}/device"))).unwrap();
        fs::create_dir_all(dev.join("serial/by-path")).unwrap();
        fs::create_dir_all(dev.join("serial/by-id")).unwrap();
        fs::write(dev.join(tty), "").unwrap();
        symlink(
            dev.join(tty),
            dev.join(format!("serial/by-path/pci-usb-{socket}-port0")),
        )
        .unwrap();
        let id = dev.join(format!(
            "serial/by-id/usb-CP2102_{}-if00",
            serial.unwrap_or("none")
        ));
        if fs::symlink_metadata(&id).is_ok() {
            fs::remove_file(&id).unwrap();
        }
        symlink(dev.join(tty), id).unwrap();
    }

    fn inventory(root: &Path) -> Inventory {
        Inventory::read(&root.join("dev"), &root.join("sys"))
    }

    #[test]
    fn ports_are_listed_with_their_stable_names() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        plug(&root, "ttyUSB0", "1-1", Some("A1"));
        let found = inventory(&root);
        let [port] = found.ports() else {
            panic!("one port: {found:?}")
        };
        assert_eq!(
            port.by_path,
            Some(root.join("dev/serial/by-path/pci-usb-1-1-port0"))
        );
        assert_eq!(port.usb.as_ref().unwrap().serial.as_deref(), Some("A1"));
        assert_eq!(
            found.resolve(port.by_id.as_ref().unwrap()).unwrap(),
            root.join("dev/ttyUSB0")
        );
        assert!(matches!(
            found.resolve(&root.join("dev/ttyUSB9")),
            Err(OpenError::Absent(_))
        ));
    }

    #[test]
    fn equal_adapters_are_told_apart_by_socket_and_never_by_name() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        plug(&root, "ttyUSB0", "1-1", Some("0001"));
        plug(&root, "ttyUSB1", "1-2", Some("0001"));
        let (first, second) = (
            root.join("dev/serial/by-path/pci-usb-1-1-port0"),
            root.join("dev/serial/by-path/pci-usb-1-2-port0"),
        );
        let found = inventory(&root);
        assert_eq!(found.resolve(&first).unwrap(), root.join("dev/ttyUSB0"));
        assert_eq!(found.resolve(&second).unwrap(), root.join("dev/ttyUSB1"));
        match found.resolve(&root.join("dev/serial/by-id/usb-CP2102_0001-if00")) {
            Err(OpenError::Ambiguous { by_path, .. }) => assert_eq!(by_path, [first, second]),
            other => panic!("a shared name must not lead anywhere: {other:?}"),
        }
    }

    #[test]
    fn after_the_plugs_were_swapped_the_socket_still_decides() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        // The system counts the other adapter first this time; the sockets are the same.
        plug(&root, "ttyUSB1", "1-1", None);
        plug(&root, "ttyUSB0", "1-2", None);
        let found = inventory(&root);
        let socket = root.join("dev/serial/by-path/pci-usb-1-1-port0");
        assert_eq!(found.resolve(&socket).unwrap(), root.join("dev/ttyUSB1"));
        let shared = root.join("dev/serial/by-id/usb-CP2102_none-if00");
        assert!(matches!(found.resolve(&shared), Err(OpenError::Ambiguous { .. })));
    }
}
