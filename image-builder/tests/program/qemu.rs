//! An emulated box: QEMU's machine, the card in a file, and the firmware of a Raspberry Pi as `card` emulates it.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use card::firmware;
use card::layout::{Layout, Slot};
use card::{BlockDevice, FileDevice};

/// A card as they are sold, sparse on this machine's disk.
pub(crate) const CARD: u64 = 4 << 30;
/// How long an emulated box may take on a machine that does other things too; it takes 25 s on a free one.
const PATIENCE: Duration = Duration::from_secs(900);
/// The file of the machine's own key, in the folder of its card.
pub(crate) const OWN_KEY: &str = "otp";
/// What `systemd` says on its way to a restart with the firmware's one-shot flag.
const FLAG: &str = "0 tryboot";

/// An image as a card holds it.
pub(crate) fn card_of(image: &Path, card: &Path) {
    copy(image, card);
    let file = File::options().write(true).open(card).unwrap();
    file.set_len(CARD).unwrap();
}

/// Copies a card or an image and leaves its holes: cards are larger than what is on them.
pub(crate) fn copy(from: &Path, to: &Path) {
    let mut source = File::open(from).unwrap();
    let copy = File::create(to).unwrap();
    copy.set_len(source.metadata().unwrap().len()).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let count = source.read(&mut bytes).unwrap();
        if count == 0 {
            return;
        }
        if bytes[..count].iter().any(|byte| *byte != 0) {
            copy.write_all_at(&bytes[..count], at).unwrap();
        }
        at += count as u64;
    }
}

/// The machine that is emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Board {
    /// One that exists in QEMU only, and is quick.
    Virt,
    /// A Raspberry Pi 3: its own card slot, its network on the USB bus.
    Pi3,
}

/// The file of the Raspberry Pi 3's parts on the boot partition.
const PARTS: &str = "bcm2837-rpi-3-b.dtb";

