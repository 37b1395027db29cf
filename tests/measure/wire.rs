//! What crosses the link: the first fill of a hub, a contact with nothing new, and a working day. Two real stores, the
//! real exchange between them; every byte of both ways is counted, as it would enter the TLS stream.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use appliance::clock::SystemClock;
use harness::workload::Workload;
use records::ids::ClinicCode;
use store::{Enrolment, OpenOptions, Side, Store};
use sync_core::exchange::{Ask, Counts, Credentials, Exchange, ExchangeFault};
use sync_core::wire::{Bye, EnrolRequest};

use crate::figures::{Figure, Unit};

/// Visits of a working day of the workload.
pub(crate) const VISITS: f64 = 60.0;
/// Most bytes a visit, audit apart.
const DAY_MAX: f64 = 298.0;
/// Most bytes of audit a visit.
const AUDIT_MAX: f64 = 40.0;
/// Most megabytes of the first fill with charts and two visits of 5,000 patients.
const FIRST_MAX: f64 = 3.0;
/// Most bytes of a contact with nothing new, both ways.
pub(crate) const NOTHING_MAX: f64 = 150.0;
/// A county of this run alone.
pub(crate) const COUNTY: [u8; 32] = [7; 32];
/// The exchange's own clock stands still: nothing here waits.
pub(crate) const NOW: Duration = Duration::from_secs(5);

/// What one contact carried.
pub(crate) struct Contact {
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
}

impl Contact {
    pub(crate) fn without_audit(&self) -> f64 {
        (self.bytes - self.counts.audit_bytes) as f64
    }
}

pub(crate) fn open(folder: &Path, side: Side) -> Store {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    Store::open(
        folder,
        OpenOptions::new(side, Arc::new(SystemClock::start()), random),
    )
    .unwrap()
}

pub(crate) async fn enrol(end: &Store, hub: &Store) {
    let clinic: ClinicCode = "0017".parse().unwrap();
    hub.set_county(COUNTY).await.unwrap();
    hub.add_clinic(&clinic, "示例卫生室").await.unwrap();
    let secret = hub.new_token_secret(&clinic).await.unwrap().unwrap();
    let request = EnrolRequest::sign(end.device_key(), end.actor(), secret, None, "box");
    let key = request.verify().unwrap();
    let taken = hub.enrol_device(&request, key).await.unwrap().unwrap();
    let enrolment = Enrolment {
        hub_url: "https://127.0.0.1:1".into(),
        clinic: taken.clinic,
        clinic_name: taken.clinic_name,
        county: COUNTY,
        hub_key: hub.device_key().public().to_bytes(),
        ca: Vec::new(),
        certificate: Vec::new(),
    };
    end.keep_enrolment(enrolment, taken.epoch).await.unwrap();
}

/// One contact. An end that lacks what a message builds on (a hub that went back) says so and closes, as over a real
/// link: the next connection tells everything in full, and both count.
pub(crate) async fn contact(end: &Store, hub: &Store) -> Contact {
    let (mut bytes, mut round_trips) = (0, 0);
    loop {
        match connection(end, hub, &mut bytes).await {
            Ok(mut counts) => {
                counts.round_trips += round_trips;
                return Contact { counts, bytes };
            }
            Err(counts) => {
                round_trips += counts.round_trips.max(1);
                end.answer_as_box(Ask::TellInFull).await.unwrap();
            }
        }
    }
}

