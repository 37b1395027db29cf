//! Real twelve-lead recordings, played by the simulated recorder over a pseudo terminal, come out of the box's store and
//! out of the hub's sample for sample as the simulator sent them.
//!
//! `CLINIC_RECORDINGS` names the folder of recordings (`ecg/twelve/*.hea`); without it the synthetic heart plays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appliance::config::BayConfig;
use appliance::{Options, Running};
use device_drivers::catalogue::DeviceKey;
use device_drivers::contec_8000g::{LEADS, NANOVOLTS_PER_STEP};
use device_drivers::simulators::{Command, Replay, SimOptions, Simulator};
use ecg::model::{LeadName, MarkKind, SampleRateHz, Waveform};
use ecg::synthetic::{Heart, HeartSettings};
use harness::programs::PATIENCE;
use records::ids::{ClinicCode, DocId, DocKind, PatientId, StaffId};
use records::patients::NewPatient;
use records::time::{ClockSource, Stamp, WallTime};
use store::{AuditAct, By, Clock, Commit, EcgLine, Store, Target, Write};

/// How many times faster than real the recorder plays and the box's clock goes.
const SPEED: u32 = 5;
/// Recorders at one box.
const BAYS: usize = 5;
/// Recordings of the synthetic heart that stand for real ones.
const SYNTHETIC: u64 = 5;
/// A morning in 2025, milliseconds since 1970.
const MORNING: i64 = 1_760_000_000_000;
/// Samples of a recording that the box makes.
const SAMPLES: usize = 5_000;

/// A clock that goes faster, as the simulated recorder does: so a recording takes its ten seconds.
struct QuickClock(Instant);

impl Clock for QuickClock {
    fn now(&self) -> Stamp {
        let passed = i64::try_from(self.uptime().as_millis()).unwrap();
        Stamp {
            at: WallTime(MORNING + passed),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed() * SPEED
    }
}

/// A recording and its name.
struct Record {
    name: String,
    replay: Arc<Replay>,
}

#[expect(clippy::print_stdout, reason = "says on what it ran")]
fn records() -> Vec<Record> {
    let Some(folder) = std::env::var_os("CLINIC_RECORDINGS") else {
        println!("CLINIC_RECORDINGS is not set: the synthetic heart plays");
        return (0..SYNTHETIC).map(synthetic).collect();
    };
    let listing = std::fs::read_dir(PathBuf::from(folder).join("ecg/twelve")).unwrap();
    let mut headers: Vec<PathBuf> = listing
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "hea"))
        .collect();
    headers.sort();
    assert!(!headers.is_empty(), "no recordings in ecg/twelve");
    println!("{} recordings", headers.len());
    headers
        .into_iter()
        .map(|path| Record {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            replay: Arc::new(Replay::from_wfdb(&path).unwrap()),
        })
        .collect()
}

fn synthetic(seed: u64) -> Record {
    let settings = HeartSettings {
        rate_bpm: 55.0 + 15.0 * seed as f64,
        noise_uv: 20.0,
        wander_mv: 0.2,
        ..HeartSettings::default()
    };
    let waveform = Heart::new(settings, seed).record(12.0, SampleRateHz::DIAGNOSTIC);
    Record {
        name: format!("synthetic heart {seed}"),
        replay: Arc::new(Replay::from_waveform(&waveform).unwrap()),
    }
}

fn recorder(record: &Record) -> Simulator {
    let began = "2025-10-09T09:00:00".parse().unwrap();
    let options = SimOptions {
        replay: Some(Arc::clone(&record.replay)),
        speed: SPEED,
        ..SimOptions::new(DeviceKey::Contec8000g, began)
    };
    Simulator::spawn(options).unwrap()
}

fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

async fn register(store: &Store, name: &str) -> PatientId {
    let person = NewPatient {
        name: name.to_owned(),
        ..NewPatient::default()
    };
    let edits = person.edits(None, store.clock().now(), &mut || store.fresh());
    let target = Target::New {
        kind: DocKind::Chart,
        owner: clinic(),
    };
    let commit = Commit::new(By::System, AuditAct::Register, vec![Write::new(target, edits)]);
    let done = store.commit(commit).await.unwrap();
    done.docs.first().copied().and_then(DocId::patient).unwrap()
}

/// A hub that knows the clinic.
async fn start_hub(folder: PathBuf) -> sync_server::Running {
    let free = ([127, 0, 0, 1], 0).into();
    let options = sync_server::Options {
        desk: sync_server::Desk::LoopbackHttp(free),
        link: Some(free),
        ..sync_server::Options::new(folder)
    };
    let hub = sync_server::run(options).await.unwrap();
    sync_server::clinics::add(hub.store(), &clinic(), "石桥村卫生室")
        .await
        .unwrap();
    hub
}

