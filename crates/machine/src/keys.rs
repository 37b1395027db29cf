//! The keys of this machine, and random numbers for new ones.

use std::fs;
use std::path::Path;

use card::protection::{DeviceKeys, Source};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

/// The private row of the one-time memory, where a kernel shows it; and the same where it is numbered.
const OTP: &str = "/sys/bus/nvmem/devices/rpi_otp_private0/nvmem";
const EMULATED: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/clinic/otp/raw";
const SERIAL: &str = "/proc/device-tree/serial-number";
/// Longest content that is looked at.
const BYTES_MAX: u64 = 256;

/// The keys as the kernel shows them in files.
pub struct Files;

impl DeviceKeys for Files {
    fn bytes(&self, source: Source) -> Option<Zeroizing<Vec<u8>>> {
        let path = Path::new(match source {
            Source::Otp => OTP,
            Source::Emulated => EMULATED,
            Source::Serial => SERIAL,
        });
        // What the kernel makes up has no length, or a whole page's.
        let bytes = Zeroizing::new(fs::read(path).ok()?);
        (bytes.len() as u64 <= BYTES_MAX).then_some(bytes)
    }
}

/// Random bytes, once the kernel has gathered enough of them.
///
/// # Errors
/// What the kernel says.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, rustix::io::Errno> {
    let mut bytes = Zeroizing::new([0; N]);
    let mut at = 0;
    while at < N {
        at += getrandom(&mut bytes[at..], GetRandomFlags::empty())?;
    }
    Ok(bytes)
}
