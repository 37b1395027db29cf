//! An HBP-9030 in output format 5.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::civil::DateTime;

use super::{CUFF_DURATION, Command, SimOptions, SimulatedDevice, Values};

/// Results that the monitor has in its memory from earlier days.
const REMEMBERED: [(i64, Values); 3] = [
    (
        60,
        Values {
            systolic: 151,
            diastolic: 93,
            pulse: 81,
        },
    ),
    (
        26 * 60,
        Values {
            systolic: 124,
            diastolic: 79,
            pulse: 68,
        },
    ),
    (
        49 * 60,
        Values {
            systolic: 133,
            diastolic: 84,
            pulse: 74,
        },
    ),
];

#[derive(Debug)]
pub(super) struct Monitor {
    options: SimOptions,
    running: Option<(Result<Values, u8>, Duration)>,
    waiting: VecDeque<Result<Values, u8>>,
    output: VecDeque<Vec<u8>>,
    memory_sent: bool,
}

impl Monitor {
    pub(super) fn new(options: SimOptions) -> Self {
        Self {
            options,
            running: None,
            waiting: VecDeque::new(),
            output: VecDeque::new(),
            memory_sent: false,
        }
    }

    fn begin(&mut self, result: Result<Values, u8>, now: Duration) {
        if self.running.is_some() {
            self.waiting.push_back(result);
            return;
        }
        self.running = Some((result, now + self.options.duration_or(CUFF_DURATION)));
    }

    fn line(&self, at: DateTime, result: Result<Values, u8>) -> Vec<u8> {
        let subject = self.options.patient.as_deref().unwrap_or("");
        let head = format!(
            "{:04},{:02},{:02},{:02},{:02},{subject:<20.20}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute()
        );
        let tail = match result {
            Ok(values) => format!(
                "0,{:03},{:03},{:03},0",
                values.systolic, values.diastolic, values.pulse
            ),
            Err(error) => format!("{},   ,   ,   ,0", error.min(9)),
        };
        format!("{head},{tail}\r\n").into_bytes()
    }
}

impl SimulatedDevice for Monitor {
    fn handle_connected(&mut self, now: Duration) {
        if !self.options.faults.replay || std::mem::replace(&mut self.memory_sent, true) {
            return;
        }
        let clock = self.options.clock_at(now);
        for (minutes, values) in REMEMBERED.iter().rev() {
            let at = clock.saturating_sub(jiff::SignedDuration::from_mins(*minutes));
            self.output.push_back(self.line(at, Ok(*values)));
        }
    }

    fn handle_bytes(&mut self, _bytes: &[u8], _now: Duration) {}

    fn handle_command(&mut self, command: &Command, now: Duration) {
        match command {
            Command::Measure(values) => self.begin(Ok(*values), now),
            Command::Fail(error) => self.begin(Err(*error), now),
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
        let line = self.line(self.options.clock_at(now), result);
        if self.options.faults.replay {
            self.output.push_back(line.clone());
        }
        self.output.push_back(line);
        if let Some(next) = self.waiting.pop_front() {
            self.begin(next, now);
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.running.map(|(_, ends)| ends)
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    /// The monitor sends a line once and it has no check: damage would be a wrong reading or none.
    fn survives_damage(&self) -> bool {
        false
    }
}
