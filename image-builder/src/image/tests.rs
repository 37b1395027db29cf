//! Images of small made packages: what they hold, that they come out equal, and that bad parts are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use card::layout::{Layout, Slot};
use card::select;
use card::state::{Content, State, Version};
use card::verity::Word;
use card::{BLOCK, BlockDevice, BlockMap, FileDevice};
use tempfile::TempDir;

use crate::image::accounts::Accounts;
use crate::image::root::{Programs, System, assemble};
use crate::image::tree::{Node, Tree};
use crate::image::{BuildError, deb, disk, lint, sbom};
use crate::manifest::Manifest;
use crate::packages::lock::Lock;

const ARM64: u16 = 183;
const AMD64: u16 = 62;
const PROGRAM: u16 = 3;
const MODULE: u16 = 1;

/// A program or a module with what it says of itself: the libraries it names, and a module's lines.
fn elf(machine: u16, kind: u16, libraries: &[&str], lines: &str) -> Vec<u8> {
    let mut strings = vec![0_u8];
    let mut dynamic = Vec::new();
    for library in libraries {
        dynamic.extend_from_slice(&1_u64.to_le_bytes());
        dynamic.extend_from_slice(&(strings.len() as u64).to_le_bytes());
        strings.extend_from_slice(library.as_bytes());
        strings.push(0);
    }
    dynamic.extend_from_slice(&[0; 16]);
    let names = b"\0.dynstr\0.dynamic\0.modinfo\0.shstrtab\0";
    // Name, kind, content, the section it leans on, length of an entry.
    let sections: [(u32, u32, &[u8], u32, u64); 5] = [
        (0, 0, &[], 0, 0),
        (1, 3, &strings, 0, 0),
        (9, 6, &dynamic, 1, 16),
        (18, 1, lines.as_bytes(), 0, 0),
        (27, 3, names, 0, 0),
    ];
    let mut body = Vec::new();
    let mut table = Vec::new();
    for (name, kind, content, link, entry) in sections {
        let at = 64 + body.len() as u64;
        let mut put = |bytes: &[u8]| table.extend_from_slice(bytes);
        put(&name.to_le_bytes());
        put(&kind.to_le_bytes());
        put(&[0; 16]);
        put(&(if kind == 0 { 0 } else { at }).to_le_bytes());
        put(&(content.len() as u64).to_le_bytes());
        put(&link.to_le_bytes());
        put(&[0; 4]);
        put(&1_u64.to_le_bytes());
        put(&entry.to_le_bytes());
        body.extend_from_slice(content);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&machine.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes());
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&(64 + body.len() as u64).to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    for half in [64_u16, 0, 0, 64, sections.len() as u16, 4] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    file.extend_from_slice(&body);
    file.extend_from_slice(&table);
    file
}

enum Part<'a> {
    File(&'a str, Vec<u8>, u32),
    Link(&'a str, &'a str),
}

