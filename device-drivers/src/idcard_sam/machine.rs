//! Find, select, read, wait for the card to be lifted. Answers that come later than we waited are told by what
//! they carry and do not shift the dialogue.

use std::time::Duration;

use super::{Answer, Command, Frame, IdCard, Rules};
use crate::catalogue::DeviceKey;
use crate::events::{DeviceError, DeviceEvent, Fault, Status};
use crate::framing::{Found, Framer};
use crate::machine::{FrameWatch, Machine, Outbox, Request, earlier, is_due};

/// Pause between two looks for a card.
const FIND_EVERY: Duration = Duration::from_millis(400);
/// Pause before a step is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(1_000);
/// A pause inside a frame after which its rest will not come.
const PAUSE: Duration = Duration::from_millis(500);
/// A reader that answers nothing for this long is told to be silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Times a command is sent again whose answer did not come or came damaged.
const REPEATS: u8 = 2;
/// Tries to read a card before its holder is asked to put it down again.
const TRIES: u8 = 3;

/// Machine of a card reader.
#[derive(Debug, Default)]
pub struct CardMachine {
    framer: Framer<Rules>,
    outbox: Outbox,
    watch: FrameWatch,
    asked: Option<(Command, Duration)>,
    next: Option<(Command, Duration)>,
    pause_ends: Option<Duration>,
    /// The card on the reader was reported, or given up: nothing more until it is lifted.
    done_with_card: bool,
    on_reader: bool,
    tries: u8,
    repeats: u8,
    /// Select was sent although find had no good answer: a reader finds a card only once.
    is_blind: bool,
    /// The card being read was selected that way.
    not_found: bool,
    /// Number of the card reported last, until the reader showed itself empty: most readers say "no card" of a
    /// card that was read and still lies there, so a card that was selected without having been found and
    /// bears this number is no new one.
    reported: Option<String>,
    card: Option<Box<IdCard>>,
}

/// How long an answer may take: the times used in the field with room for slow USB adapters.
fn patience(command: Command) -> Duration {
    Duration::from_millis(match command {
        Command::Read | Command::NewAddress => 3_000,
        Command::ReadWithFinger => 4_000,
        Command::Find
        | Command::Select
        | Command::SamId
        | Command::Reset
        | Command::SelfStatus
        | Command::Baud115200
        | Command::Baud57600
        | Command::Baud38400
        | Command::Baud19200
        | Command::Baud9600 => 1_000,
    })
}

/// Whether a frame can be the answer to this command.
fn answers(command: Command, frame: &Frame) -> bool {
    match frame.answer {
        Answer::Empty => command == Command::Find || frame.status.fault() != Fault::NoCard,
        Answer::Found => command == Command::Find,
        Answer::Selected => command == Command::Select,
        Answer::SamId(_) => command == Command::SamId,
        Answer::NewAddress(_) => command == Command::NewAddress,
        Answer::Card(_) => command == Command::Read,
        Answer::Other(_) => true,
    }
}

impl CardMachine {
    fn ask(&mut self, command: Command, now: Duration) {
        self.outbox.send(command.encode());
        self.next = None;
        self.asked = Some((command, now + patience(command)));
        self.watch.expect(now);
    }

    fn later(&mut self, command: Command, at: Duration) {
        self.next = Some((command, at));
    }

    fn take(&mut self, found: Vec<Found<Frame>>, now: Duration) {
        for found in found {
            match found {
                Found::Frame(frame) => self.frame(frame, now),
                // What is damaged names people all the same: its bytes go no further.
                Found::Reject(reason, _) => self.outbox.reject(reason, Vec::new()),
            }
        }
        self.pause_ends = self.framer.is_partial().then_some(now + PAUSE);
    }

    fn frame(&mut self, frame: Frame, now: Duration) {
        self.watch.satisfied();
        let Some((command, _)) = self.asked.filter(|(command, _)| answers(*command, &frame)) else {
            return;
        };
        self.asked = None;
        if frame.status.fault() == Fault::HostFault {
            self.no_answer(command, now);
            return;
        }
        self.repeats = 0;
        let was_blind = std::mem::take(&mut self.is_blind);
        match (command, frame.answer) {
            (Command::SamId, Answer::SamId(serial)) => {
                self.outbox.status(Status::Identified { serial: Some(serial) });
                self.ask(Command::Find, now);
            }
            (Command::Find, Answer::Found) => self.found(now),
            (Command::Select, Answer::Selected) => {
                self.not_found = was_blind;
                self.notice();
                self.ask(Command::Read, now);
            }
            (Command::Select, _) if was_blind => {
                self.reported = None;
                self.later(Command::Find, now + FIND_EVERY);
            }
            (Command::Read, Answer::Card(card)) => {
                self.card = Some(card);
                self.ask(Command::NewAddress, now);
            }
            (Command::NewAddress, Answer::NewAddress(text)) => {
                self.report(Some(text).filter(|text| !text.is_empty()), now);
            }
            (command, _) => self.refused(command, frame.status.fault(), &frame.status.hex(), now),
        }
    }

    fn found(&mut self, now: Duration) {
        if self.done_with_card {
            self.later(Command::Find, now + FIND_EVERY);
            return;
        }
        self.notice();
        self.ask(Command::Select, now);
    }

