//! An 8000G: the synthetic heart or a recording, each sample sent twice at 1,000 records a second.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ecg::model::{LeadName, Waveform};
use ecg::synthetic::{Heart, HeartSettings};
use ecg::wfdb::{self, WfdbError};

use super::{Command, Dice, RECORDING_DURATION, SimOptions, SimulatedDevice};

const LEADS: usize = 8;
const SAMPLE_RATE: u32 = 500;
/// Records that are sent in one burst at most.
const BURST: u64 = 64;
/// Time between two bursts.
const BURST_EVERY: Duration = Duration::from_millis(10);
/// Records between two status records.
const STATUS_EVERY: u64 = 1_000;
/// Places of I, II, V1 to V6 among the twelve leads.
const ACQUIRED: [usize; LEADS] = [0, 1, 6, 7, 8, 9, 10, 11];
const MICROVOLTS_PER_STEP: f64 = 2.5;
/// Most samples of a replay, 15 minutes: longer recordings are not played to their end.
const REPLAY_SAMPLES_MAX: usize = 15 * 60 * SAMPLE_RATE as usize;

/// A 12-lead recording as the recorder would have digitised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    samples: Vec<[i16; LEADS]>,
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file of the recording cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It is no recording.
    #[error("{} is no recording that can be read", .path.display())]
    Format {
        /// The header.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: WfdbError,
    },
    /// A lead that the recorder acquires is not in it.
    #[error("the recording has no lead {0}")]
    NoLead(&'static str),
    /// It has no samples.
    #[error("the recording is empty")]
    Empty,
}

impl Replay {
    /// Reads a WFDB record by its header, with or without `.hea`.
    pub fn from_wfdb(record: &Path) -> Result<Self, ReplayError> {
        let header_path = if record.extension().is_some_and(|ending| ending == "hea") {
            record.to_owned()
        } else {
            let mut name = record.as_os_str().to_owned();
            name.push(".hea");
            PathBuf::from(name)
        };
        let read = |path: &Path| {
            fs::read(path).map_err(|source| ReplayError::File {
                path: path.to_owned(),
                source,
            })
        };
        let format = |source| ReplayError::Format {
            path: header_path.clone(),
            source,
        };
        let text = String::from_utf8_lossy(&read(&header_path)?).into_owned();
        let header = wfdb::read_header(&text).map_err(format)?;
        let folder = header_path.parent().unwrap_or(Path::new("."));
        let recording = wfdb::read(&header, |name| read(&folder.join(name))).map_err(format)?;
        Self::from_waveform(&recording.waveform)
    }

    /// Digitises a waveform: leads by name, 500 samples a second (linear between the samples of another
    /// rate), steps of 2.5 µV, clipped at the ends of the 12-bit range.
    pub fn from_waveform(waveform: &Waveform) -> Result<Self, ReplayError> {
        let mut leads = Vec::with_capacity(LEADS);
        for place in ACQUIRED {
            let name = &LeadName::STANDARD[place];
            let missing = ReplayError::NoLead(crate::contec_8000g::LEADS[leads.len()]);
            leads.push(waveform.lead(name).ok_or(missing)?.millivolts());
        }
        let length =
            ((waveform.len() as f64 / waveform.rate().hz()) * f64::from(SAMPLE_RATE)).round() as usize;
        if length == 0 || waveform.is_empty() {
            return Err(ReplayError::Empty);
        }
        let step = waveform.rate().hz() / f64::from(SAMPLE_RATE);
        let sample = |index: usize| {
            let mut steps = [0; LEADS];
            for (out, lead) in steps.iter_mut().zip(&leads) {
                *out = steps_of(between(lead, index as f64 * step));
            }
            steps
        };
        Ok(Self {
            samples: (0..length.min(REPLAY_SAMPLES_MAX)).map(sample).collect(),
        })
    }

    /// The samples as steps of 2.5 µV around zero, in the recorder's order of leads.
    pub fn samples(&self) -> &[[i16; LEADS]] {
        &self.samples
    }
}

/// The value at a place between two samples.
fn between(values: &[f64], place: f64) -> f64 {
    let at = place.floor().max(0.0) as usize;
    let first = values.get(at).or(values.last()).copied().unwrap_or_default();
    let second = values.get(at + 1).copied().unwrap_or(first);
    first + (second - first) * (place - place.floor())
}

fn steps_of(millivolts: f64) -> i16 {
    (millivolts * 1_000.0 / MICROVOLTS_PER_STEP)
        .round()
        .clamp(-2048.0, 2047.0) as i16
}

enum Source {
    Heart(Heart),
    Replay(Arc<Replay>),
}

impl Source {
    fn sample(&self, index: u64) -> [i16; LEADS] {
        match self {
            Self::Heart(heart) => {
                let twelve = heart.sample(index, SAMPLE_RATE);
                ACQUIRED.map(|place| steps_of(twelve[place]))
            }
            Self::Replay(replay) => {
                let at = index % replay.samples.len().max(1) as u64;
                replay.samples.get(at as usize).copied().unwrap_or_default()
            }
        }
    }
}

