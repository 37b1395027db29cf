//! A TM-2655 on its RS-232 unit.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::civil::DateTime;

use super::{CUFF_DURATION, Command, SimOptions, SimulatedDevice, Values};

/// What the monitor measures when the host starts it and nobody said what.
const USUAL: Values = Values {
    systolic: 126,
    diastolic: 81,
    pulse: 72,
};
/// Length of a host frame.
const HOST_FRAME: usize = 10;

#[derive(Debug)]
pub(super) struct Monitor {
    options: SimOptions,
    heard: Vec<u8>,
    last: Option<(DateTime, Result<Values, u8>)>,
    running: Option<(Result<Values, u8>, Duration)>,
    next: VecDeque<Result<Values, u8>>,
    output: VecDeque<Vec<u8>>,
}

impl Monitor {
    pub(super) fn new(options: SimOptions) -> Self {
        // The memory of such a monitor is never empty after its first day.
        let yesterday = options
            .clock_at(Duration::ZERO)
            .saturating_sub(jiff::SignedDuration::from_hours(22));
        let last = Some((
            yesterday,
            Ok(Values {
                systolic: 145,
                diastolic: 91,
                pulse: 70,
            }),
        ));
        Self {
            options,
            heard: Vec::new(),
            last,
            running: None,
            next: VecDeque::new(),
            output: VecDeque::new(),
        }
    }

    fn begin(&mut self, now: Duration) {
        if self.running.is_none() {
            let result = self.next.pop_front().unwrap_or(Ok(USUAL));
            self.running = Some((result, now + self.options.duration_or(CUFF_DURATION)));
        }
    }

    fn frame(text: &str) -> Vec<u8> {
        let mut bytes = vec![0x16, 0x16, 0x01, b'0', b'0', 0x02];
        bytes.extend(text.bytes());
        bytes.push(0x03);
        bytes.push(text.bytes().fold(0, |sum, byte| sum ^ byte));
        bytes
    }

    fn answer(&self) -> Option<Vec<u8>> {
        let (at, result) = self.last?;
        let time = format!(
            "{:02}{:02}{:02}{:02}{:02}",
            at.year() % 100,
            at.month(),
            at.day(),
            at.hour(),
            at.minute()
        );
        let fields = match result {
            Ok(values) => {
                let mean = (u32::from(values.systolic) + 2 * u32::from(values.diastolic)) / 3;
                format!(
                    "E00\x1eS{:3}\x1eM{mean:3}\x1eD{:3}\x1eP{:3}\x1eI18\x1eL112",
                    values.systolic, values.diastolic, values.pulse
                )
            }
            Err(error) => format!(
                "E{:02}\x1eS   \x1eM   \x1eD   \x1eP   \x1eI18\x1eL   ",
                error.min(99)
            ),
        };
        Some(Self::frame(&format!(
            "TM2655\x1e{time}\x1eRB\x1eM\x1e{fields}\x1e"
        )))
    }

    fn obey(&mut self, letters: &[u8], now: Duration) {
        match letters {
            b"ST" => {
                self.output.push_back(vec![0x06]);
                self.begin(now);
            }
            b"SP" => {
                self.output.push_back(vec![0x06]);
                self.running = None;
            }
            b"RB" => self.output.extend(self.answer()),
            _ => self.output.push_back(vec![0x15]),
        }
    }
}

impl SimulatedDevice for Monitor {
    fn handle_connected(&mut self, _now: Duration) {
        if self.options.faults.replay {
            self.output.extend(self.answer());
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        self.heard.extend_from_slice(bytes);
        while let Some(start) = self
            .heard
            .windows(3)
            .position(|three| three == [0x16, 0x16, 0x01])
        {
            self.heard.drain(..start);
            let Some(frame) = self.heard.get(..HOST_FRAME) else {
                return;
            };
            let letters = [frame[6], frame[7]];
            self.heard.drain(..HOST_FRAME);
            self.obey(&letters, now);
        }
        self.heard.truncate(HOST_FRAME);
    }

    fn handle_command(&mut self, command: &Command, now: Duration) {
        match command {
            Command::Measure(values) => {
                self.next.push_back(Ok(*values));
                self.begin(now);
            }
            Command::Fail(error) => {
                self.next.push_back(Err(*error));
                self.begin(now);
            }
            Command::Hold(_)
            | Command::Card(_)
            | Command::Lift
            | Command::Record
            | Command::Unplug
            | Command::Replug => {}
        }
    }

    fn handle_timeout(&mut self, now: Duration) {
        let Some((result, _)) = self.running.take_if(|(_, ends)| *ends <= now) else {
            return;
        };
        self.last = Some((self.options.clock_at(now), result));
        self.output.extend(self.answer());
        if self.options.faults.replay {
            self.output.extend(self.answer());
        }
        if !self.next.is_empty() {
            self.begin(now);
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.running.map(|(_, ends)| ends)
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn survives_damage(&self) -> bool {
        true
    }
}
