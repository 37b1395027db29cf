//! Two network namespaces with a narrow, slow, lossy line between them. Programs run in them as they would on two
//! machines: their own TCP, their own TLS, only packets that are late, few or lost.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What the line does to packets, the same in both directions.
#[derive(Debug, Clone, Copy)]
pub struct Narrow {
    /// Kilobits a second.
    pub kbit: u32,
    /// Milliseconds from one end to the other.
    pub delay_ms: u32,
    /// Packets in a hundred that are lost.
    pub loss_percent: u32,
    /// Largest IP packet that gets through, in bytes; larger ones vanish without a word.
    pub largest: u32,
    /// Decides which packets are lost.
    pub seed: u64,
}

/// Largest IP packet of an ordinary network.
pub const ORDINARY_PACKET: u32 = 1500;

/// The line. Namespaces and devices go with this value.
pub struct NarrowLine {
    names: [String; 2],
    emulator: Child,
    says: BufReader<ChildStdout>,
    /// Whether the near end is this machine itself.
    from_here: bool,
}

impl NarrowLine {
    /// Address of the far end.
    pub const FAR: &'static str = "10.77.64.2";
    const NEAR: &'static str = "10.77.64.1";

    /// Lays a line; `None`, with the reason on standard error, where the machine does not let this process do so.
    pub fn lay(narrow: Narrow) -> Option<Self> {
        Self::told(Self::try_lay(narrow, false))
    }

    /// The same with this machine itself at the near end: programs that a test talks to stand there.
    pub fn lay_from_here(narrow: Narrow) -> Option<Self> {
        Self::told(Self::try_lay(narrow, true))
    }

    #[expect(clippy::print_stderr, reason = "says why something is not tried here")]
    fn told(laid: Result<Self, String>) -> Option<Self> {
        match laid {
            Ok(line) => Some(line),
            Err(why) => {
                eprintln!("no network namespaces here: {why}");
                None
            }
        }
    }

    fn try_lay(narrow: Narrow, from_here: bool) -> Result<Self, String> {
        let run = format!("{}{:x}", std::process::id() % 100_000, rand::random::<u8>());
        // A device's name has 15 characters at most.
        let names = [format!("clin{run}"), format!("clif{run}")];
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/narrow_line.py");
        let numbers = [narrow.kbit, narrow.delay_ms, narrow.loss_percent, narrow.largest];
        let mut emulator = Command::new("python3")
            .arg(script)
            .args(&names)
            .args(numbers.map(|number| number.to_string()))
            .arg(narrow.seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let mut ready = String::new();
        let mut says = BufReader::new(emulator.stdout.take().ok_or("no output")?);
        says.read_line(&mut ready).map_err(|error| error.to_string())?;
        let line = Self {
            names,
            emulator,
            says,
            from_here,
        };
        if ready.trim() != "ready" {
            return Err("no TUN devices".to_owned());
        }
        for (name, address) in line.names.iter().zip([Self::NEAR, Self::FAR]) {
            let address = format!("{address}/24");
            if from_here && address.starts_with(Self::NEAR) {
                ip(&["addr", "add", &address, "dev", name])?;
                ip(&["link", "set", name, "up"])?;
                continue;
            }
            ip(&["netns", "add", name])?;
            ip(&["link", "set", name, "netns", name])?;
            ip(&["-n", name, "addr", "add", &address, "dev", name])?;
            for device in ["lo", name] {
                ip(&["-n", name, "link", "set", device, "up"])?;
            }
        }
        Ok(line)
    }

    /// Bytes that connections have sent from the near end, repeated ones included.
    pub fn sent(&mut self) -> u64 {
        self.ask("sent")
    }

    /// Drops what is under way and ends every connection, as a modem does that dials again; the next one works.
    pub fn cut(&mut self) {
        self.ask("cut");
    }

    fn ask(&mut self, word: &str) -> u64 {
        let to = self.emulator.stdin.as_mut().unwrap();
        writeln!(to, "{word}").unwrap();
        let mut said = String::new();
        self.says.read_line(&mut said).unwrap();
        said.trim().parse().unwrap()
    }

    /// Namespace of the near end; `None` where it is this machine itself.
    pub fn near(&self) -> Option<&str> {
        (!self.from_here).then_some(self.names[0].as_str())
    }

    /// Namespace of the far end, which has the address [`Self::FAR`].
    pub fn far(&self) -> &str {
        &self.names[1]
    }
}

impl Drop for NarrowLine {
    fn drop(&mut self) {
        if self.emulator.kill().is_ok() {
            let _status = self.emulator.wait();
        }
        for name in &self.names {
            // One that was never made is not there.
            let _gone = ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!(
            "ip {arguments:?}: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        ))
    }
}