/// The recorder; its stream begins when the host says so.
pub(super) struct Recorder {
    source: Source,
    heard: Vec<u8>,
    prepared: bool,
    /// When the stream began, and the records sent since.
    stream: Option<(Duration, u64)>,
    /// Number of the record at which the source begins.
    origin: u64,
    output: VecDeque<Vec<u8>>,
    noise: Option<Dice>,
    restarts_after: Option<u64>,
}

impl Recorder {
    pub(super) fn new(options: SimOptions) -> Self {
        let settings = HeartSettings {
            rate_bpm: f64::from(options.heart_rate_bpm),
            ..HeartSettings::default()
        };
        let restarts_after = options.duration.map(|duration| {
            let records = duration.max(RECORDING_DURATION / 10).as_millis();
            u64::try_from(records).unwrap_or(u64::MAX)
        });
        Self {
            source: match options.replay {
                Some(replay) => Source::Replay(replay),
                None => Source::Heart(Heart::new(settings, options.seed)),
            },
            heard: Vec::new(),
            prepared: false,
            stream: None,
            origin: 0,
            output: VecDeque::new(),
            noise: options.faults.noise.then(|| Dice::new(options.seed)),
            restarts_after,
        }
    }

    /// Sends what is due; a burst at a time, so that a stalled simulator catches up.
    fn send_due(&mut self, now: Duration) {
        let Some((began, sent)) = self.stream else {
            return;
        };
        let due = u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let until = due.min(sent + BURST);
        let mut burst = Vec::new();
        for record in sent..until {
            if record % STATUS_EVERY == STATUS_EVERY - 1 {
                burst.extend([0xb0, 0x01, 0x00, 0x00, 0x00, 0x00]);
            }
            let mut place = record - self.origin.min(record);
            if let Some(length) = self.restarts_after {
                place %= length.max(2) / 2 * 2;
            }
            burst.extend(encode(self.source.sample(place / 2)));
        }
        self.stream = Some((began, until));
        self.spoil(&mut burst);
        if !burst.is_empty() {
            self.output.push_back(burst);
        }
    }

    /// Now and then a byte of the stream is lost on a noisy line.
    fn spoil(&mut self, burst: &mut Vec<u8>) {
        if let Some(dice) = &mut self.noise
            && !burst.is_empty()
            && dice.below(20) == 0
        {
            let at = dice.below(burst.len());
            burst.remove(at);
        }
    }
}

/// Packs eight steps into a record: four triplets, then the high bits of all twelve bytes in front.
fn encode(steps: [i16; LEADS]) -> [u8; 15] {
    let mut payload = [0u8; 12];
    for (triplet, pair) in payload.chunks_exact_mut(3).zip(steps.chunks_exact(2)) {
        let [first, second] = [pair[0], pair[1]].map(|step| (step + 2048) as u16);
        triplet[0] = ((first >> 8) << 4 | second >> 8) as u8;
        triplet[1] = first as u8;
        triplet[2] = second as u8;
    }
    let mut record = [0u8; 15];
    record[0] = 0xa0;
    for (at, byte) in payload.iter().enumerate() {
        record[3 + at] = byte & 0x7f;
        record[1 + at / 7] |= (byte >> 7) << (at % 7);
    }
    record
}

impl SimulatedDevice for Recorder {
    fn handle_connected(&mut self, _now: Duration) {
        self.heard.clear();
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        self.heard.extend_from_slice(bytes);
        while let Some([first, second]) = self.heard.first_chunk::<2>().copied() {
            let length = match (first, second) {
                (0x90, 0x00) => {
                    self.stream = None;
                    self.prepared = false;
                    2
                }
                (0x85, 0x01) => {
                    self.prepared = true;
                    2
                }
                (0x90, 0x05) => {
                    if std::mem::take(&mut self.prepared) {
                        self.stream = Some((now, 0));
                        self.origin = 0;
                        self.output.push_back(vec![0xee, 0x10]);
                    }
                    2
                }
                _ => 1,
            };
            self.heard.drain(..length);
        }
    }

    fn handle_command(&mut self, command: &Command, _now: Duration) {
        match command {
            Command::Record => self.origin = self.stream.map_or(0, |(_, sent)| sent.next_multiple_of(2)),
            Command::Measure(_)
            | Command::Fail(_)
            | Command::Hold(_)
            | Command::Card(_)
            | Command::Lift
            | Command::Unplug
            | Command::Replug => {}
        }
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.send_due(now);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.stream
            .map(|(began, sent)| began + Duration::from_millis(sent) + BURST_EVERY)
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    /// Noise inside the stream is its own affair: bursts are far longer than records.
    fn survives_damage(&self) -> bool {
        false
    }
}
