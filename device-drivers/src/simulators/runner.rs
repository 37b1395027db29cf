//! Runs a simulated device behind a pseudo terminal on a thread of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cable_folder::CableFolder;
use super::faults::Line;
use super::pseudo_terminal::PseudoTerminal;
use super::{CUFF_DURATION, Command, SimOptions, SimulatedDevice, device};

/// Longest wait before commands are looked at.
const SLICE: Duration = Duration::from_millis(10);
/// How long the plug stays out when the fault says so, in the device's time.
const UNPLUGGED_FOR: Duration = Duration::from_secs(2);

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// No pseudo terminal.
    #[error("cannot open a pseudo terminal")]
    Terminal(#[source] io::Error),
    /// No folder or link for the stable name.
    #[error("cannot make the stable name of the port")]
    Name(#[source] io::Error),
    /// No thread.
    #[error("cannot start the simulator's thread")]
    Thread(#[source] io::Error),
}

/// A running simulated device. Dropping it ends it.
#[derive(Debug)]
pub struct Simulator {
    path: PathBuf,
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a device. Its path is a link that stays the same over an unplug, as a by-path name does.
    pub fn spawn(options: SimOptions) -> Result<Self, SimError> {
        let folder = CableFolder::make(&std::env::temp_dir()).map_err(SimError::Name)?;
        let path = folder.path().join(options.device.as_str());
        let terminal = PseudoTerminal::open().map_err(SimError::Terminal)?;
        let (commands, received) = channel();
        let mut run = Run::new(options, received, path.clone());
        run.plug(terminal).map_err(SimError::Name)?;
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || {
                run.until_dropped();
                drop(folder);
            })
            .map_err(SimError::Thread)?;
        Ok(Self {
            path,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Path of the port.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does something at the device; `false` if it runs no more.
    pub fn send(&self, command: Command) -> bool {
        self.commands
            .as_ref()
            .is_some_and(|commands| commands.send(command).is_ok())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by its hook.
            let _panicked = thread.join().is_err();
        }
    }
}

struct Run {
    device: Box<dyn SimulatedDevice>,
    line: Line,
    received: Receiver<Command>,
    link: PathBuf,
    terminal: Option<PseudoTerminal>,
    host_there: bool,
    began: Instant,
    speed: u32,
    /// The fault "unplug" that is still to come: how long after the first command.
    unplug_after: Option<Duration>,
    unplug_at: Option<Duration>,
    replug_at: Option<Duration>,
}

impl Run {
    fn new(options: SimOptions, received: Receiver<Command>, link: PathBuf) -> Self {
        let device = device(&options);
        Self {
            line: Line::new(options.faults, options.seed, device.survives_damage()),
            device,
            received,
            link,
            terminal: None,
            host_there: false,
            began: Instant::now(),
            speed: options.speed.max(1),
            unplug_after: options
                .faults
                .unplug
                .then(|| options.duration_or(CUFF_DURATION) / 2),
            unplug_at: None,
            replug_at: None,
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed().saturating_mul(self.speed)
    }

    fn plug(&mut self, terminal: PseudoTerminal) -> io::Result<()> {
        let fresh = self.link.with_extension("new");
        std::os::unix::fs::symlink(terminal.path(), &fresh)?;
        std::fs::rename(&fresh, &self.link)?;
        self.terminal = Some(terminal);
        Ok(())
    }

    fn unplug(&mut self) {
        self.terminal = None;
        self.host_there = false;
        // The name may be gone already with its folder; then nobody can open it either way.
        let _gone_already = std::fs::remove_file(&self.link).is_err();
    }

    fn replug(&mut self) {
        if self.terminal.is_none()
            && let Ok(terminal) = PseudoTerminal::open()
            && self.plug(terminal).is_err()
        {
            self.terminal = None;
        }
    }

    fn until_dropped(&mut self) {
        loop {
            match self.next_command() {
                Ok(Some(command)) => self.obey(&command),
                Ok(None) => {}
                Err(Dropped) => return,
            }
            self.plug_faults();
            self.exchange();
        }
    }

    /// Waits for a command where there is nothing else to wait for.
    fn next_command(&mut self) -> Result<Option<Command>, Dropped> {
        if self.terminal.is_none() {
            return match self.received.recv_timeout(SLICE) {
                Ok(command) => Ok(Some(command)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(Dropped),
            };
        }
        match self.received.try_recv() {
            Ok(command) => Ok(Some(command)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Dropped),
        }
    }

    fn obey(&mut self, command: &Command) {
        let now = self.now();
        match command {
            Command::Unplug => self.unplug(),
            Command::Replug => self.replug(),
            Command::Measure(_)
            | Command::Fail(_)
            | Command::Hold(_)
            | Command::Card(_)
            | Command::Lift
            | Command::Record => {
                self.unplug_at = self
                    .unplug_after
                    .take()
                    .map(|after| now + after)
                    .or(self.unplug_at);
                self.device.handle_command(command, now);
            }
        }
    }

    fn plug_faults(&mut self) {
        let now = self.now();
        if self.unplug_at.take_if(|at| *at <= now).is_some() {
            self.unplug();
            self.replug_at = Some(now + UNPLUGGED_FOR);
        }
        if self.replug_at.take_if(|at| *at <= now).is_some() {
            self.replug();
        }
    }

    fn exchange(&mut self) {
        let due = self
            .device
            .poll_timeout()
            .map_or(SLICE, |at| at.saturating_sub(self.now()) / self.speed);
        let wait = due.min(SLICE);
        let there = self
            .terminal
            .as_ref()
            .is_some_and(|terminal| terminal.wait(wait).unwrap_or(false));
        let now = self.now();
        if there && !self.host_there {
            self.device.handle_connected(now);
        }
        self.host_there = there;
        if there && let Some(terminal) = &mut self.terminal {
            let bytes = terminal.read();
            if !bytes.is_empty() {
                self.device.handle_bytes(&bytes, now);
            }
        }
        if self.device.poll_timeout().is_some_and(|at| at <= now) {
            self.device.handle_timeout(now);
        }
        while let Some(burst) = self.device.poll_output() {
            let carried = self.line.carry(burst);
            if there && let Some(terminal) = &mut self.terminal {
                terminal.write(&carried);
            }
        }
    }
}

struct Dropped;
