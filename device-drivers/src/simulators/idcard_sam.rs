//! A card reader with the SAM protocol: no card → found → selected → read; a second find before the card was
//! lifted answers "no card"; a reset makes a lying card findable again; a read after the card left, and one of a chip
//! that is broken, answers 41.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Command, SimOptions, SimulatedDevice};

/// Longest name on a card, in UTF-16 units.
const NAME_MAX: usize = 15;
const PHOTO: usize = 1024;

/// A card to put on the reader.
#[derive(Clone, PartialEq, Eq)]
pub struct SimCard {
    number: String,
    name: String,
    /// Address printed on it.
    pub address: String,
    /// Address written later.
    pub new_address: Option<String>,
    /// Ethnicity code, two digits.
    pub ethnicity_code: String,
    /// Authority that made it.
    pub authority: String,
}

impl std::fmt::Debug for SimCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimCard")
    }
}

impl SimCard {
    /// A resident card with this number, whose digits tell birth date and sex; nothing checks the number, so
    /// that wrong ones can be played. `None` if number or name do not fit on a card.
    pub fn new(number: &str, name: &str) -> Option<Self> {
        let plain = number.len() == 18 && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fits = !name.is_empty() && name.encode_utf16().count() <= NAME_MAX && !name.contains('\0');
        (plain && fits).then(|| Self {
            number: number.to_ascii_uppercase(),
            name: name.to_owned(),
            address: "示例省示例县示例镇示例村1组1号".to_owned(),
            new_address: None,
            ethnicity_code: "01".to_owned(),
            authority: "示例县公安局".to_owned(),
        })
    }

    fn text_block(&self) -> Vec<u8> {
        let odd = self.number.as_bytes().get(16).is_some_and(|digit| digit % 2 == 1);
        let birth = self.number.get(6..14).unwrap_or("        ");
        let fields: [(&str, usize); 11] = [
            (&self.name, 15),
            (if odd { "1" } else { "2" }, 1),
            (&self.ethnicity_code, 2),
            (birth, 8),
            (&self.address, 35),
            (&self.number, 18),
            (&self.authority, 15),
            ("20180101", 8),
            ("长期", 8),
            ("", 14),
            ("", 4),
        ];
        let mut bytes = Vec::with_capacity(256);
        for (text, units) in fields {
            bytes.extend(padded(text, units));
        }
        bytes
    }
}

/// A text cut or padded with blanks to so many UTF-16 units, low byte first.
fn padded(text: &str, units: usize) -> Vec<u8> {
    let text = text
        .encode_utf16()
        .chain(std::iter::repeat(u16::from(b' ')))
        .take(units);
    text.flat_map(u16::to_le_bytes).collect()
}

/// An answer with these status bytes and data.
fn answer(status: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() + 4) as u16;
    let mut bytes = vec![0xaa, 0xaa, 0xaa, 0x96, 0x69];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, status]);
    bytes.extend(data);
    let check = bytes[5..].iter().fold(0, |sum, byte| sum ^ byte);
    bytes.push(check);
    bytes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Lying,
    Found,
    Selected,
}

#[derive(Debug)]
pub(super) struct Reader {
    /// What lies there: a card, or one whose chip cannot be read.
    card: Option<(Option<SimCard>, Step)>,
    heard: Vec<u8>,
    output: VecDeque<Vec<u8>>,
}

impl Reader {
    pub(super) fn new(_options: SimOptions) -> Self {
        Self {
            card: None,
            heard: Vec::new(),
            output: VecDeque::new(),
        }
    }

    fn obey(&mut self, command: [u8; 2]) -> Vec<u8> {
        let step = self.card.as_mut().map(|(_, step)| step);
        match (command, step) {
            ([0x10, 0xff], step) => {
                if let Some(step) = step {
                    *step = Step::Lying;
                }
                answer(0x90, &[])
            }
            ([0x11, 0xff], _) => answer(0x90, &[]),
            ([0x12, 0xff], _) => {
                let id = [
                    5, 0, 1, 0, 0xc7, 0xa0, 0x33, 0x01, 0x87, 0xd6, 0x12, 0, 0xb1, 0x68, 0xde, 0x3a,
                ];
                answer(0x90, &id)
            }
            ([0x20, 0x01], Some(step)) if *step == Step::Lying => {
                *step = Step::Found;
                answer(0x9f, &[0; 4])
            }
            ([0x20, 0x01], _) => answer(0x80, &[]),
            ([0x20, 0x02], Some(step)) if *step != Step::Lying => {
                *step = Step::Selected;
                answer(0x90, &[0; 8])
            }
            ([0x20, 0x02], _) => answer(0x81, &[]),
            ([0x30, 0x01], Some(Step::Selected)) => self.read(),
            ([0x30, 0x03], Some(Step::Selected)) => {
                let later = self.card().and_then(|card| card.new_address.clone());
                later.map_or_else(|| answer(0x91, &[]), |text| answer(0x90, &padded(&text, 35)))
            }
            ([0x30, _], _) => answer(0x41, &[]),
            ([0x60, 0x00], _) => answer(0x90, &[]),
            _ => answer(0x21, &[]),
        }
    }

    fn card(&self) -> Option<&SimCard> {
        self.card.as_ref().and_then(|(card, _)| card.as_ref())
    }

    fn read(&self) -> Vec<u8> {
        let Some(text) = self.card().map(SimCard::text_block) else {
            return answer(0x41, &[]);
        };
        let mut data = vec![0x01, 0x00, 0x04, 0x00];
        data.extend(text);
        data.extend((0..PHOTO).map(|at| (at * 7 + 3) as u8));
        answer(0x90, &data)
    }
}

impl SimulatedDevice for Reader {
    fn handle_connected(&mut self, _now: Duration) {
        self.heard.clear();
        if let Some((_, step)) = &mut self.card {
            *step = Step::Lying;
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8], _now: Duration) {
        const PREAMBLE: [u8; 5] = [0xaa, 0xaa, 0xaa, 0x96, 0x69];
        self.heard.extend_from_slice(bytes);
        while let Some(start) = self.heard.windows(5).position(|five| five == PREAMBLE) {
            self.heard.drain(..start);
            let Some(frame) = self.heard.first_chunk::<10>().copied() else {
                return;
            };
            self.heard.drain(..10);
            let good = frame[5..].iter().fold(0, |sum, byte| sum ^ byte) == 0;
            let answer = if good {
                self.obey([frame[7], frame[8]])
            } else {
                answer(0x10, &[])
            };
            self.output.push_back(answer);
        }
        self.heard.truncate(PREAMBLE.len());
    }

    fn handle_command(&mut self, command: &Command, _now: Duration) {
        match command {
            Command::Card(card) => self.card = Some((Some((**card).clone()), Step::Lying)),
            Command::Fail(_) => self.card = Some((None, Step::Lying)),
            Command::Lift => self.card = None,
            Command::Measure(_) | Command::Hold(_) | Command::Record | Command::Unplug | Command::Replug => {}
        }
    }

    fn handle_timeout(&mut self, _now: Duration) {}

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn survives_damage(&self) -> bool {
        true
    }
}