    fn notice(&mut self) {
        if !std::mem::replace(&mut self.on_reader, true) {
            self.outbox.status(Status::CardFound);
        }
    }

    fn refused(&mut self, command: Command, fault: Fault, code: &str, now: Duration) {
        match command {
            Command::SamId => {
                self.error(fault, code);
                self.later(Command::SamId, now + AGAIN_AFTER);
            }
            // Not every card has one.
            Command::NewAddress => self.report(None, now),
            Command::Find => {
                if fault == Fault::NoCard {
                    self.lifted();
                }
                self.later(Command::Find, now + FIND_EVERY);
            }
            Command::Select
            | Command::Read
            | Command::ReadWithFinger
            | Command::Reset
            | Command::SelfStatus
            | Command::Baud115200
            | Command::Baud57600
            | Command::Baud38400
            | Command::Baud19200
            | Command::Baud9600 => self.failed(fault, code, now),
        }
    }

    /// A step on a card failed. What may pass (the card slid) is tried again from the start, and told once.
    fn failed(&mut self, fault: Fault, code: &str, now: Duration) {
        self.tries += 1;
        self.repeats = 0;
        let passing = matches!(
            fault,
            Fault::ReadFailed | Fault::SelectFailed | Fault::NoAnswer | Fault::NoCard
        );
        if !passing || self.tries >= TRIES {
            self.error(fault, code);
            self.done_with_card = true;
        }
        self.later(Command::Find, now + FIND_EVERY);
    }

    fn error(&mut self, fault: Fault, code: &str) {
        let (code, subject, device_time) = (code.to_owned(), None, None);
        self.outbox.event(DeviceEvent::DeviceError(DeviceError {
            code,
            fault,
            subject,
            device_time,
        }));
    }

    fn lifted(&mut self) {
        let was_there = std::mem::take(&mut self.on_reader);
        if self.tries > 0 && !self.done_with_card {
            self.error(Fault::ReadFailed, "000041");
        }
        if was_there {
            self.outbox.status(Status::CardGone);
        }
        self.done_with_card = false;
        self.tries = 0;
        self.card = None;
    }

    fn report(&mut self, new_address: Option<String>, now: Duration) {
        if let Some(mut card) = self.card.take() {
            card.new_address = new_address;
            let is_same = self.reported.replace(card.number.clone()).as_ref() == Some(&card.number);
            if self.not_found && is_same {
                self.outbox.status(Status::Repeated);
            } else {
                self.outbox.event(DeviceEvent::Card(card));
            }
        }
        self.done_with_card = true;
        self.later(Command::Find, now + FIND_EVERY);
    }

    /// The answer did not come, or what came was damaged.
    fn no_answer(&mut self, command: Command, now: Duration) {
        self.asked = None;
        let was_blind = std::mem::take(&mut self.is_blind);
        match command {
            Command::SamId => self.later(Command::SamId, now + AGAIN_AFTER),
            Command::Find if !self.done_with_card => {
                self.is_blind = true;
                self.ask(Command::Select, now);
            }
            Command::Find => self.later(Command::Find, now + FIND_EVERY),
            Command::Select if was_blind => self.later(Command::Find, now + FIND_EVERY),
            _ if self.repeats < REPEATS => {
                self.repeats += 1;
                self.ask(command, now);
            }
            Command::NewAddress => self.report(None, now),
            Command::Select
            | Command::Read
            | Command::ReadWithFinger
            | Command::Reset
            | Command::SelfStatus
            | Command::Baud115200
            | Command::Baud57600
            | Command::Baud38400
            | Command::Baud19200
            | Command::Baud9600 => self.failed(Fault::NoAnswer, "", now),
        }
    }

    fn forget_dialogue(&mut self) {
        self.framer = Framer::default();
        self.outbox.forget_commands();
        self.watch.satisfied();
        self.asked = None;
        self.next = None;
        self.pause_ends = None;
        self.card = None;
        self.tries = 0;
        self.repeats = 0;
        self.is_blind = false;
    }
}

impl Machine for CardMachine {
    fn key(&self) -> DeviceKey {
        DeviceKey::IdcardSam
    }

    fn handle_opened(&mut self, now: Duration) {
        self.forget_dialogue();
        self.ask(Command::SamId, now);
    }

    fn handle_closing(&mut self, _now: Duration) {}

    fn handle_closed(&mut self, _now: Duration) {
        self.forget_dialogue();
        self.on_reader = false;
        self.done_with_card = false;
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        let found = self.framer.feed(bytes);
        self.take(found, now);
    }

    fn handle_timeout(&mut self, now: Duration) {
        if is_due(self.pause_ends, now) {
            let found = self.framer.finish();
            self.take(found, now);
        }
        if let Some((command, _)) = self.asked.filter(|(_, at)| *at <= now) {
            self.no_answer(command, now);
        }
        if let Some((command, _)) = self.next.filter(|(_, at)| *at <= now) {
            self.ask(command, now);
        }
    }

    fn handle_request(&mut self, _request: Request, _now: Duration) {
        self.outbox.status(Status::NotSupported);
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.outbox.poll_event()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let asked = self.asked.map(|(_, at)| at);
        let next = self.next.map(|(_, at)| at);
        earlier(self.pause_ends, earlier(asked, next))
    }

    fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.watch.longer_than(ANSWER_WITHIN, now)
    }
}
