//! Find, select, read, wait for the card to be lifted. Answers that come later than we waited are told by what
//! they carry and do not shift the dialogue.
//!
//! *Is the card still there?* Many readers answer "no card" to a second find while the card that they found lies
//! on them; others find it again and again. So after a card was found the first "no card" is not believed: the
//! machine resets the reader, which makes a lying card findable again, and asks once more. A reader that has
//! shown that it finds lying cards, or that never takes a reset, is believed at once. What a lost answer leaves
//! open is asked again after a reset, and proves nothing about the reader.
//!
//! *Is it still the same card?* A card can be exchanged for another between two looks. So each time a card is
//! found it is read, and its number compared with the one that was reported; another number, or a card that
//! can no longer be read, is the end of the first: `CardGone`, then what lies there is found anew.

use std::time::Duration;

use super::{Answer, Command, Frame, IdCard, Rules};
use crate::catalogue::DeviceKey;
use crate::events::{DeviceError, DeviceEvent, Fault, Status};
use crate::framing::{Found, Framer};
use crate::machine::{FrameWatch, Machine, Outbox, Request, earlier, is_due};

/// Pause between two looks for a card, and between two looks whether it still lies there.
const FIND_EVERY: Duration = Duration::from_millis(400);
/// Pause before a step is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(1_000);
/// A pause inside a frame after which its rest will not come.
const PAUSE: Duration = Duration::from_millis(500);
/// A reader that answers nothing for this long is told to be silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Times a command is sent again whose answer did not come or came damaged.
const REPEATS: u8 = 2;
/// Tries to read a card before its holder is asked to put it down again; also looks at a reported card that may
/// fail in a row before it counts as gone.
const TRIES: u8 = 3;
/// Times in a row that a lying card is found without a reset before the reader is known to find lying cards: a
/// card that was lifted and put back between two looks shows the same once.
const SIGHTINGS: u8 = 2;
/// Rounds of unanswered resets after which a reader is taken for one that has no reset.
const UNANSWERED_RESETS: u8 = 3;

/// What is known of a reader's way with cards that lie on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sight {
    /// "No card" may mean "no new card": reset and ask again.
    #[default]
    NewCardsOnly,
    /// It finds a lying card again, or cannot be reset: "no card" is believed.
    Believed,
}

