//! The screen of an emulated box: what stands on it, and a finger on it, by QEMU's monitor (QMP).

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

/// What the emulator counts from one edge of the screen to the other.
const EDGE: usize = 32_767;
/// How long a finger stays. Shorter ones are nobody's.
const PRESS: Duration = Duration::from_millis(400);
/// The file of the monitor, in the folder of the machine.
const MONITOR: &str = "monitor";

/// Arguments of a machine with a screen of this size and a touch on it.
pub(crate) fn arguments(folder: &Path, (width, height): (usize, usize)) -> Vec<String> {
    let screen = format!("virtio-gpu-pci,xres={width},yres={height}");
    let monitor = format!("unix:{},server=on,wait=off", folder.join(MONITOR).display());
    [
        "-device",
        &screen,
        "-device",
        "virtio-tablet-pci",
        "-qmp",
        &monitor,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A screen's picture.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Red, green and blue of each dot, row by row.
    dots: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads a "Portable Pixmap" as QEMU writes it: `P6`, width, height, 255, and the dots.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
        let mut word = || std::str::from_utf8(parts.next()?).ok();
        let (kind, width, height) = (word()?, word()?, word()?);
        let (most, dots) = parts.next()?.split_first_chunk::<4>()?;
        let picture = Self {
            width: width.parse().ok()?,
            height: height.parse().ok()?,
            dots: dots.as_chunks().0.to_vec(),
        };
        let is_whole = picture.dots.len() == picture.width * picture.height;
        (kind == "P6" && most == b"255\n" && is_whole).then_some(picture)
    }

    /// The middle of all dots of about this colour, and how many there are.
    pub(crate) fn middle_of(&self, colour: [u8; 3]) -> Option<((usize, usize), usize)> {
        let is_it = |dot: &[u8; 3]| {
            dot.iter()
                .zip(colour)
                .all(|(one, other)| one.abs_diff(other) <= 8)
        };
        let (mut count, mut x, mut y) = (0, 0, 0);
        for (at, _) in self.dots.iter().enumerate().filter(|(_, dot)| is_it(dot)) {
            count += 1;
            x += at % self.width;
            y += at / self.width;
        }
        (count > 0).then(|| ((x / count, y / count), count))
    }
}

/// The monitor of a machine that was started with [`arguments`].
pub(crate) struct Monitor {
    line: BufReader<UnixStream>,
    picture: PathBuf,
}

impl Monitor {
    pub(crate) fn of(folder: &Path) -> Self {
        let line = UnixStream::connect(folder.join(MONITOR)).unwrap();
        let mut this = Self {
            line: BufReader::new(line),
            picture: folder.join("screen.ppm"),
        };
        this.answer();
        this.tell("qmp_capabilities", json!({}));
        this
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.line.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn tell(&mut self, what: &str, arguments: Value) {
        let order = json!({ "execute": what, "arguments": arguments });
        writeln!(self.line.get_mut(), "{order}").unwrap();
        loop {
            let answer = self.answer();
            assert!(answer.get("error").is_none(), "{order}: {answer}");
            if answer.get("return").is_some() {
                return;
            }
        }
    }

    /// What stands on the screen; it stays in the folder as `screen.ppm`.
    pub(crate) fn look(&mut self) -> Picture {
        self.tell("screendump", json!({ "filename": self.picture }));
        Picture::parse(&fs::read(&self.picture).unwrap()).expect("a picture of the screen")
    }

    /// Presses a place of the screen.
    pub(crate) fn press(&mut self, (x, y): (usize, usize), picture: &Picture) {
        let axis = |name: &str, at: usize, of: usize| json!({ "type": "abs", "data": { "axis": name, "value": at * EDGE / of } });
        let place = |x, y| json!([axis("x", x, picture.width), axis("y", y, picture.height)]);
        let finger = |down: bool| json!([{ "type": "btn", "data": { "button": "left", "down": down } }]);
        // From a little beside it: what stands still tells the box nothing.
        for events in [place(x - 9, y), place(x, y), finger(true), finger(false)] {
            self.tell("input-send-event", json!({ "events": events }));
            sleep(PRESS);
        }
    }
}
