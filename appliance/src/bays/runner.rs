//! One thread a bay: runs the session of its device until the box stops.

use std::thread::JoinHandle;

use device_drivers::catalogue::Transport;
use device_drivers::clock::MonotonicClock;

use super::Bays;

/// The threads of all bays.
#[derive(Debug, Default)]
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until all have ended; [`Bays::stop_devices`] makes them end within a moment.
    pub fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a bay's thread ended by a panic");
            }
        }
    }
}

impl Bays {
    /// Starts a thread for each bay.
    pub fn start_devices(&self) -> std::io::Result<Threads> {
        let mut threads = Threads::default();
        for number in 0..self.inner.bays.len() {
            let bays = self.clone();
            let thread = std::thread::Builder::new().name(format!("bay-{number}"));
            threads.0.push(thread.spawn(move || bays.run_device(number))?);
        }
        Ok(threads)
    }

    /// Asks all threads to end.
    pub fn stop_devices(&self) {
        for bay in &self.inner.bays {
            bay.control.stop();
        }
    }

    fn run_device(&self, number: usize) {
        let Some(bay) = self.inner.bays.get(number) else { return };
        let clock = MonotonicClock::start();
        let mut on_event = |event| self.take(number, event);
        match bay.key.model().transport {
            Transport::Serial(line) => {
                let Some(mut machine) = bay.key.machine() else { return };
                let mut open = || device_drivers::serial::open(&bay.port, &line);
                let machine = machine.as_mut();
                device_drivers::session::run_device(&mut open, machine, &clock, &bay.control, &mut on_event);
            }
            Transport::I2c { .. } => {
                device_drivers::i2c::run_thermometer(&bay.port, &clock, &bay.control, &mut on_event);
            }
        }
    }
}
