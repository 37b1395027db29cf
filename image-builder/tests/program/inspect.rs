//! `inspect` on images that the ordinary tools made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const MIB: u64 = 1 << 20;

fn tool(program: &str, arguments: &[&str], input: &str) {
    use std::io::Write;
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} failed");
}

fn empty_image(folder: &Path, mebibytes: u64) -> PathBuf {
    let path = folder.join("card.img");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(mebibytes * MIB)
        .unwrap();
    path
}

/// Makes file systems with mkfs and copies them to their place in the image.
fn place(folder: &Path, image: &Path, program: &str, arguments: &[&str], start: u64, bytes: u64) {
    use std::os::unix::fs::FileExt;
    let part = folder.join("part");
    std::fs::File::create(&part).unwrap().set_len(bytes).unwrap();
    let mut all = arguments.to_vec();
    all.push(part.to_str().unwrap());
    tool(program, &all, "");
    let target = std::fs::File::options().write(true).open(image).unwrap();
    target.write_all_at(&std::fs::read(part).unwrap(), start).unwrap();
}

fn inspect(image: &Path) -> (Output, serde_json::Value) {
    let program = env!("CARGO_BIN_EXE_image-builder");
    let output = Command::new(program)
        .arg("inspect")
        .arg("--json")
        .arg(image)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let object = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    (output, object)
}

fn card(table: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let image = empty_image(folder.path(), 64);
    tool("sfdisk", &["-q", image.to_str().unwrap()], table);
    place(folder.path(), &image, "mkfs.vfat", &["-n", "BOOT"], MIB, 32 * MIB);
    place(
        folder.path(),
        &image,
        "mkfs.ext4",
        &["-q", "-L", "data"],
        33 * MIB,
        16 * MIB,
    );
    (folder, image)
}

#[test]
fn an_mbr_card_with_boot_and_data_is_described() {
    let (_folder, image) =
        card("label: dos\nstart=2048, size=65536, type=c\nstart=67584, size=32768, type=83\n");
    let (output, found) = inspect(&image);
    assert!(output.status.success());
    assert_eq!(found["table"], "mbr");
    assert_eq!(found["bytes"], 64 * MIB);
    let (boot, data) = (&found["partitions"][0], &found["partitions"][1]);
    assert_eq!(
        (boot["type"].as_str(), boot["file_system"].as_str()),
        (Some("0x0c"), Some("vfat"))
    );
    assert_eq!(
        (boot["label"].as_str(), boot["start"].as_u64()),
        (Some("BOOT"), Some(MIB))
    );
    assert_eq!(
        (data["file_system"].as_str(), data["label"].as_str()),
        (Some("ext4"), Some("data"))
    );
    assert_eq!(data["file_system_bytes"].as_u64(), Some(16 * MIB));
}

#[test]
fn a_gpt_card_is_described() {
    let (_folder, image) =
        card("label: gpt\nstart=2048, size=65536, type=U\nstart=67584, size=32768, type=L\n");
    let (output, found) = inspect(&image);
    assert!(output.status.success());
    assert_eq!(found["table"], "gpt");
    // The type ids of an EFI system partition and of Linux data (UEFI specification; systemd's list).
    assert_eq!(
        found["partitions"][0]["type"],
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    );
    assert_eq!(
        found["partitions"][1]["type"],
        "0fc63daf-8483-4772-8e79-3d69d8477de4"
    );
    assert_eq!(found["partitions"][1]["file_system"], "ext4");
}

#[test]
fn an_image_that_was_cut_short_is_named_so() {
    let (_folder, image) =
        card("label: dos\nstart=2048, size=65536, type=c\nstart=67584, size=32768, type=83\n");
    std::fs::File::options()
        .write(true)
        .open(&image)
        .unwrap()
        .set_len(40 * MIB)
        .unwrap();
    let (output, found) = inspect(&image);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(found["cut_short"], true);
    assert_eq!(found["partitions"][0]["cut_short"], false);
    assert_eq!(found["partitions"][1]["cut_short"], true);
}

#[test]
fn a_bare_file_system_is_one_nameless_partition() {
    let folder = tempfile::tempdir().unwrap();
    let image = empty_image(folder.path(), 16);
    place(folder.path(), &image, "mkfs.ext4", &["-q"], 0, 16 * MIB);
    let (output, found) = inspect(&image);
    assert!(output.status.success());
    assert_eq!(
        (
            found["table"].as_str(),
            found["partitions"][0]["file_system"].as_str()
        ),
        (Some("none"), Some("ext4"))
    );
}

#[test]
fn what_is_no_image_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    for content in ["", "no image", &"x".repeat(4096)] {
        std::fs::write(&text, content).unwrap();
        let (output, found) = inspect(&text);
        assert_eq!(output.status.code(), Some(1));
        assert!(found["error"].as_str().unwrap().contains("not a disk image"));
    }
    let (output, found) = inspect(&folder.path().join("missing.img"));
    assert_eq!(output.status.code(), Some(1));
    assert!(found["error"].as_str().unwrap().contains("missing.img"));
}
