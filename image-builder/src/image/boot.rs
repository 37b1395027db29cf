//! FAT partitions: those that the Raspberry Pi's firmware boots from, and the one that selects a slot.

use std::io::{self, Cursor, Write};

use card::BLOCK;
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use crate::image::BuildError;

/// 1 January 2026, as [`crate::image::STAMP`].
#[derive(Debug)]
struct Fixed;

static FIXED: Fixed = Fixed;

impl TimeProvider for Fixed {
    fn get_current_date(&self) -> Date {
        Date {
            year: 2026,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// A FAT32 file system with these files. The firmware takes one of fewer than 65,525 clusters for FAT16.
///
/// # Errors
/// Where the files do not fit.
pub fn fat(
    part: &'static str,
    label: [u8; 11],
    number: u32,
    bytes: u64,
    files: &[(String, Vec<u8>)],
) -> Result<Vec<u8>, BuildError> {
    let needs: u64 = files.iter().map(|(_, file)| file.len() as u64).sum();
    // The tables take a hundredth.
    if needs + bytes / 50 > bytes {
        return Err(BuildError::TooSmall {
            part,
            has: bytes,
            needs,
        });
    }
    write(label, number, bytes, files)
        .map_err(|error| BuildError::Other(format!("the {part} partition cannot be made: {error}")))
}

fn write(label: [u8; 11], number: u32, bytes: u64, files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut fat = Cursor::new(vec![0; bytes as usize]);
    let per_cluster = if bytes >= 128 << 20 { 1024 } else { 512 };
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(per_cluster)
        .volume_id(number)
        .volume_label(label);
    fatfs::format_volume(&mut fat, options)?;
    let system = FileSystem::new(&mut fat, FsOptions::new().time_provider(&FIXED))?;
    {
        let root = system.root_dir();
        for (path, content) in files {
            let mut folder = root.clone();
            let mut names: Vec<&str> = path.split('/').collect();
            let name = names.pop().unwrap_or_default();
            for above in names {
                folder = folder.create_dir(above)?;
            }
            let mut file = folder.create_file(name)?;
            file.write_all(content)?;
            file.flush()?;
        }
    }
    system.unmount()?;
    Ok(fat.into_inner())
}

/// The part of a partition up to the last block that holds anything.
pub fn used(mut partition: Vec<u8>) -> Vec<u8> {
    let last = partition.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    partition.truncate((last + 1).next_multiple_of(BLOCK as usize));
    partition
}