/// Machine of a card reader.
#[derive(Debug, Default)]
pub struct CardMachine {
    framer: Framer<Rules>,
    outbox: Outbox,
    watch: FrameWatch,
    asked: Option<(Command, Duration)>,
    next: Option<(Command, Duration)>,
    pause_ends: Option<Duration>,
    sight: Sight,
    /// A reset was answered, or given up, right before this find: its "no card" is believed.
    after_reset: bool,
    /// A reset was sent since the last find that was answered: a card found now may be found because of it.
    maybe_reset: bool,
    /// A card may lie there unseen: the next look begins with a reset.
    reset_due: bool,
    /// Rounds of resets in a row that nobody answered.
    unanswered_resets: u8,
    /// Times in a row that the lying card was found without a reset.
    sightings: u8,
    /// Looks in a row at a reported card that could not be read again.
    unsure: u8,
    /// The card on the reader was reported, or its failure told: the same is not told again until it is lifted.
    done_with_card: bool,
    /// Number of the card that was reported: another card may lie there before its lifting was seen.
    reported: Option<String>,
    /// The card was refused for what it is: reading it again is of no use.
    hopeless: bool,
    on_reader: bool,
    tries: u8,
    repeats: u8,
    /// The address of the card that was just read could not be had: whether the card still lies there is open.
    address_refused: bool,
    /// What was read and is not reported yet.
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
        self.maybe_reset |= command == Command::Reset;
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
        match (command, frame.answer) {
            (Command::SamId, Answer::SamId(serial)) => {
                self.outbox.status(Status::Identified { serial: Some(serial) });
                self.ask(Command::Find, now);
            }
            (Command::Find, Answer::Found) => self.found(now),
            (Command::Reset, _) => {
                self.unanswered_resets = 0;
                self.reset_due = false;
                self.after_reset = true;
                self.ask(Command::Find, now);
            }
            (Command::Select, Answer::Selected) => self.ask(Command::Read, now),
            (Command::Read, Answer::Card(card)) => self.read(card, now),
            (Command::NewAddress, Answer::NewAddress(text)) => {
                self.report(Some(text).filter(|text| !text.is_empty()), now);
            }
            (command, _) => self.refused(command, frame.status.fault(), &frame.status.hex(), now),
        }
    }

    fn found(&mut self, now: Duration) {
        self.after_reset = false;
        let by_reset = std::mem::take(&mut self.maybe_reset);
        let was_there = std::mem::replace(&mut self.on_reader, true);
        if !was_there {
            self.outbox.status(Status::CardFound);
        }
        self.sightings = if was_there && !by_reset {
            self.sightings + 1
        } else {
            0
        };
        if self.sightings >= SIGHTINGS {
            self.sight = Sight::Believed;
            self.sightings = 0;
        }
        if self.hopeless {
            self.look_again(now);
        } else {
            self.ask(Command::Select, now);
        }
    }

    /// A card was read: a new one, or once more the one that lies there, to see that it is still the same.
    fn read(&mut self, card: Box<IdCard>, now: Duration) {
        if let Some(reported) = &self.reported {
            if *reported == card.number {
                self.unsure = 0;
                self.look_again(now);
                return;
            }
            // Exchanged between two looks: the first holder's card is gone, whatever the reader said.
            self.lifted();
            self.on_reader = true;
            self.outbox.status(Status::CardFound);
        }
        let is_same = self
            .card
            .as_ref()
            .is_some_and(|before| before.number == card.number);
        self.address_refused &= is_same;
        self.card = Some(card);
        self.ask(Command::NewAddress, now);
    }

    fn refused(&mut self, command: Command, fault: Fault, code: &str, now: Duration) {
        match command {
            Command::SamId => {
                self.error(fault, code);
                self.later(Command::SamId, now + AGAIN_AFTER);
            }
            Command::NewAddress => self.address_refused(fault, now),
            Command::Find => self.nothing_found(fault, now),
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

    /// Not every card has an address written later, and the reader has a word for that. Any other refusal may mean
    /// that the card just read is gone: nobody is reported before the same number was read a second time.
    fn address_refused(&mut self, fault: Fault, now: Duration) {
        if fault == Fault::NoSuchItem || std::mem::replace(&mut self.address_refused, true) {
            self.report(None, now);
        } else {
            self.tries += 1;
            self.look_again(now);
        }
    }

    fn nothing_found(&mut self, fault: Fault, now: Duration) {
        let is_sure = std::mem::take(&mut self.after_reset) || self.sight == Sight::Believed;
        self.maybe_reset = false;
        self.sightings = 0;
        if self.on_reader && !is_sure {
            self.ask(Command::Reset, now);
            return;
        }
        if fault == Fault::NoCard {
            self.lifted();
        }
        self.look_again(now);
    }

    /// Looks once more after the usual pause; with a reset first where a card may lie there unseen.
    fn look_again(&mut self, now: Duration) {
        let command = if self.reset_due {
            Command::Reset
        } else {
            Command::Find
        };
        self.later(command, now + FIND_EVERY);
    }

    /// A step on a card failed. What may pass (the card slid) is tried again from the start, and told once.
    fn failed(&mut self, fault: Fault, code: &str, now: Duration) {
        self.repeats = 0;
        if self.done_with_card {
            // Told once; looking again goes on in silence. Who lies there is not known for ever.
            self.unsure += u8::from(self.reported.is_some());
            if self.unsure >= TRIES {
                self.lifted();
                self.reset_due = self.sight == Sight::NewCardsOnly;
            }
            self.look_again(now);
            return;
        }
        self.tries += 1;
        let passing = matches!(fault, Fault::ReadFailed | Fault::SelectFailed | Fault::NoAnswer);
        if !passing || self.tries >= TRIES {
            self.error(fault, code);
            self.done_with_card = true;
            self.hopeless = !passing;
        }
        self.look_again(now);
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
        if self.tries > 0 && !self.done_with_card {
            self.error(Fault::ReadFailed, "000041");
        }
        if std::mem::take(&mut self.on_reader) {
            self.outbox.status(Status::CardGone);
        }
        self.done_with_card = false;
        self.reported = None;
        self.hopeless = false;
        self.unsure = 0;
        self.sightings = 0;
        self.tries = 0;
        self.address_refused = false;
        self.card = None;
    }

    fn report(&mut self, new_address: Option<String>, now: Duration) {
        if let Some(mut card) = self.card.take() {
            card.new_address = new_address;
            self.reported = Some(card.number.clone());
            self.outbox.event(DeviceEvent::Card(card));
        }
        self.done_with_card = true;
        self.address_refused = false;
        self.look_again(now);
    }

    /// The answer did not come, or what came was damaged.
    fn no_answer(&mut self, command: Command, now: Duration) {
        self.asked = None;
        let may_repeat = self.repeats < REPEATS;
        self.repeats = if may_repeat { self.repeats + 1 } else { 0 };
        match command {
            Command::SamId => self.later(Command::SamId, now + AGAIN_AFTER),
            // A card that it found just now it would not find again without a reset.
            Command::Find if self.sight == Sight::NewCardsOnly => {
                self.after_reset = false;
                self.reset_due = true;
                if may_repeat {
                    self.ask(Command::Reset, now);
                } else {
                    self.look_again(now);
                }
            }
            Command::Find => self.look_again(now),
            _ if may_repeat => self.ask(command, now),
            Command::Reset => self.reset_unanswered(now),
            Command::NewAddress => self.address_refused(Fault::NoAnswer, now),
            Command::Select
            | Command::Read
            | Command::ReadWithFinger
            | Command::SelfStatus
            | Command::Baud115200
            | Command::Baud57600
            | Command::Baud38400
            | Command::Baud19200
            | Command::Baud9600 => self.failed(Fault::NoAnswer, "", now),
        }
    }

    /// Nobody answered a round of resets. The next "no card" is believed all the same, since a session that never
    /// ends is worse than a card to be put down again; the reset is tried again, for the noise may have eaten it.
    fn reset_unanswered(&mut self, now: Duration) {
        self.after_reset = true;
        self.unanswered_resets += 1;
        self.reset_due = self.unanswered_resets < UNANSWERED_RESETS;
        if !self.reset_due {
            self.unanswered_resets = 0;
            self.sight = Sight::Believed;
        }
        self.later(Command::Find, now + FIND_EVERY);
    }

    fn forget_dialogue(&mut self) {
        let outbox = std::mem::take(&mut self.outbox);
        *self = Self {
            outbox,
            ..Self::default()
        };
        self.outbox.forget_commands();
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
        // Nobody sees the reader now; a bay that still holds a card's session has to end it.
        if self.on_reader {
            self.outbox.status(Status::CardGone);
        }
        self.forget_dialogue();
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
