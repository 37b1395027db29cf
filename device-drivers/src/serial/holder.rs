//! Which program holds a device file: the links below `/proc/<pid>/fd` say it.

use std::fs;
use std::path::Path;

/// Longest name of a program that is passed on; Linux keeps 15 characters.
const NAME_MAX: usize = 32;

/// Name of a program other than `own` that has `device` open, as far as this program may see.
pub fn holder_of(proc: &Path, device: &Path, own: u32) -> Option<String> {
    let processes = fs::read_dir(proc).ok()?.flatten();
    processes
        .filter(|entry| {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok());
            pid.is_some_and(|pid| pid != own)
        })
        .find(|entry| has_open(&entry.path(), device))
        .map(|entry| name_of(&entry.path()))
}

fn has_open(process: &Path, device: &Path) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == device))
}

fn name_of(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(NAME_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn process(proc: &Path, pid: &str, name: &str, opened: &str) {
        let files = proc.join(pid).join("fd");
        fs::create_dir_all(&files).unwrap();
        symlink(opened, files.join("3")).unwrap();
        fs::write(proc.join(pid).join("comm"), format!("{name}\n")).unwrap();
    }

    #[test]
    fn the_program_that_holds_a_port_is_named() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), "17", "bash", "/dev/null");
        process(proc.path(), "340", "ModemManager", "/dev/ttyUSB0");
        process(proc.path(), "99", "appliance", "/dev/ttyUSB1");
        fs::create_dir(proc.path().join("self")).unwrap();
        let holder = |device: &str| holder_of(proc.path(), Path::new(device), 99);
        assert_eq!(holder("/dev/ttyUSB0").as_deref(), Some("ModemManager"));
        assert_eq!(
            holder("/dev/ttyUSB1"),
            None,
            "our own port is not held by somebody else"
        );
        assert_eq!(holder("/dev/ttyUSB7"), None);
    }
}