/// A package of these parts, as `dpkg-deb` makes one.
fn package(parts: &[Part<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        match part {
            Part::File(path, bytes, mode) => {
                header.set_mode(*mode);
                header.set_size(bytes.len() as u64);
                header.set_entry_type(tar::EntryType::Regular);
                archive.append_data(&mut header, path, &bytes[..]).unwrap();
            }
            Part::Link(path, target) => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    let data = zstd::encode_all(&archive.into_inner().unwrap()[..], 1).unwrap();
    let mut deb = b"!<arch>\n".to_vec();
    for (name, content) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar.zst", b"odd"),
        ("data.tar.zst", &data),
    ] {
        deb.extend_from_slice(
            format!(
                "{name:16}{:12}{:6}{:6}{:8}{:10}`\n",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .as_bytes(),
        );
        deb.extend_from_slice(content);
        if content.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    deb
}

const VERSION: &str = "6.99-arm64";

fn kernel() -> Vec<u8> {
    let mut image = vec![7; 70_000];
    image[56..60].copy_from_slice(b"ARM\x64");
    let folder = format!("usr/lib/modules/{VERSION}");
    let module = |name: &str, needs: &str| {
        let lines = format!("name={name}\0depends={needs}\0vermagic={VERSION}\0");
        Part::File(
            Box::leak(format!("{folder}/kernel/fs/{name}.ko").into_boxed_str()),
            elf(ARM64, MODULE, &[], &lines),
            0o644,
        )
    };
    let list = |name: &str, text: &str| {
        let path = Box::leak(format!("{folder}/{name}").into_boxed_str());
        Part::File(path, text.as_bytes().to_vec(), 0o644)
    };
    package(&[
        Part::File("./boot/vmlinuz-6.99-arm64", image, 0o644),
        module("ext-four", "crc"),
        module("crc", ""),
        module("unwanted", ""),
        list("modules.builtin", "kernel/fs/pci.ko\n"),
        list("modules.order", "kernel/fs/crc.ko\nkernel/fs/ext-four.ko\n"),
    ])
}

fn base() -> Vec<u8> {
    let file = |path, text: &str| Part::File(path, text.as_bytes().to_vec(), 0o644);
    package(&[
        Part::Link("./bin", "usr/bin"),
        Part::File("./bin/su", elf(ARM64, PROGRAM, &["libc.so.6"], ""), 0o4755),
        file("./usr/share/man/man1/su.1", "nobody reads this"),
        file("./usr/share/doc/base/copyright", "free"),
        file("./usr/share/doc/base/NEWS", "old"),
        Part::File("./lib/libc.so.6.1", elf(ARM64, PROGRAM, &[], ""), 0o644),
        Part::Link("./usr/lib/libc.so.6", "libc.so.6.1"),
        file(
            "./usr/lib/sysusers.d/base.conf",
            "u root 0 \"root\" /root\ng dialout 20\nu! box 900 \"The box\" /data\nm box dialout\nu daemon - -\n",
        ),
        file(
            "./usr/lib/systemd/system/box.service",
            "[Service]\nExecStart=/usr/bin/appliance serve\nUser=box\n[Install]\nWantedBy=multi-user.target\n",
        ),
        file("./usr/lib/systemd/system/multi-user.target", "[Unit]\n"),
        file("./usr/lib/firmware/start4.elf", "firmware"),
    ])
}

const MANIFEST: &str = r#"
name = "box"
architecture = "arm64"
suites = ["trixie"]
packages = ["base", "kernel"]
drop = ["boot/**", "usr/share/man/**", "usr/share/doc/**", "usr/lib/firmware/**"]
keep = ["usr/share/doc/*/copyright"]
cmdline = ["quiet"]
boot = ["usr/lib/firmware//start*.elf"]
files = ["over"]
[modules]
first = ["pci", "ext_four"]
[units]
enable = ["box.service"]
mask = ["getty@.service"]
default = "multi-user.target"
[card]
select-mib = 36
boot-mib = 36
root-mib = 24
"#;

/// A folder with packages, programs and a manifest.
struct Bench {
    folder: TempDir,
    manifest: Manifest,
    lock: Lock,
    files: Vec<PathBuf>,
    programs: Programs,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("over/etc")).unwrap();
        fs::write(at("over/etc/hostname"), "clinic-box\n").unwrap();
        fs::write(at("box.toml"), MANIFEST).unwrap();
        let mut lock =
            "form = 1\nmanifest = \"box\"\narchitecture = \"arm64\"\nasked = [\"base\", \"kernel\"]\n"
                .to_owned();
        let mut files = Vec::new();
        for (name, bytes) in [("base", base()), ("kernel", kernel())] {
            lock += &format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0\"\nsuite = \"trixie\"\nfile = \"pool/{name}.deb\"\nsize = {}\nsha256 = \"{}\"\nwhy = \"asked for\"\n",
                bytes.len(),
                hex::encode(sha2::Sha256::digest(&bytes)),
            );
            fs::write(at(name), bytes).unwrap();
            files.push(at(name));
        }
        let programs = Programs {
            appliance: at("appliance"),
            init: at("init"),
            county_key: Some("ab\n".to_owned()),
        };
        fs::write(&programs.appliance, elf(ARM64, PROGRAM, &["libc.so.6"], "")).unwrap();
        fs::write(&programs.init, elf(ARM64, PROGRAM, &[], "")).unwrap();
        Self {
            manifest: Manifest::read(&at("box.toml")).unwrap(),
            lock: Lock::parse(&lock).unwrap(),
            files,
            programs,
            folder,
        }
    }

    fn system(&self) -> Result<System, BuildError> {
        assemble(&self.manifest, &self.lock, &self.files, &self.programs, |_, _| {})
    }

    fn findings(&self, change: impl FnOnce(&mut Tree)) -> Vec<String> {
        let mut system = self.system().unwrap();
        change(&mut system.root);
        lint::lint(&system.root, &system.accounts, &self.manifest)
    }
}

