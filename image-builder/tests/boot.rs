//! Boots a built image in QEMU, up to an answer of the box's pages through a forwarded port. The long lane runs it on
//! what `image-builder/run` made: `CLINIC_IMAGE` names that folder.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use card::layout::{Layout, Slot};
use card::state::{Data, State};
use card::{BLOCK, FileDevice};
use tempfile::TempDir;

/// A card as they are sold, sparse on this machine's disk.
const CARD: u64 = 4 << 30;
/// How long an emulated box may take on a machine that does other things too; it takes 25 s on a free one.
const PATIENCE: Duration = Duration::from_secs(900);

struct Box {
    qemu: Child,
    page: u16,
    log: PathBuf,
}

impl Drop for Box {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Box {
    fn start(image: &Path, card: &Path, log: PathBuf) -> Self {
        let page = free_port();
        let words = fs::read_to_string(image.join("cmdline.txt")).unwrap();
        let qemu = Command::new("qemu-system-aarch64")
            .args(["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024"])
            .args(["-display", "none", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .arg("-kernel")
            .arg(image.join("vmlinuz"))
            .arg("-initrd")
            .arg(image.join("initrd"))
            .arg("-append")
            .arg(format!("{words} loglevel=6"))
            .arg("-drive")
            .arg(format!("file={},format=raw,if=none,id=card", card.display()))
            .args(["-device", "virtio-blk-device,drive=card"])
            .arg("-netdev")
            .arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{page}-:443"))
            .args(["-device", "virtio-net-device,netdev=net"])
            .args(["-device", "virtio-rng-device"])
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-aarch64 of the package qemu-system-arm");
        Self { qemu, page, log }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks until the box answers: the address that its first page sends to, and the page there. The certificate is
    /// the box's own, made at this start; that tablets check it is another test's business.
    fn first_page(&mut self) -> (String, String) {
        let url = format!("https://127.0.0.1:{}/", self.page);
        let start = Instant::now();
        loop {
            let output = Command::new("curl")
                .args(["--silent", "--insecure", "--location", "--max-time", "30"])
                .args(["--write-out", "\n%{url_effective} %{http_code} %{num_redirects}"])
                .arg(&url)
                .output()
                .expect("curl of the package curl");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success()
                && let Some((page, last)) = text.rsplit_once('\n')
            {
                assert!(last.contains(" 200 "), "{last}");
                return (last.to_owned(), page.to_owned());
            }
            let ended = self.qemu.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the box does not answer; its log:\n{}",
                self.log()
            );
            sleep(Duration::from_secs(1));
        }
    }
}

/// Spoils blocks of the running system: what a worn card does.
fn spoil(card: &Path) {
    let mut device = FileDevice::open_to_read(card).unwrap();
    let root = Layout::read(&mut device).unwrap().root_of(Slot::A);
    drop(device);
    let file = File::options().read(true).write(true).open(card).unwrap();
    // Eight neighbours and single bits far from them, each in another row of the code.
    let blocks = 44_000;
    file.write_all_at(&[0; 8 * BLOCK as usize], root.at + blocks / 2 * BLOCK)
        .unwrap();
    for block in [700, 9_000, 21_001] {
        let at = root.at + block * BLOCK + 100;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    }
}

#[test]
fn a_card_boots_to_the_sign_in_page_and_again_with_worn_blocks_and_its_data() {
    let image =
        PathBuf::from(std::env::var_os("CLINIC_IMAGE").expect("CLINIC_IMAGE names the folder of an image"));
    let folder = TempDir::new().unwrap();
    let card = folder.path().join("card");
    fs::copy(image.join("clinic.img"), &card).unwrap();
    File::options()
        .write(true)
        .open(&card)
        .unwrap()
        .set_len(CARD)
        .unwrap();

    let start = Instant::now();
    let mut first = Box::start(&image, &card, folder.path().join("first.log"));
    let (address, page) = first.first_page();
    println!(
        "the first start answered after {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(
        address.contains("/sign-in") || address.contains("/language"),
        "{address}"
    );
    assert!(
        page.contains("<!DOCTYPE html>") && page.contains("lang=\"zh-CN\""),
        "{page}"
    );
    let log = first.log();
    assert!(
        log.contains("clinic: slot A of /dev/vda: Ordinary { starts: 1 }"),
        "{log}"
    );
    assert!(log.contains("clinic: the data partition was made"), "{log}");
    drop(first);

    // The data take the rest of the card, and the state says so.
    let mut device = FileDevice::open_to_read(&card).unwrap();
    let data = Layout::read(&mut device).unwrap().data.unwrap();
    assert_eq!(data.end(), CARD);
    assert!(matches!(State::read(&mut device).unwrap().data, Data::Made(_)));
    drop(device);

    spoil(&card);
    let start = Instant::now();
    let mut second = Box::start(&image, &card, folder.path().join("second.log"));
    let (_, page) = second.first_page();
    println!(
        "the second start answered after {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(page.contains("<!DOCTYPE html>"), "{page}");
    let log = second.log();
    assert!(log.contains("clinic: the data partition is there"), "{log}");
}
