//! The dull loop between a port and a machine: wait for bytes, a deadline or a request; feed; drain. It opens
//! the port again after an unplug and tells the state of the link. One thread runs one of these for each bay.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::I2c;

use crate::catalogue::{DeviceKey, Transport};
use crate::clock::Clock;
use crate::events::DeviceEvent;
use crate::i2c::{self, I2cError};
use crate::machine::{Machine, Request};
use crate::mlx90614::{BusError, Mlx90614, SampleFault, ThermometerMachine};
use crate::port::{OpenError, Port, PortError};
use crate::serial;

/// Longest wait for bytes, so that requests and the stop signal are seen soon.
const READ_SLICE: Duration = Duration::from_millis(50);
/// Pause before a port that could not be opened, or is gone, is tried again: an unplug heals within 5 seconds.
const OPEN_EVERY: Duration = Duration::from_secs(1);
/// Bytes taken in one read.
const READ_MAX: usize = 4096;
/// Most requests that wait.
const REQUESTS_MAX: usize = 16;

/// What a session tells its bay.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// The device said something.
    Device(DeviceEvent),
    /// The state of the link changed; while a device is silent, told again each second.
    Link(LinkState),
}

/// The state of the link between box and device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// The port is open and nothing is missing.
    Connected,
    /// The port is open, but no valid frame came although one should have.
    Silent {
        /// For how long.
        since: Duration,
    },
    /// Nothing is plugged in.
    Gone,
    /// Another program holds the port.
    Busy {
        /// Its name, where it can be seen.
        by: Option<String>,
    },
    /// Several adapters share the configured name; no port was opened.
    Ambiguous {
        /// The adapters, by the USB socket that they are plugged in.
        by_path: Vec<PathBuf>,
    },
    /// This program may not open the port.
    Denied,
    /// The port cannot be used; the log has the reason.
    Unusable,
}

impl From<&OpenError> for LinkState {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Absent(_) => Self::Gone,
            OpenError::Busy { by, .. } => Self::Busy { by: by.clone() },
            OpenError::Denied(_) => Self::Denied,
            OpenError::Ambiguous { by_path, .. } => Self::Ambiguous {
                by_path: by_path.clone(),
            },
            OpenError::Failed { .. } => Self::Unusable,
        }
    }
}

/// The handle by which others reach a running session.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    requests: Mutex<VecDeque<Request>>,
}

impl Control {
    /// Asks the device for something; `false` if too much waits already.
    pub fn request(&self, request: Request) -> bool {
        let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = requests.len() < REQUESTS_MAX;
        if fits {
            requests.push_back(request);
        }
        fits
    }

    /// Ends the session soon.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
    }

    /// Whether the session shall end.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn next_request(&self) -> Option<Request> {
        self.0
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

/// Tells each state of the link once.
#[derive(Debug, Default)]
pub(crate) struct LinkTeller {
    told: Option<LinkState>,
}

impl LinkTeller {
    pub(crate) fn tell(&mut self, state: LinkState, on_event: &mut dyn FnMut(SessionEvent)) {
        if self.told.as_ref() != Some(&state) {
            on_event(SessionEvent::Link(state.clone()));
            self.told = Some(state);
        }
    }

    /// Why no port could be opened; the log has what the state does not say.
    pub(crate) fn tell_failure(&mut self, error: &OpenError, on_event: &mut dyn FnMut(SessionEvent)) {
        let state = LinkState::from(error);
        if state == LinkState::Unusable && self.told != Some(LinkState::Unusable) {
            let cause = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::warn!(%error, cause, "a device's port cannot be used");
        }
        self.tell(state, on_event);
    }

    /// Connected, or silent for a whole number of seconds.
    pub(crate) fn tell_silence(&mut self, silent: Option<Duration>, on_event: &mut dyn FnMut(SessionEvent)) {
        let state = match silent {
            None => LinkState::Connected,
            Some(since) => LinkState::Silent {
                since: Duration::from_secs(since.as_secs()),
            },
        };
        self.tell(state, on_event);
    }
}

/// Lets time pass until the port is tried again, but sees the stop signal.
pub(crate) fn pause_before_opening(clock: &dyn Clock, control: &Control) {
    let until = clock.now() + OPEN_EVERY;
    while clock.now() < until && !control.is_stopped() {
        clock.pause(READ_SLICE);
    }
}

/// Runs a machine on a port until the control says stop.
pub fn run_device(
    open: &mut dyn FnMut() -> Result<Box<dyn Port>, OpenError>,
    machine: &mut dyn Machine,
    clock: &dyn Clock,
    control: &Control,
    on_event: &mut dyn FnMut(SessionEvent),
) {
    let mut teller = LinkTeller::default();
    while !control.is_stopped() {
        match open() {
            Ok(mut port) => {
                machine.handle_opened(clock.now());
                teller.tell(LinkState::Connected, on_event);
                let ended = serve(port.as_mut(), machine, clock, control, &mut teller, on_event);
                machine.handle_closed(clock.now());
                drain(machine, on_event);
                match ended {
                    Ended::Stopped => return,
                    Ended::Gone => teller.tell(LinkState::Gone, on_event),
                }
            }
            Err(error) => teller.tell_failure(&error, on_event),
        }
        pause_before_opening(clock, control);
        pass_time(machine, clock, control, on_event);
    }
}