/// One connection until the box is settled; `Err` where the hub lacks what a message builds on.
async fn connection(end: &Store, hub: &Store, bytes: &mut u64) -> Result<Counts, Counts> {
    let hello = end.hello("measure").await.unwrap().unwrap();
    let speaks = |of: &Store, with: &Store| Credentials {
        key: of.device_key().clone(),
        county: COUNTY,
        peer: with.device_key().public(),
        predecessors: Vec::new(),
    };
    let mut up = Exchange::for_box(speaks(end, hub), &hello, Duration::ZERO, NOW);
    let mut down = Exchange::for_hub(speaks(hub, end), NOW);
    loop {
        while let Some(ask) = up.poll_ask(NOW) {
            let answer = end.answer_as_box(ask).await.unwrap();
            up.handle_answer(answer, NOW).unwrap();
        }
        while let Some(ask) = down.poll_ask(NOW) {
            let answer = hub.answer_as_hub(end.device(), ask).await.unwrap();
            match down.handle_answer(answer, NOW) {
                Ok(()) => {}
                Err(ExchangeFault::Refused(Bye::NotHere)) => return Err(up.counts()),
                Err(fault) => panic!("the exchange broke: {fault}"),
            }
        }
        if up.is_settled() {
            return Ok(up.counts());
        }
        if let Some(sent) = up.poll_transmit(NOW) {
            *bytes += sent.len() as u64;
            down.handle_bytes(&sent, NOW).unwrap();
        }
        while let Some(sent) = down.poll_transmit(NOW) {
            *bytes += sent.len() as u64;
            up.handle_bytes(&sent, NOW).unwrap();
        }
    }
}

pub(crate) async fn import(store: &Store, lines: &Path) {
    let file = BufReader::new(std::fs::File::open(lines).unwrap());
    store
        .import(store::lines_of(file), Box::new(|_| ()))
        .await
        .unwrap();
}

/// What a clinic's first contacts carried.
pub(crate) struct Contacts {
    pub(crate) first: Contact,
    pub(crate) nothing: Contact,
    pub(crate) day: Contact,
}

/// The first fill with the charts of a clinic, a contact with nothing new, and the day after it.
pub(crate) fn contacts(panel: Workload) -> Contacts {
    let folder = tempfile::tempdir().unwrap();
    let (base, day) = (folder.path().join("base"), folder.path().join("day"));
    panel.write_base(&base);
    panel.write_day_after_base(&day);
    let threads = tokio::runtime::Runtime::new().unwrap();
    threads.block_on(async {
        let box_folder = folder.path().join("box");
        let (end, hub) = (
            open(&box_folder, Side::Box),
            open(&folder.path().join("hub"), Side::Hub),
        );
        enrol(&end, &hub).await;
        eprintln!("importing the base");
        import(&end, &base).await;
        eprintln!("first contact");
        let first = contact(&end, &hub).await;
        let nothing = contact(&end, &hub).await;
        drop(end);
        // The day comes in a new session, as it would the next morning.
        let end = open(&box_folder, Side::Box);
        import(&end, &day).await;
        eprintln!("contact of the day");
        let day = contact(&end, &hub).await;
        assert_eq!(end.link_status().await.unwrap().pending, 0, "everything arrived");
        Contacts { first, nothing, day }
    })
}

/// The figures; the sizes are promised for the whole panel only, since a small one teaches the model little.
pub(crate) fn figures(panel: Workload, whole: bool) -> Vec<Figure> {
    let Contacts { first, nothing, day } = contacts(panel);
    let patients = panel.patients;
    let first_mb = Figure::told(
        format!("first fill, {patients} patients with two visits, MB"),
        first.without_audit() / 1e6,
        Unit::Count,
    );
    let day_bytes = Figure::told(
        format!("the day after it, bytes a visit ({patients} patients)"),
        day.without_audit() / VISITS,
        Unit::Count,
    );
    let judged = |figure: Figure, most: f64| if whole { figure.at_most(most) } else { figure };
    vec![
        judged(first_mb, FIRST_MAX),
        Figure::told("nothing new, bytes both ways", nothing.bytes as f64, Unit::Count).at_most(NOTHING_MAX),
        Figure::told(
            "nothing new, round trips",
            nothing.counts.round_trips as f64,
            Unit::Count,
        )
        .at_most(1.0),
        judged(day_bytes, DAY_MAX),
        Figure::told(
            "audit of the day, bytes a visit",
            day.counts.audit_bytes as f64 / VISITS,
            Unit::Count,
        )
        .at_most(AUDIT_MAX),
    ]
}
