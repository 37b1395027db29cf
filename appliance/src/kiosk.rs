//! Kiosks: patients' screens beside the devices. Each kiosk belongs to a card reader; what stands on its screen
//! is decided by the pure [`flow`], driven by presses, by what happens at bays, and by time.

pub mod flow;
pub mod pages;
pub mod screens;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use device_drivers::catalogue::Measures;
use records::text::fold_name;
use shell::storage::Storage;
use store::{AuditAct, By, Clock, Store};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::bays::attachment::Person;
use crate::bays::{BayRefusal, Bays, News};
use crate::live::Live;
use flow::{Desk, Effect, Flow, Guest, Press, Step};

/// All kiosks of the box. A cheap clone.
#[derive(Clone)]
pub struct Kiosks {
    inner: Arc<Inner>,
}

struct Inner {
    bays: Bays,
    store: Store,
    clock: Arc<dyn Clock>,
    live: Live,
    /// By the number of their card reader.
    flows: Mutex<BTreeMap<usize, Flow>>,
    screens: screens::Screens,
}

/// Number that stands for the reader of a box without one: its kiosk shows that there is none.
pub const NO_READER: usize = usize::MAX;

impl Kiosks {
    /// The kiosks of a box's card readers.
    pub fn new(
        bays: Bays,
        store: Store,
        clock: Arc<dyn Clock>,
        live: Live,
        screens: screens::Screens,
    ) -> Self {
        let now = clock.uptime();
        let mut readers: Vec<usize> = readers(&bays);
        if readers.is_empty() {
            readers.push(NO_READER);
        }
        let flows = readers
            .into_iter()
            .map(|reader| (reader, Flow::new(now)))
            .collect();
        Self {
            inner: Arc::new(Inner {
                bays,
                store,
                clock,
                live,
                flows: Mutex::new(flows),
                screens,
            }),
        }
    }

    /// Screens that were paired with the box.
    pub fn screens(&self) -> &screens::Screens {
        &self.inner.screens
    }

    /// The reader whose kiosk an unpaired screen of the box itself shows.
    pub fn first_reader(&self) -> usize {
        self.with_flows(|flows| flows.keys().next().copied())
            .unwrap_or(NO_READER)
    }