/// Runs the device of a bay, whatever its bus: the model says how it is opened, the path where.
pub fn run_bay(
    key: DeviceKey,
    path: &Path,
    clock: &dyn Clock,
    control: &Control,
    on_event: &mut dyn FnMut(SessionEvent),
) {
    match (key.model().transport, key.machine()) {
        (Transport::Serial(line), Some(mut machine)) => {
            let mut open = serial::opener(path.to_owned(), line);
            run_device(&mut open, machine.as_mut(), clock, control, on_event);
        }
        (Transport::I2c { address }, _) => {
            let mut open = || i2c::open(path);
            run_thermometer(&mut open, address, clock, control, on_event);
        }
        // The catalogue's test makes sure that every serial model has a machine.
        (Transport::Serial(_), None) => {}
    }
}

/// Runs an infrared thermometer on an I2C bus until the control says stop.
pub fn run_thermometer<B: I2c<Error = I2cError>>(
    open: &mut dyn FnMut() -> Result<B, OpenError>,
    address: u8,
    clock: &dyn Clock,
    control: &Control,
    on_event: &mut dyn FnMut(SessionEvent),
) {
    let mut machine = ThermometerMachine::default();
    let mut teller = LinkTeller::default();
    while !control.is_stopped() {
        match open() {
            Ok(bus) => {
                let mut sensor = Mlx90614::at(bus, address);
                machine.handle_opened(clock.now());
                teller.tell(LinkState::Connected, on_event);
                while !control.is_stopped() && poll_sensor(&mut sensor, &mut machine, clock, control) {
                    while let Some(event) = machine.poll_event() {
                        on_event(SessionEvent::Device(event));
                    }
                    teller.tell_silence(machine.silent_for(clock.now()), on_event);
                }
                machine.handle_closed();
                if !control.is_stopped() {
                    teller.tell(LinkState::Gone, on_event);
                }
            }
            Err(error) => teller.tell_failure(&error, on_event),
        }
        while let Some(request) = control.next_request() {
            machine.handle_request(request, clock.now());
        }
        while let Some(event) = machine.poll_event() {
            on_event(SessionEvent::Device(event));
        }
        pause_before_opening(clock, control);
    }
}

/// One round: requests, deadlines, a register if one is wanted. `false` if the bus is gone.
fn poll_sensor<B: I2c<Error = I2cError>>(
    sensor: &mut Mlx90614<B>,
    machine: &mut ThermometerMachine,
    clock: &dyn Clock,
    control: &Control,
) -> bool {
    while let Some(request) = control.next_request() {
        machine.handle_request(request, clock.now());
    }
    if machine.poll_timeout().is_some_and(|at| at <= clock.now()) {
        machine.handle_timeout(clock.now());
    }
    let Some(register) = machine.poll_read() else {
        let until = machine
            .poll_timeout()
            .map_or(READ_SLICE, |at| at.saturating_sub(clock.now()));
        clock.pause(until.clamp(Duration::from_millis(1), READ_SLICE));
        return true;
    };
    let answer = sensor.read(register);
    let gone = matches!(&answer, Err(BusError::Bus(error)) if error.is_gone());
    let sample = answer.map_err(|error| match error {
        BusError::Bus(_) => SampleFault::Bus,
        BusError::Answer(error) => SampleFault::Answer(error),
    });
    machine.handle_sample(register, sample, clock.now());
    !gone
}

enum Ended {
    Stopped,
    Gone,
}

fn serve(
    port: &mut dyn Port,
    machine: &mut dyn Machine,
    clock: &dyn Clock,
    control: &Control,
    teller: &mut LinkTeller,
    on_event: &mut dyn FnMut(SessionEvent),
) -> Ended {
    let mut buffer = [0; READ_MAX];
    loop {
        pass_time(machine, clock, control, on_event);
        if control.is_stopped() {
            machine.handle_closing(clock.now());
        }
        if transmit(port, machine).is_err() {
            return Ended::Gone;
        }
        drain(machine, on_event);
        if control.is_stopped() {
            return Ended::Stopped;
        }
        teller.tell_silence(machine.silent_for(clock.now()), on_event);
        let now = clock.now();
        let deadline = machine
            .poll_timeout()
            .map_or(READ_SLICE, |at| at.saturating_sub(now));
        let wait = deadline.clamp(Duration::from_millis(1), READ_SLICE);
        if port.set_timeout(wait).is_err() {
            return Ended::Gone;
        }
        match port.read(&mut buffer) {
            Ok(0) | Err(PortError::Gone | PortError::Io(_)) => return Ended::Gone,
            Ok(length) => machine.handle_bytes(&buffer[..length], clock.now()),
            Err(PortError::TimedOut) => {}
        }
        drain(machine, on_event);
    }
}

/// Requests and deadlines, with or without a port.
fn pass_time(
    machine: &mut dyn Machine,
    clock: &dyn Clock,
    control: &Control,
    on_event: &mut dyn FnMut(SessionEvent),
) {
    while let Some(request) = control.next_request() {
        machine.handle_request(request, clock.now());
    }
    let now = clock.now();
    if machine.poll_timeout().is_some_and(|at| at <= now) {
        machine.handle_timeout(now);
    }
    drain(machine, on_event);
}

/// Sends what waits. A line that takes nothing for now loses the command, as an unconnected cable would; the
/// machine asks again.
fn transmit(port: &mut dyn Port, machine: &mut dyn Machine) -> Result<(), PortError> {
    while let Some(bytes) = machine.poll_transmit() {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match port.write(rest) {
                Ok(0) => return Err(PortError::Gone),
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(PortError::TimedOut) => break,
                Err(error @ (PortError::Gone | PortError::Io(_))) => return Err(error),
            }
        }
    }
    Ok(())
}

fn drain(machine: &mut dyn Machine, on_event: &mut dyn FnMut(SessionEvent)) {
    while let Some(event) = machine.poll_event() {
        on_event(SessionEvent::Device(event));
    }
}
