//! What a bay's device tells, and what follows from it: the pure decision, then the queue of what is saved.

use std::time::Duration;

use device_drivers::catalogue::Measures;
use device_drivers::contec_8000g::WaveBlock;
use device_drivers::events::{DeviceError, DeviceEvent, Fault, Progress, Reading, Status};
use device_drivers::idcard_sam::IdCard;
use device_drivers::machine::Request;
use device_drivers::session::{LinkState, SessionEvent};

use super::attachment::Arrival;
use super::keeper::Keep;
use super::recorder::RECORDING_SAMPLES;
use super::view::{News, link_word};
use super::{Bay, Bays, Recording, readings, verdict_word};
use crate::kiosk::flow::Failure;
use crate::live::LiveEvent;

impl Bays {
    /// Takes what the session of a bay's device tells.
    pub fn take(&self, number: usize, event: SessionEvent) {
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        match event {
            SessionEvent::Link(link) => self.take_link(number, bay, link),
            SessionEvent::Device(event) => self.take_event(number, bay, event),
        }
    }

    fn take_link(&self, number: usize, bay: &Bay, link: LinkState) {
        let word = link_word(&link);
        let mut state = bay.lock();
        let gone = !matches!(link, LinkState::Connected | LinkState::Silent { .. });
        state.link = link;
        let first_told = std::mem::replace(&mut state.logged_link, word) != word;
        let (mut closed, mut lifted) = (None, false);
        if gone {
            closed = state.attachment.device_gone(self.now());
            state.recording = Recording::Off;
            state.measuring_since = None;
            lifted = state.card.take().is_some();
        }
        drop(state);
        if first_told {
            self.note(number, word, "");
            self.inner.queue.push(Keep::Devices(self.summary()));
        }
        if lifted {
            self.card_lifted(number);
        }
        if closed.is_some() {
            self.tell(number, News::Failed(Failure::DeviceGone));
        }
        if gone {
            bay.waves.lost();
        }
        self.closed(number, closed);
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_event(&self, number: usize, bay: &Bay, event: DeviceEvent) {
        match event {
            DeviceEvent::Reading(reading) => self.take_reading(number, bay, &reading),
            DeviceEvent::Progress(progress) => self.take_progress(number, bay, progress),
            DeviceEvent::Wave(block) => self.take_wave(number, bay, &block),
            DeviceEvent::Status(status) => self.take_status(number, bay, status),
            DeviceEvent::OutOfRange(found) => {
                bay.lock().attachment.finished_without_result(self.now());
                self.note(number, "out_of_range", &readings::out_of_range_text(&found));
                self.failed(number, Failure::OutOfRange);
            }
            DeviceEvent::DeviceError(error) => self.take_error(number, bay, &error),
            DeviceEvent::Reject(reject) => self.note(number, "reject", reject.reason.word()),
            DeviceEvent::Card(card) => self.take_card(number, bay, card),
            DeviceEvent::Command(_) => {}
        }
    }

    fn take_reading(&self, number: usize, bay: &Bay, reading: &Reading) {
        let now = self.now();
        let stamp = self.inner.clock.now();
        let found = readings::Found::of(reading);
        let arrival = Arrival {
            at: now,
            subject: found.subject.as_deref(),
            from_memory: found.from_memory,
        };
        let mut state = bay.lock();
        let (verdict, closed) = state.attachment.reading(&arrival);
        state.measuring_since = None;
        let serial = state.serial.clone();
        drop(state);
        self.note(number, "reading", verdict_word(verdict));
        let place = readings::Place {
            bay: bay.name.clone(),
            number,
            key: bay.key,
            serial,
        };
        self.inner.queue.push(Keep::Reading {
            place,
            found,
            verdict,
            taken: stamp,
        });
        self.closed(number, closed);
    }

    fn take_progress(&self, number: usize, bay: &Bay, progress: Progress) {
        let now = self.now();
        match progress {
            Progress::Measuring { seconds } => {
                let began = now.saturating_sub(Duration::from_secs(u64::from(seconds)));
                let mut state = bay.lock();
                // Told in whole seconds: the first word about a measurement is kept.
                let began = *state.measuring_since.get_or_insert(began);
                state.attachment.measuring(began, now);
            }
            Progress::SurfaceTemperature(_) => bay.lock().attachment.touched(now),
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_status(&self, number: usize, bay: &Bay, status: Status) {
        let now = self.now();
        match status {
            Status::Identified { serial } => bay.lock().serial = serial,
            Status::Started => {
                let mut state = bay.lock();
                state.measuring_since = Some(now);
                if bay.key.model().measures != Measures::Ecg {
                    state.attachment.measuring(now, now);
                }
            }
            Status::Stopped => {
                // Whoever asked for it has put the recording aside already; a new one may have begun.
                let mut state = bay.lock();
                state.measuring_since = None;
                state.attachment.finished_without_result(now);
            }
            Status::GaveUp => {
                bay.lock().attachment.finished_without_result(now);
                self.failed(number, Failure::NoResult);
            }
            Status::CardGone => {
                if bay.lock().card.take().is_some() {
                    self.card_lifted(number);
                }
            }
            Status::Repeated => self.note(number, "repeated", ""),
            Status::Refused | Status::NotSupported => self.note(number, "refused", ""),
            Status::Acknowledged
            | Status::LastResultKnown
            | Status::StreamBoundary
            | Status::Raw(_)
            | Status::PulseList(_)
            | Status::CardFound => return,
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_error(&self, number: usize, bay: &Bay, error: &DeviceError) {
        self.note(
            number,
            "device_error",
            &format!("{} {}", error.fault.word(), error.code),
        );
        if bay.key.model().measures == Measures::IdentityCard {
            let unreadable = matches!(
                error.fault,
                Fault::SelectFailed | Fault::ReadFailed | Fault::CardRefused | Fault::WrongCardType
            );
            if unreadable {
                self.tell(number, News::CardUnreadable);
            }
            return;
        }
        let mut state = bay.lock();
        state.attachment.finished_without_result(self.now());
        state.measuring_since = None;
        drop(state);
        self.failed(number, Failure::NoResult);
    }

    fn take_card(&self, number: usize, bay: &Bay, card: Box<IdCard>) {
        // A card that comes before the lifting of the last one was told ends that one's sessions all the same.
        let number_of_last = bay.lock().card.take().map(|last| last.number);
        if number_of_last.is_some_and(|last| last != card.number) {
            self.card_lifted(number);
        }
        bay.lock().card = Some(card);
        self.note(number, "card", "");
        self.tell(number, News::Card);
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    /// The card is gone: so are the sessions that it had opened.
    fn card_lifted(&self, reader: usize) {
        let now = self.now();
        self.tell(reader, News::CardLifted);
        for (number, bay) in self.inner.bays.iter().enumerate() {
            let closed = bay.lock().attachment.card_lifted(reader, now);
            self.closed(number, closed);
        }
        self.inner.live.tell(LiveEvent::Bay(reader));
    }

    fn take_wave(&self, number: usize, bay: &Bay, block: &WaveBlock) {
        bay.waves.push(block);
        let now = self.now();
        let mut state = bay.lock();
        state.attachment.touched(now);
        let Recording::On(recorder, _) = &mut state.recording else {
            return;
        };
        let before = recorder.len() * 10 / RECORDING_SAMPLES;
        recorder.push(block);
        let moved = recorder.len() * 10 / RECORDING_SAMPLES != before;
        if !recorder.is_full() {
            drop(state);
            if moved {
                self.inner.live.tell(LiveEvent::Bay(number));
            }
            return;
        }
        let Recording::On(recorder, began) = std::mem::take(&mut state.recording) else {
            return;
        };
        state.attachment.measuring(began, now);
        let arrival = Arrival {
            at: now,
            subject: None,
            from_memory: false,
        };
        let (verdict, closed) = state.attachment.reading(&arrival);
        state.measuring_since = None;
        let serial = state.serial.clone();
        drop(state);
        // The stream has done its work; a refusal only means that it goes on.
        let _asked = bay.control.request(Request::Stop);
        self.note(number, "recording", verdict_word(verdict));
        let place = readings::Place {
            bay: bay.name.clone(),
            number,
            key: bay.key,
            serial,
        };
        let taken = self.inner.clock.now();
        self.inner.queue.push(Keep::Ecg {
            place,
            recorder,
            verdict,
            taken,
        });
        self.closed(number, closed);
        self.inner.live.tell(LiveEvent::Ecg(number));
    }

    fn failed(&self, number: usize, failure: Failure) {
        self.tell(number, News::Failed(failure));
        self.inner.live.tell(LiveEvent::Bay(number));
    }
}