/// A box that has joined the hub, with a recorder at each bay.
async fn start(folder: PathBuf, recorders: &[Simulator], hub: &sync_server::Running) -> Running {
    let bay = |(number, recorder): (usize, &Simulator)| BayConfig {
        name: format!("ECG {number}"),
        device: DeviceKey::Contec8000g.as_str().to_owned(),
        port: recorder.path().to_owned(),
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        bays: recorders.iter().enumerate().map(bay).collect(),
        clock: Some(Arc::new(QuickClock(Instant::now()))),
        ..Options::new(folder)
    };
    let running = appliance::run(options).await.unwrap();
    running.state.store.set_clinic(&clinic()).await.unwrap();
    let token = sync_server::clinics::new_token(hub.store(), &clinic())
        .await
        .unwrap();
    let url = hub.link_url().unwrap();
    running.state.link.join(&url, &token, None).await.unwrap();
    running
}

/// Asks again and again until there is an answer.
async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Records one person at one bay; the line of what was stored.
async fn record(running: &Running, bay: usize, recorder: &Simulator, name: &str) -> (PatientId, EcgLine) {
    let state = &running.state;
    let patient = register(&state.store, name).await;
    wait_for("the recorder's port", async || {
        let view = state.bays.bay(bay)?;
        let person = state.person(patient).await.unwrap()?;
        let opened = state.bays.open_for(bay, person, StaffId([7; 8]));
        (opened.is_ok() && state.bays.start(bay).is_ok()).then_some(view)
    })
    .await;
    // The electrodes are put on once the stream runs: it plays from its first sample.
    assert!(recorder.send(Command::Record));
    let line = wait_for("the recording", async || {
        state.store.ecgs_of(patient).await.unwrap().pop()
    })
    .await;
    (patient, line)
}

/// The stored recording is one stretch of what was sent, in all leads, without a gap.
fn assert_as_sent(record: &Record, stored: &Waveform) {
    let name = &record.name;
    assert!(stored.is_twelve_lead(), "{name}");
    assert_eq!((stored.len(), stored.rate().hz()), (SAMPLES, 500.0), "{name}");
    assert!(
        stored.marks().iter().all(|mark| mark.kind != MarkKind::Gap),
        "{name}: {:?}",
        stored.marks()
    );
    let acquired: Vec<&[i32]> = LEADS
        .iter()
        .map(|lead| {
            let lead = stored.lead(&LeadName::parse(lead).unwrap()).unwrap();
            assert_eq!(lead.scale.nanovolts(), NANOVOLTS_PER_STEP as f64, "{name}");
            lead.samples.as_slice()
        })
        .collect();
    let sent = record.replay.samples();
    let is_sent = |from: usize| {
        (0..SAMPLES).all(|at| {
            let sample = sent[(from + at) % sent.len()];
            acquired
                .iter()
                .zip(sample)
                .all(|(lead, value)| lead[at] == i32::from(value))
        })
    };
    assert!(
        (0..sent.len()).any(is_sent),
        "{name}: the stored samples were never sent so"
    );
}

/// Records at a bay and looks at what box and hub then hold.
async fn replayed(running: &Running, hub: &Store, bay: usize, one: &Record, recorder: &Simulator) {
    let (patient, line) = record(running, bay, recorder, &one.name).await;
    let stored = running.state.store.blob(line.ecg.blob).await.unwrap().unwrap();
    assert_as_sent(one, &ecg::codec::decode(&stored).unwrap());
    running.state.link.try_now();
    let at_hub = wait_for("the recording at the hub", async || {
        let lines = hub.ecgs_of(patient).await.unwrap();
        let arrived = lines.into_iter().find(|arrived| arrived.ecg.id == line.ecg.id)?;
        hub.blob(arrived.ecg.blob).await.unwrap()
    })
    .await;
    assert_as_sent(one, &ecg::codec::decode(&at_hub).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recording_reaches_box_and_hub_sample_for_sample() {
    let records = records();
    let folder = tempfile::tempdir().unwrap();
    let hub = start_hub(folder.path().join("hub")).await;
    for (round, some) in records.chunks(BAYS).enumerate() {
        let recorders: Vec<Simulator> = some.iter().map(recorder).collect();
        let running = start(folder.path().join(round.to_string()), &recorders, &hub).await;
        let all = some.iter().zip(&recorders).enumerate();
        let recordings =
            all.map(|(bay, (one, recorder))| replayed(&running, hub.store(), bay, one, recorder));
        futures_util::future::join_all(recordings).await;
        running.stop().await;
    }
    hub.stop().await;
}
