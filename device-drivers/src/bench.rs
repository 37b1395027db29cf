//! A bench for tests: a machine and a simulated device on one line, in time that passes at will.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::catalogue::DeviceKey;
use crate::events::{DeviceEvent, Reading, Status};
use crate::machine::{Machine, Request};
use crate::simulators::{self, Command, Faults, Line, SimOptions, SimulatedDevice};

/// Longest step of the bench's time.
const STEP: Duration = Duration::from_millis(50);

pub(crate) struct Bench {
    pub(crate) machine: Box<dyn Machine>,
    device: Box<dyn SimulatedDevice>,
    line: Line,
    pub(crate) now: Duration,
    pub(crate) events: Vec<DeviceEvent>,
    open: bool,
}

pub(crate) fn clock() -> DateTime {
    "2026-03-05T08:30".parse().unwrap()
}

pub(crate) fn options(key: DeviceKey, faults: &str) -> SimOptions {
    let mut options = SimOptions::new(key, clock());
    options.faults = faults.parse::<Faults>().unwrap();
    options
}

impl Bench {
    pub(crate) fn new(options: SimOptions) -> Self {
        let device = simulators::device(&options);
        let mut bench = Self {
            machine: options.device.machine().unwrap(),
            line: Line::new(options.faults, options.seed, device.survives_damage()),
            device,
            now: Duration::from_secs(1000),
            events: Vec::new(),
            open: false,
        };
        bench.plug();
        bench
    }

    pub(crate) fn plug(&mut self) {
        self.open = true;
        self.device.handle_connected(self.now);
        self.machine.handle_opened(self.now);
        self.exchange();
    }

    pub(crate) fn unplug(&mut self) {
        self.open = false;
        self.machine.handle_closed(self.now);
        self.exchange();
    }

    pub(crate) fn command(&mut self, line: &str) {
        self.device
            .handle_command(&line.parse::<Command>().unwrap(), self.now);
        self.exchange();
    }

    pub(crate) fn request(&mut self, request: Request) {
        self.machine.handle_request(request, self.now);
        self.exchange();
    }

    /// Lets seconds pass.
    pub(crate) fn seconds(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            let next = [
                self.machine.poll_timeout(),
                self.device.poll_timeout(),
                Some(self.now + STEP),
            ];
            let next = next.into_iter().flatten().min().unwrap();
            self.now = next.clamp(self.now + Duration::from_millis(1), end);
            if self.device.poll_timeout().is_some_and(|at| at <= self.now) {
                self.device.handle_timeout(self.now);
            }
            if self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                self.machine.handle_timeout(self.now);
            }
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        loop {
            let mut moved = false;
            while let Some(bytes) = self.machine.poll_transmit() {
                moved = true;
                if self.open {
                    self.device.handle_bytes(&bytes, self.now);
                }
            }
            while let Some(burst) = self.device.poll_output() {
                moved = true;
                let carried = self.line.carry(burst);
                if self.open {
                    self.machine.handle_bytes(&carried, self.now);
                }
            }
            while let Some(event) = self.machine.poll_event() {
                self.events.push(event);
            }
            if !moved {
                return;
            }
        }
    }

    pub(crate) fn readings(&self) -> Vec<&Reading> {
        let events = self.events.iter();
        events
            .filter_map(|event| match event {
                DeviceEvent::Reading(reading) => Some(reading),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn count(&self, status: &Status) -> usize {
        let same = |event: &&DeviceEvent| matches!(event, DeviceEvent::Status(told) if told == status);
        self.events.iter().filter(same).count()
    }

    /// The waves of a recording, joined: all samples and the number of gaps.
    pub(crate) fn recording(&self) -> (Vec<i16>, usize) {
        let (mut samples, mut gaps) = (Vec::new(), 0);
        for event in &self.events {
            if let DeviceEvent::Wave(block) = event {
                samples.extend_from_slice(&block.samples);
                gaps += block.gaps.len();
            }
        }
        (samples, gaps)
    }
}