/// What the firmware loads from the card.
fn load(card: &Path, folder: &Path, board: Board, flag: bool) -> (Slot, String) {
    let mut device = FileDevice::open_to_read(card).unwrap();
    let slot = firmware::starts(&mut device, flag).unwrap().slot.unwrap();
    let layout = Layout::read(&mut device).unwrap();
    let extent = layout.boot_of(slot);
    let mut boot = vec![0; extent.len as usize];
    device.read_at(extent.at, &mut boot).unwrap();
    let system = fatfs::FileSystem::new(Cursor::new(boot), fatfs::FsOptions::new()).unwrap();
    let file = |name: &str| {
        let mut bytes = Vec::new();
        let mut file = system.root_dir().open_file(name).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    for name in ["vmlinuz", "initrd"] {
        fs::write(folder.join(name), file(name)).unwrap();
    }
    if board == Board::Pi3 {
        fs::write(folder.join(PARTS), numbered(&file(PARTS))).unwrap();
    }
    (slot, String::from_utf8(file("cmdline.txt")).unwrap())
}

/// Writes the processor's number into a tree of parts, as the board's firmware does before it starts a kernel
/// ("Devicetree Specification", 5: a header of big-endian words, a block of structure, a block of names).
fn numbered(tree: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"serial-number\0";
    const NUMBER: &[u8] = b"00000000c11c0b05\0\0\0\0";
    const TOTAL: usize = 4;
    const STRUCTURE: usize = 8;
    const NAMES: usize = 12;
    const NAMES_LEN: usize = 32;
    const STRUCTURE_LEN: usize = 36;
    let word = |at: usize| u32::from_be_bytes(tree[at..at + 4].try_into().unwrap());
    let (structure, names) = (word(STRUCTURE) as usize, word(NAMES) as usize);
    assert!(structure < names, "the structure stands before the names");
    // Behind the beginning of the root, which has no name; a property: its mark, length, name, value.
    let mut property = Vec::new();
    for part in [3, NUMBER.len() as u32 - 3, word(NAMES_LEN)] {
        property.extend(part.to_be_bytes());
    }
    property.extend(NUMBER);
    let (root, end) = (structure + 8, names + word(NAMES_LEN) as usize);
    let mut new = [&tree[..root], &property, &tree[root..end], NAME].concat();
    let mut put = |at: usize, value: usize| new[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes());
    put(NAMES, names + property.len());
    put(NAMES_LEN, word(NAMES_LEN) as usize + NAME.len());
    put(STRUCTURE_LEN, word(STRUCTURE_LEN) as usize + property.len());
    put(TOTAL, end + property.len() + NAME.len());
    new
}

/// A box that runs; it is gone when this is dropped, as with the power.
pub(crate) struct Machine {
    qemu: Child,
    page: u16,
    /// Where this machine reaches the box's port 22.
    pub(crate) ssh: u16,
    log: PathBuf,
    cookies: PathBuf,
    /// The slot that the firmware took.
    pub(crate) slot: Slot,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A stick in a USB socket.
fn stick_in(stick: &Path) -> Vec<String> {
    let drive = format!("file={},format=raw,if=none,id=stick,readonly=on", stick.display());
    let words = [
        "-device",
        "qemu-xhci",
        "-drive",
        &drive,
        "-device",
        "usb-storage,drive=stick",
    ];
    words.map(str::to_owned).to_vec()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Machine {
    /// Starts the card of a folder, with a stick where there is one; `flag` is the firmware's one-shot flag.
    pub(crate) fn start(folder: &Path, name: &str, stick: Option<&Path>, flag: bool) -> Self {
        Self::start_on(Board::Virt, folder, name, stick, flag)
    }

    /// The same on this machine.
    pub(crate) fn start_on(
        board: Board,
        folder: &Path,
        name: &str,
        stick: Option<&Path>,
        flag: bool,
    ) -> Self {
        let stick = stick.map(stick_in).unwrap_or_default();
        Self::start_with(board, folder, name, flag, &stick)
    }

    /// The same with further arguments of the emulator.
    pub(crate) fn start_with(board: Board, folder: &Path, name: &str, flag: bool, more: &[String]) -> Self {
        let (page, ssh, card) = (free_port(), free_port(), folder.join("card"));
        let (slot, words) = load(&card, folder, board, flag);
        let log = folder.join(format!("{name}.log"));
        let words = format!("{} loglevel=6", words.trim());
        let drive = format!("file={},format=raw", card.display());
        let mut qemu = Command::new("qemu-system-aarch64");
        qemu.args(["-display", "none", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .arg("-kernel")
            .arg(folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(folder.join("initrd"))
            .arg("-netdev")
            .arg(format!(
                "user,id=net,hostfwd=tcp:127.0.0.1:{page}-:443,hostfwd=tcp:127.0.0.1:{ssh}-:22"
            ));
        match board {
            Board::Virt => {
                let own_key = folder.join(OWN_KEY);
                if !own_key.exists() {
                    fs::write(&own_key, (0..32).collect::<Vec<u8>>()).unwrap();
                }
                qemu.args(["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024"])
                    .args(["-append", &words])
                    .args(["-drive", &format!("{drive},if=none,id=card")])
                    .args(["-device", "virtio-blk-device,drive=card"])
                    .args(["-device", "virtio-net-device,netdev=net"])
                    .args(["-device", "virtio-rng-device"])
                    .arg("-fw_cfg")
                    .arg(format!("name=opt/clinic/otp,file={}", own_key.display()));
            }
            Board::Pi3 => {
                // The emulator knows no watchdog that waits: one that is set restarts the machine at once.
                let words = format!("{words} systemd.watchdog_sec=off");
                qemu.args(["-M", "raspi3b"])
                    .arg("-dtb")
                    .arg(folder.join(PARTS))
                    .args(["-append", &words])
                    .args(["-drive", &format!("{drive},if=sd")])
                    .args(["-device", "usb-net,netdev=net"]);
            }
        }
        let qemu = qemu
            .args(more)
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-aarch64 of the package qemu-system-arm");
        Self {
            qemu,
            page,
            ssh,
            log,
            cookies: folder.join("cookies"),
            slot,
        }
    }

    /// What stood on the console.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks for a page with `curl`, which follows to where it leads: its last address and status, and the page. `None`
    /// while nobody answers. The certificate is the box's own; that tablets check it is another test's business.
    fn ask(&self, path: &str, form: Option<&[(&str, &str)]>) -> Option<(String, String)> {
        let mut arguments = Vec::new();
        if let Some(fields) = form {
            arguments.extend(["--data".to_owned(), String::new()]);
            for (name, value) in fields {
                arguments.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
            }
        }
        self.ask_with(path, &arguments)
    }

    fn ask_with(&self, path: &str, arguments: &[String]) -> Option<(String, String)> {
        let base = format!("https://127.0.0.1:{}", self.page);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--location", "--max-time", "60"])
            .args(["--write-out", "\n%{url_effective} %{http_code}"])
            .arg("--cookie")
            .arg(&self.cookies)
            .arg("--cookie-jar")
            .arg(&self.cookies);
        if !arguments.is_empty() {
            curl.args(["--header", &format!("Origin: {base}")]);
        }
        curl.args(arguments);
        let output = curl.arg(format!("{base}{path}")).output();
        let output = output.expect("curl of the package curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (page, last) = text.rsplit_once('\n')?;
        (output.status.success() && !last.ends_with(" 502"))
            .then(|| (last.replacen(&base, "", 1), page.to_owned()))
    }

    /// A page, once the box answers.
    pub(crate) fn get(&mut self, path: &str) -> (String, String) {
        self.until("the box answers", |machine| machine.ask(path, None))
    }

    /// Sends a form.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (String, String) {
        self.until("the box answers", |machine| machine.ask(path, Some(fields)))
    }

    /// Sends a file by a form.
    pub(crate) fn upload(&mut self, path: &str, field: &str, file: &Path) -> (String, String) {
        let arguments = [
            "--form".to_owned(),
            format!("{field}=@{}", file.display()),
            // A thousand residents take their time on an emulated processor.
            "--max-time".to_owned(),
            "600".to_owned(),
        ];
        self.until("the box answers", |machine| machine.ask_with(path, &arguments))
    }

    /// Waits for something while the box runs.
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.qemu.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "{what}: it does not; the box's log:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(500));
        }
    }

    /// Lets the box run for some time; where it restarts by itself meanwhile, whether it set the firmware's flag.
    pub(crate) fn restarted_within(&mut self, time: Duration) -> Option<bool> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.qemu.try_wait().unwrap().is_some() {
                return Some(self.log().contains(FLAG));
            }
            sleep(Duration::from_millis(50));
        }
        None
    }

    /// Waits until the box restarts by itself; whether it set the firmware's flag.
    pub(crate) fn restarts(mut self) -> bool {
        let start = Instant::now();
        while self.qemu.try_wait().unwrap().is_none() {
            assert!(
                start.elapsed() < PATIENCE,
                "the box does not restart; its log:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(200));
        }
        self.log().contains(FLAG)
    }
}
