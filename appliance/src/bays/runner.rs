//! One thread a bay: runs the session of its device until the box stops.

use std::thread::JoinHandle;

use device_drivers::clock::MonotonicClock;
use device_drivers::session::run_bay;

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
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        let clock = MonotonicClock::start();
        run_bay(bay.key, &bay.port, &clock, &bay.control, &mut |event| {
            self.take(number, event)
        });
    }
}