use sha2::Digest;

fn run(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn two_builds_in_different_folders_are_equal_byte_for_byte() {
    let hashes: Vec<_> = [Bench::new(), Bench::new()]
        .iter()
        .map(|bench| {
            let system = bench.system().unwrap();
            let written = disk::write(
                &bench.manifest,
                &system,
                Version(3),
                &bench.folder.path().join("out"),
            )
            .unwrap();
            let map = fs::read(bench.folder.path().join("out/box.img.map")).unwrap();
            (written.sha256, hex::encode(sha2::Sha256::digest(map)))
        })
        .collect();
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn a_card_image_holds_the_system_in_slot_a_where_the_firmware_and_the_first_program_look() {
    let bench = Bench::new();
    let system = bench.system().unwrap();
    let out = bench.folder.path().join("out");
    let written = disk::write(&bench.manifest, &system, Version(3), &out).unwrap();
    let mut card = FileDevice::open_to_read(&written.image).unwrap();
    let layout = Layout::read(&mut card).unwrap();
    assert_eq!(select::selected(&mut card, &layout).unwrap(), Some(Slot::A));
    let state = State::read(&mut card).unwrap();
    let installed = *state.system(Slot::A).unwrap();
    assert_eq!((installed.version, state.system(Slot::B)), (Version(3), None));

    let boot = fs::read(out.join("box.boot")).unwrap();
    let root = fs::read(out.join("box.root")).unwrap();
    assert_eq!(
        (installed.boot, installed.root),
        (Content::of(&boot), Content::of(&root))
    );
    for (extent, bytes) in [(layout.boot_of(Slot::A), &boot), (layout.root_of(Slot::A), &root)] {
        let mut there = vec![0; bytes.len()];
        card.read_at(extent.at, &mut there).unwrap();
        assert!(there == *bytes);
    }

    // The root is an ext4 that its own checker takes, and the words of the start name the top of its tree.
    let word: Word = written
        .words
        .strip_prefix("quiet clinic.root=")
        .unwrap()
        .parse()
        .unwrap();
    let end = (word.data_blocks * BLOCK) as usize;
    let top = &root[end + BLOCK as usize..][..BLOCK as usize];
    let mut hash = sha2::Sha256::new();
    hash.update(word.salt);
    hash.update(top);
    assert_eq!(hash.finalize()[..], word.root_hash);
    let plain = bench.folder.path().join("root.ext4");
    fs::write(&plain, &root[..end]).unwrap();
    run("e2fsck", &["-f", "-n"], &plain);
    let passwd = run("debugfs", &["-R", "cat /etc/passwd"], &plain);
    assert_eq!(
        passwd,
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         daemon:x:899:899::/:/usr/sbin/nologin\n\
         box:x:900:900:The box:/data:/usr/sbin/nologin\n"
    );
    let names = run("debugfs", &["-R", "ls -p /usr/bin"], &plain);
    assert!(names.contains("/100755/0/0/appliance/"), "{names}");

    // The boot partition is a FAT that its own checker takes, with what the firmware reads.
    let mut whole = boot.clone();
    whole.resize(layout.boot_of(Slot::A).len as usize, 0);
    let fat = bench.folder.path().join("boot.fat");
    fs::write(&fat, whole).unwrap();
    run("fsck.vfat", &["-n"], &fat);
    let mut device = FileDevice::open_to_read(&fat).unwrap();
    let part = card::mbr::Extent {
        at: 0,
        len: device.capacity(),
    };
    let opened = card::fat::Fat::open(&mut device, part).unwrap();
    for name in ["config.txt", "cmdline.txt", "vmlinuz", "initrd", "start4.elf"] {
        assert!(opened.find(&mut device, name).unwrap().is_some(), "{name}");
    }
}

#[test]
fn a_card_that_held_something_else_gets_the_zeros_that_mean_something() {
    let bench = Bench::new();
    let out = bench.folder.path().join("out");
    let written = disk::write(&bench.manifest, &bench.system().unwrap(), Version(3), &out).unwrap();
    let map = BlockMap::parse(&fs::read(out.join("box.img.map")).unwrap()).unwrap();
    let mut card = FileDevice::open_to_read(&written.image).unwrap();
    let layout = Layout::read(&mut card).unwrap();
    for (extent, used) in [
        (layout.root_of(Slot::A), written.root),
        (layout.boot_of(Slot::A), written.boot),
    ] {
        let mut at = extent.at;
        while at < extent.at + used {
            let stretch = map.stretches().iter().find(|s| s.at <= at && at < s.at + s.len);
            at = stretch
                .map(|s| s.at + s.len)
                .unwrap_or_else(|| panic!("byte {at} is not written"));
        }
    }
    assert!(map.mapped_bytes() < map.image_bytes() / 2);
}

#[test]
fn what_is_unpacked_is_thinned_and_modules_come_with_what_they_need() {
    let system = Bench::new().system().unwrap();
    let has = |path: &str| system.root.get(path).is_some();
    assert!(has("usr/share/doc/base/copyright") && !has("usr/share/doc/base/NEWS"));
    assert!(!has("usr/share/man/man1/su.1") && !has("boot/vmlinuz-6.99-arm64"));
    assert!(
        has("etc/hostname") && has("usr/bin/su"),
        "the old folder leads into usr"
    );
    assert_eq!(
        system.root.get("usr/bin/su").unwrap().mode,
        0o755,
        "no other user's rights"
    );
    let modules = format!("usr/lib/modules/{VERSION}");
    assert!(has(&format!("{modules}/kernel/fs/crc.ko")) && !has(&format!("{modules}/kernel/fs/unwanted.ko")));
    assert!(has(&format!("{modules}/modules.dep.bin")));
    let text = String::from_utf8_lossy(&system.initrd).into_owned();
    let (first, second) = (
        text.find("000-crc.ko").unwrap(),
        text.find("001-ext_four.ko").unwrap(),
    );
    assert!(first < second);
    assert_eq!(
        system
            .root
            .resolve("etc/systemd/system/multi-user.target.wants/box.service")
            .unwrap(),
        "usr/lib/systemd/system/box.service"
    );
}

#[test]
fn what_would_only_show_on_a_box_is_found_before() {
    let bench = Bench::new();
    assert_eq!(bench.findings(|_| {}), Vec::<String>::new());
    let unit = |text: &str| Node::file(format!("[Service]\n{text}\n").into_bytes(), 0o644);
    let findings = bench.findings(|root| {
        root.put(
            "usr/bin/nft",
            Node::file(elf(ARM64, PROGRAM, &["libgmp.so.10"], ""), 0o755),
        );
        root.put("usr/bin/wrong", Node::file(elf(AMD64, PROGRAM, &[], ""), 0o755));
        root.put("usr/bin/sudo", Node::file(elf(ARM64, PROGRAM, &[], ""), 0o4755));
        root.put("etc/open", Node::file(&b"x"[..], 0o666));
        let key = format!("-----BEGIN {} KEY-----\n{}\n", "PRIVATE", "A".repeat(64));
        root.put("etc/key.pem", Node::file(key.into_bytes(), 0o644));
        for (name, text) in [
            ("gone.service", "ExecStart=-/usr/bin/gone"),
            ("who.service", "ExecStart=/usr/bin/su\nUser=stranger"),
        ] {
            root.put(&format!("usr/lib/systemd/system/{name}"), unit(text));
            root.put(
                &format!("etc/systemd/system/multi-user.target.wants/{name}"),
                Node::link(&format!("/usr/lib/systemd/system/{name}")),
            );
        }
    });
    assert_eq!(
        findings,
        [
            "/usr/bin/nft needs libgmp.so.10, which is not there",
            "/usr/bin/wrong is no program for this processor",
            "the unit gone.service starts /usr/bin/gone, which is not there",
            "the unit who.service runs as stranger, who is not there",
            "/etc/key.pem holds a private key",
            "/etc/open can be written by anyone",
            "/usr/bin/sudo runs with another user's rights and is not listed",
        ]
    );
}

#[test]
fn parts_that_do_not_fit_are_named_and_leave_no_image() {
    let bench = Bench::new();
    fs::write(&bench.programs.appliance, elf(AMD64, PROGRAM, &[], "")).unwrap();
    let said = bench.system().unwrap_err().to_string();
    assert!(
        said.ends_with("appliance is no program for arm64: it is for X86_64"),
        "{said}"
    );
    fs::write(&bench.programs.appliance, b"#!/bin/sh").unwrap();
    assert!(matches!(bench.system(), Err(BuildError::OtherMachine { .. })));

    let mut bench = Bench::new();
    bench.manifest.modules.first.push("zfs".to_owned());
    let said = bench.system().unwrap_err().to_string();
    assert_eq!(
        said,
        "the manifest asks for the kernel module zfs, and no package holds it"
    );
    bench = Bench::new();
    bench.manifest.units.enable.push("sshd.service".to_owned());
    let said = bench.system().unwrap_err().to_string();
    assert_eq!(
        said,
        "the manifest asks for the unit sshd.service, and no package holds it"
    );

    bench = Bench::new();
    bench.manifest.card.root_mib = Some(4);
    let out = bench.folder.path().join("out");
    let error = disk::write(&bench.manifest, &bench.system().unwrap(), Version(1), &out).unwrap_err();
    assert!(
        matches!(error, BuildError::TooSmall { part: "root", .. }),
        "{error}"
    );
    assert!(!out.join("box.img").exists());
}

#[test]
fn hostile_packages_are_refused_and_nothing_panics() {
    let good = base();
    let mut tree = Tree::default();
    for cut in (0..good.len()).step_by(97) {
        let _ = deb::unpack("base", &good[..cut], &mut tree);
    }
    assert!(deb::unpack("base", b"!<arch>\n", &mut tree).is_err());
    let mut climbing = package(&[Part::File("aaaaaaaaaa/b", vec![1], 0o644)]);
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_entry_type(tar::EntryType::Regular);
    header.as_old_mut().name[..10].copy_from_slice(b"../../etc/");
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend_from_slice(&[0; 2048]);
    let data = zstd::encode_all(&archive[..], 1).unwrap();
    climbing.truncate(8);
    climbing.extend_from_slice(
        format!(
            "{:16}{:12}{:6}{:6}{:8}{:10}`\n",
            "data.tar.zst",
            0,
            0,
            0,
            0,
            data.len()
        )
        .as_bytes(),
    );
    climbing.extend_from_slice(&data);
    let said = deb::unpack("evil", &climbing, &mut tree).unwrap_err().to_string();
    assert!(said.contains("lies outside the root"), "{said}");
}

#[test]
fn links_between_folders_are_followed_and_circles_end() {
    let mut tree = Tree::default();
    tree.put("usr/share/zone", Node::link("/etc/zone"));
    tree.put("etc/zone/UTC", Node::file(&b"utc"[..], 0o644));
    tree.put("usr/share/zone/Local", Node::file(&b"local"[..], 0o644));
    assert_eq!(tree.resolve("usr/share/zone/UTC").unwrap(), "etc/zone/UTC");
    assert!(tree.get("etc/zone/Local").is_some());
    tree.put("a", Node::link("b"));
    tree.put("b", Node::link("a"));
    assert_eq!(tree.resolve("a/x"), None);
    tree.put("var/run", Node::folder(0o755));
    tree.put("var/run", Node::link("../run"));
    assert_eq!(tree.get("var/run"), Some(&Node::link("../run")));
}

#[test]
fn accounts_have_fixed_numbers_first_and_no_passwords() {
    let mut tree = Tree::default();
    let text = "u late - \"Late\"\nu fixed 899\ng tty 5\nu in-group 901:5\n";
    tree.put("usr/lib/sysusers.d/a.conf", Node::file(text.as_bytes(), 0o644));
    let accounts = Accounts::of(&tree);
    accounts.write(&mut tree);
    let file = |path: &str| String::from_utf8(tree.content(path).unwrap().to_vec()).unwrap();
    assert!(file("etc/passwd").starts_with("late:x:898:898:Late:/:/usr/sbin/nologin\nfixed:x:899:899:"));
    assert!(file("etc/passwd").contains("in-group:x:901:5:"));
    assert!(
        file("etc/shadow")
            .lines()
            .all(|line| line.split(':').nth(1) == Some("*"))
    );
}

#[test]
fn the_list_of_parts_names_packages_and_crates_with_their_hashes() {
    let bench = Bench::new();
    let crates = "version = 4\n[[package]]\nname = \"ours\"\nversion = \"0.0.0\"\n[[package]]\nname = \"sha2\"\nversion = \"0.11.0\"\nsource = \"registry\"\nchecksum = \"ab\"\n";
    let text = sbom::spdx(&bench.lock, "1234", Some(crates)).unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["spdxVersion"], "SPDX-2.3");
    let packages = list["packages"].as_array().unwrap();
    let names: Vec<_> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["base", "kernel", "sha2"]);
    assert_eq!(
        packages[0]["checksums"][0]["checksumValue"],
        bench.lock.packages[0].sha256
    );
    assert!(sbom::spdx(&bench.lock, "1234", Some("no lock [")).is_err());
}