    fn with_flows<T>(&self, work: impl FnOnce(&mut BTreeMap<usize, Flow>) -> T) -> T {
        work(&mut self.inner.flows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        self.inner.clock.uptime()
    }

    /// What stands on a kiosk's screen, and how long it still asks whether somebody is there.
    pub fn screen(&self, reader: usize) -> Option<(Step, u64, Option<Duration>)> {
        let now = self.now();
        self.with_flows(|flows| {
            let flow = flows.get(&reader)?;
            Some((flow.step().clone(), flow.changes(), flow.asks_still_there(now)))
        })
    }

    /// Somebody pressed something on a kiosk.
    pub async fn press(&self, reader: usize, press: Press) {
        let now = self.now();
        let effect = self.with_flows(|flows| flows.get_mut(&reader)?.press(press, now));
        self.apply(reader, effect).await;
    }

    /// Somebody calls the doctor.
    pub fn call(&self, reader: usize) {
        let place = self.inner.bays.name(reader).unwrap_or("1");
        self.inner.live.call(place, self.inner.clock.now());
    }

    /// Clears screens that nobody touched for too long.
    pub async fn tick(&self) {
        let now = self.now();
        let cleared: Vec<(usize, Option<Effect>)> = self.with_flows(|flows| {
            flows
                .iter_mut()
                .map(|(reader, flow)| (*reader, flow.tick(now)))
                .collect()
        });
        for (reader, effect) in cleared {
            self.apply(reader, effect).await;
        }
    }

    /// Follows what happens at bays until the box stops.
    pub async fn follow(self, mut news: broadcast::Receiver<(usize, News)>) {
        loop {
            match news.recv().await {
                Ok((bay, news)) => self.hear(bay, news).await,
                // The screens time out by themselves.
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "kiosks missed news of bays"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Takes one piece of news.
    pub async fn hear(&self, bay: usize, news: News) {
        let now = self.now();
        let effects: Vec<(usize, Effect)> = self.with_flows(|flows| match news {
            News::Card => of_reader(flows, bay, |flow| flow.card(now)),
            News::CardUnreadable => {
                of_reader(flows, bay, |flow| flow.card_unreadable(now).into_iter().collect())
            }
            News::CardLifted => of_reader(flows, bay, |flow| flow.card_lifted(now).into_iter().collect()),
            News::CannotSave => {
                let each = flows.iter_mut();
                each.filter_map(|(reader, flow)| Some((*reader, flow.cannot_save(bay, now)?)))
                    .collect()
            }
            News::Attached(patient, shown) => {
                let here = flows
                    .values_mut()
                    .filter_map(|flow| flow.attached(bay, patient, shown.clone(), now).then_some(()))
                    .count();
                if shown.critical && here > 0 {
                    // Whatever the person does next: somebody must look now.
                    self.inner
                        .live
                        .call(self.inner.bays.name(bay).unwrap_or("1"), self.inner.clock.now());
                }
                Vec::new()
            }
            News::Handed(reason) => {
                flows.values_mut().for_each(|flow| flow.handed(bay, reason, now));
                Vec::new()
            }
            News::Failed(failure) => {
                flows.values_mut().for_each(|flow| flow.failed(bay, failure, now));
                Vec::new()
            }
            News::SessionEnded(_) => {
                flows.values_mut().for_each(|flow| flow.session_ended(bay, now));
                Vec::new()
            }
        });
        for (reader, effect) in effects {
            self.apply(reader, Some(effect)).await;
        }
    }

    async fn apply(&self, reader: usize, effect: Option<Effect>) {
        let bays = &self.inner.bays;
        match effect {
            None => {}
            Some(Effect::LookUp) => {
                let found = self.look_up(reader).await;
                let now = self.now();
                self.with_flows(|flows| {
                    if let Some(flow) = flows.get_mut(&reader) {
                        flow.looked_up(found, now);
                    }
                });
            }
            Some(Effect::Open(guest, bay)) => self.open(reader, guest, bay),
            Some(Effect::Start(bay)) => self.heed(reader, bay, bays.start(bay)),
            Some(Effect::Close(bay)) => bays.end(bay),
            Some(Effect::Touch(bay)) => bays.touched(bay),
        }
    }

    fn open(&self, reader: usize, guest: Guest, bay: usize) {
        let person = Person {
            patient: guest.patient,
            subjects: guest.subjects,
        };
        let opened = self.inner.bays.open_by_card(bay, reader, person);
        self.heed(reader, bay, opened);
    }

    /// A bay that does not do what the kiosk asked is shown as gone.
    fn heed(&self, reader: usize, bay: usize, asked: Result<(), BayRefusal>) {
        let Err(refusal) = asked else { return };
        tracing::warn!(bay, %refusal, "a bay did not do what the kiosk asked");
        self.inner.bays.end(bay);
        let now = self.now();
        self.with_flows(|flows| {
            if let Some(flow) = flows.get_mut(&reader) {
                flow.failed(bay, flow::Failure::DeviceGone, now);
            }
        });
    }

    /// The chart of the card on a reader. The card's number and name must both be the chart's.
    async fn look_up(&self, reader: usize) -> Result<Guest, Desk> {
        if !Storage::of(self.inner.store.folder()).takes_writes() {
            return Err(Desk::CannotSave);
        }
        let (_, card) = self.inner.bays.card(Some(reader)).ok_or(Desk::UnreadableCard)?;
        let found = self
            .inner
            .store
            .patients_with_id_number(&card.number)
            .await
            .map_err(|error| {
                tracing::error!(%error, "a card could not be looked up");
                Desk::CannotSave
            })?;
        let [patient] = found.as_slice() else {
            return Err(if found.is_empty() {
                Desk::NotRegistered
            } else {
                Desk::Unclear
            });
        };
        let chart = self
            .inner
            .store
            .chart(*patient)
            .await
            .ok()
            .flatten()
            .ok_or(Desk::CannotSave)?
            .value;
        if fold_name(&chart.name) != fold_name(&card.name) || chart.deceased.is_some() {
            return Err(Desk::Unclear);
        }
        let seen = self
            .inner
            .store
            .audit_view(By::Kiosk, AuditAct::KioskIdentify, Some(*patient), None);
        if let Err(error) = seen.await {
            tracing::error!(%error, "the audit log did not take an identification");
            return Err(Desk::CannotSave);
        }
        Ok(Guest {
            patient: *patient,
            masked_name: flow::masked(&chart.name),
            subjects: subjects(&chart),
        })
    }

    /// Whether the kiosk measures something at this bay.
    pub fn offers(&self) -> Vec<crate::bays::BayView> {
        let mut bays = self.inner.bays.list();
        bays.retain(|bay| bay.device.measures != Measures::IdentityCard);
        bays
    }
}

/// What a device may name as its subject for this person.
pub fn subjects(chart: &records::patients::Chart) -> Vec<String> {
    let number = chart.id_number.as_ref().map(|number| number.as_str().to_owned());
    let source = chart.source.as_ref().map(|source| source.id.clone());
    let named = number
        .into_iter()
        .chain(source)
        .chain([chart.archive_number.clone()]);
    named.filter(|subject| !subject.is_empty()).collect()
}

fn readers(bays: &Bays) -> Vec<usize> {
    let list = bays.list();
    list.iter()
        .filter(|bay| bay.device.measures == Measures::IdentityCard)
        .map(|bay| bay.number)
        .collect()
}

fn of_reader(
    flows: &mut BTreeMap<usize, Flow>,
    reader: usize,
    work: impl FnOnce(&mut Flow) -> Vec<Effect>,
) -> Vec<(usize, Effect)> {
    let effects = flows.get_mut(&reader).map(work).unwrap_or_default();
    effects.into_iter().map(|effect| (reader, effect)).collect()
}
