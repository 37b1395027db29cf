//! The kernel's device mapper by its control file (`linux/dm-ioctl.h`, version 4.0.0). The only unsafe code of the
//! workspace stands here.
#![expect(unsafe_code, reason = "the kernel is asked by ioctl")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use zeroize::Zeroizing;

/// Length of `struct dm_ioctl` in bytes.
const HEADER: usize = 312;
/// Length of `struct dm_target_spec` in bytes.
const TARGET: usize = 40;
/// Bytes of one call: header, one target and its parameters.
const ROOM: usize = 4096;
const VERSION: [u32; 3] = [4, 0, 0];
const READ_ONLY: u32 = 1;
/// `DM_SECURE_DATA_FLAG`: the kernel wipes its copies of what it was told.
const SECRET: u32 = 1 << 15;
const KIND: u8 = 0xfd;
const CREATE: u8 = 3;
const REMOVE: u8 = 4;
const SUSPEND: u8 = 6;
const LOAD: u8 = 9;
const STATUS: u8 = 12;
/// Where fields of the header stand.
const SIZE_AT: usize = 12;
const START_AT: usize = 16;
const TARGETS_AT: usize = 20;
const FLAGS_AT: usize = 28;
const DEVICE_AT: usize = 40;
const NAME_AT: usize = 48;
const NAME_MAX: usize = 127;
const NUMBER_AT: usize = 176;
const NUMBER_MAX: usize = 128;

/// A device of one target.
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// What tools know it by; empty where nobody asks.
    pub number: &'a str,
    /// The kernel's name of what it does.
    pub kind: &'a str,
    /// Its length.
    pub sectors: u64,
    /// What the target is told.
    pub parameters: &'a str,
    /// Whether it takes no writes.
    pub is_read_only: bool,
    /// Whether its parameters hold a key.
    pub is_secret: bool,
}

/// One call of the control file: a buffer that the kernel reads and writes.
struct Call<'a> {
    number: u8,
    buffer: &'a mut [u8; ROOM],
}

// SAFETY: every number that is used here is `_IOWR(0xfd, number, struct dm_ioctl)`; the kernel reads and writes no more
// than the `data_size` of the header, which `header` sets to the length of the buffer.
unsafe impl Ioctl for Call<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<[u8; HEADER]>(KIND, self.number)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.buffer.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

fn put(buffer: &mut [u8; ROOM], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn header(name: &str, flags: u32) -> [u8; ROOM] {
    let mut buffer = [0; ROOM];
    for (number, part) in VERSION.iter().enumerate() {
        put(&mut buffer, number * 4, &part.to_ne_bytes());
    }
    put(&mut buffer, SIZE_AT, &(ROOM as u32).to_ne_bytes());
    put(&mut buffer, START_AT, &(HEADER as u32).to_ne_bytes());
    put(&mut buffer, FLAGS_AT, &flags.to_ne_bytes());
    put(&mut buffer, NAME_AT, &name.as_bytes()[..name.len().min(NAME_MAX)]);
    buffer
}

fn call(control: &File, number: u8, buffer: &mut [u8; ROOM]) -> io::Result<()> {
    // SAFETY: see the implementation above; `control` is the device mapper's own file.
    unsafe { ioctl(control, Call { number, buffer }) }.map_err(io::Error::from)
}

fn control() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/mapper/control")
}

/// Makes a device and says where its file is. Where the kernel does not take its table, its name is free again.
///
/// # Errors
/// What the kernel says.
pub fn device(target: &Target<'_>) -> io::Result<PathBuf> {
    let control = control()?;
    let parameters = target.parameters.as_bytes();
    if parameters.len() + 1 + HEADER + TARGET > ROOM || target.number.len() > NUMBER_MAX {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let name = target.name;
    let flags = if target.is_read_only { READ_ONLY } else { 0 };
    let mut made = header(name, 0);
    put(&mut made, NUMBER_AT, target.number.as_bytes());
    call(&control, CREATE, &mut made)?;
    let mut number = [0; 8];
    number.copy_from_slice(&made[DEVICE_AT..DEVICE_AT + 8]);
    if let Err(error) = load(&control, target, flags) {
        call(&control, REMOVE, &mut header(name, 0))?;
        return Err(error);
    }
    // Minor number: the low byte and the bits from 20 on (`new_encode_dev`).
    let number = u64::from_ne_bytes(number);
    let minor = (number & 0xff) | ((number >> 12) & 0x000f_ff00);
    Ok(PathBuf::from(format!("/dev/dm-{minor}")))
}

/// Gives a new device its table and makes it alive.
fn load(control: &File, target: &Target<'_>, flags: u32) -> io::Result<()> {
    let name = target.name;
    let secret = if target.is_secret { SECRET } else { 0 };
    let mut table = Zeroizing::new(header(name, flags | secret));
    put(&mut table, TARGETS_AT, &1_u32.to_ne_bytes());
    put(&mut table, HEADER + 8, &target.sectors.to_ne_bytes());
    let kind = target.kind.as_bytes();
    put(&mut table, HEADER + 24, &kind[..kind.len().min(15)]);
    put(&mut table, HEADER + TARGET, target.parameters.as_bytes());
    call(control, LOAD, &mut table)?;
    // Without its flag, the call resumes: the device becomes alive.
    call(control, SUSPEND, &mut header(name, flags))
}

/// Takes a device away.
///
/// # Errors
/// What the kernel says: a device that is mounted is busy.
pub fn remove(name: &str) -> io::Result<()> {
    call(&control()?, REMOVE, &mut header(name, 0))
}

/// Whether the kernel met a damaged block of a checked device: the status of its one target, `V` or `C`.
///
/// # Errors
/// What the kernel says.
pub fn found_corrupt(name: &str) -> io::Result<bool> {
    let mut buffer = header(name, 0);
    call(&control()?, STATUS, &mut buffer)?;
    Ok(buffer.get(HEADER + TARGET) == Some(&b'C'))
}
