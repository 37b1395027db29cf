//! The running ECG of a bay, to the pages that watch it: one WebSocket each.
//!
//! Text messages are JSON: `{"leads":[…],"fs":500,"nv":2500}` before samples,
//! `{"state":"waiting"|"contact"|"running"|"lost","off":[…]}` (contact: these leads do not move), `{"rate":77}` or
//! `null` for the heart rate, `{"gap":n}` where n instants were lost. Binary messages are little-endian 16-bit samples, lead after lead for
//! each instant. A page that is too slow misses blocks and is told so by a gap; a recording never does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use device_drivers::contec_8000g::{LEAD_COUNT, LEADS, NANOVOLTS_PER_STEP, SAMPLES_PER_SECOND, WaveBlock};
use ecg::model::{Lead, LeadName, SampleRateHz, Scale, Waveform};
use shell::errors::{Page, PageError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use web::trouble::Trouble;

use crate::state::AppState;

/// Blocks (tenths of a second) that a slow page may lag behind.
const BLOCKS: usize = 64;
/// Largest message that a page may send: it has nothing to say.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Samples of the window from which rate and contact are told: six seconds.
const WINDOW: usize = 6 * SAMPLES_PER_SECOND as usize;
/// Samples between two looks at the window: two seconds.
const LOOK_EVERY: usize = 2 * SAMPLES_PER_SECOND as usize;

#[derive(Debug, Clone)]
enum Piece {
    /// Samples of all twelve leads, ready to send, and how many instants were lost before them.
    Samples { lost: u64, bytes: Arc<[u8]> },
    /// What the last seconds show.
    Sight {
        rate: Option<u32>,
        off: Vec<&'static str>,
    },
    /// The device is gone.
    Lost,
}

/// Hands blocks on to whoever watches.
#[derive(Debug)]
pub struct Waves {
    pieces: broadcast::Sender<Piece>,
    window: Mutex<Window>,
}

/// The last seconds, while somebody watches.
#[derive(Debug, Default)]
struct Window {
    instants: VecDeque<[i16; LEAD_COUNT]>,
    since_look: usize,
}

impl Default for Waves {
    fn default() -> Self {
        Self {
            pieces: broadcast::channel(BLOCKS).0,
            window: Mutex::default(),
        }
    }
}

impl Waves {
    /// Hands a block on.
    pub fn push(&self, block: &WaveBlock) {
        if self.pieces.receiver_count() == 0 {
            return;
        }
        let lost = block
            .gaps
            .iter()
            .map(|gap| u64::from(gap.missing.unwrap_or(1)))
            .sum();
        // Everybody may have gone meanwhile.
        let _ = self.pieces.send(Piece::Samples {
            lost,
            bytes: twelve_leads(block).into(),
        });
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sight) = window.push(block, lost > 0) {
            let _ = self.pieces.send(sight);
        }
    }

    /// Says that the device is gone.
    pub fn lost(&self) {
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Window::default();
        let _ = self.pieces.send(Piece::Lost);
    }
}

impl Window {
    /// Takes a block; every two seconds tells what the window shows. A gap begins it anew.
    fn push(&mut self, block: &WaveBlock, broken: bool) -> Option<Piece> {
        if broken {
            self.instants.clear();
        }
        for instant in block.samples.as_chunks::<LEAD_COUNT>().0 {
            self.instants.push_back(*instant);
        }
        let excess = self.instants.len().saturating_sub(WINDOW);
        self.instants.drain(..excess);
        self.since_look += block.len();
        if self.since_look < LOOK_EVERY {
            return None;
        }
        self.since_look = 0;
        self.look()
    }

    fn look(&self) -> Option<Piece> {
        let scale = Scale::from_nanovolts(NANOVOLTS_PER_STEP).ok()?;
        let mut leads = Vec::with_capacity(LEAD_COUNT);
        let mut off = Vec::new();
        for (place, name) in LEADS.iter().enumerate() {
            let samples: Vec<i32> = self
                .instants
                .iter()
                .map(|instant| i32::from(instant[place]))
                .collect();
            let recent = samples.iter().rev().take(LOOK_EVERY);
            if recent.clone().max() == recent.min() {
                off.push(*name);
            }
            leads.push(Lead {
                name: LeadName::parse(name).ok()?,
                scale,
                zero: 0,
                samples,
            });
        }
        let rate = SampleRateHz::new(SAMPLES_PER_SECOND).ok()?;
        let waveform = Waveform::new(rate, leads, Vec::new()).ok()?;
        let rate = ecg::measure::heart_rate_per_min(&waveform).filter(|rate| (0.0..=400.0).contains(rate));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 400"
        )]
        let rate = rate.map(|rate| rate.round() as u32);
        Some(Piece::Sight { rate, off })
    }
}

/// All twelve leads in the steps of the device; those that follow from I and II are rounded, for the eye.
fn twelve_leads(block: &WaveBlock) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.len() * LeadName::STANDARD.len() * 2);
    for instant in block.samples.chunks_exact(LEAD_COUNT) {
        let [one, two, rest @ ..] = instant else { continue };
        let (one, two) = (i32::from(*one), i32::from(*two));
        let limb = [
            one,
            two,
            two - one,
            -(one + two) / 2,
            one - two / 2,
            two - one / 2,
        ];
        let chest = rest.iter().map(|sample| i32::from(*sample));
        for sample in limb.into_iter().chain(chest) {
            let narrow = i16::try_from(sample).unwrap_or(if sample < 0 { i16::MIN } else { i16::MAX });
            bytes.extend_from_slice(&narrow.to_le_bytes());
        }
    }
    bytes
}

/// `GET /bays/{number}/ecg`: the socket.
pub async fn socket(
    State(state): State<AppState>,
    Path(number): Path<usize>,
    upgrade: WebSocketUpgrade,
) -> Page {
    let waves = state.bays.waves(number).ok_or(PageError(Trouble::NotFound))?;
    let pieces = waves.pieces.subscribe();
    let closing = state.closing.clone();
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
    Ok(upgrade
        .on_upgrade(async move |socket| {
            tokio::select! {
                () = send(socket, pieces) => {}
                () = closing.closed() => {}
            }
        })
        .into_response())
}

async fn send(mut socket: WebSocket, mut pieces: broadcast::Receiver<Piece>) {
    let leads: Vec<&str> = LeadName::STANDARD.iter().map(LeadName::as_str).collect();
    let head = serde_json::json!({ "leads": leads, "fs": SAMPLES_PER_SECOND, "nv": NANOVOLTS_PER_STEP });
    let waiting = serde_json::json!({ "state": "waiting" });
    for text in [head, waiting] {
        if socket.send(Message::text(text.to_string())).await.is_err() {
            return;
        }
    }
    loop {
        tokio::select! {
            piece = pieces.recv() => {
                let sent = match piece {
                    Ok(piece) => send_piece(&mut socket, piece).await,
                    Err(RecvError::Lagged(blocks)) => send_gap(&mut socket, blocks * 50).await,
                    Err(RecvError::Closed) => return,
                };
                if sent.is_err() {
                    return;
                }
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
            },
        }
    }
}

async fn send_piece(socket: &mut WebSocket, piece: Piece) -> Result<(), axum::Error> {
    match piece {
        Piece::Lost => socket.send(Message::text(r#"{"state":"lost"}"#)).await,
        Piece::Sight { rate, off } => {
            let state = if off.is_empty() { "running" } else { "contact" };
            let sight = serde_json::json!({ "state": state, "off": off, "rate": rate });
            socket.send(Message::text(sight.to_string())).await
        }
        Piece::Samples { lost, bytes } => {
            if lost > 0 {
                send_gap(socket, lost).await?;
            }
            socket.send(Message::binary(bytes.to_vec())).await
        }
    }
}

async fn send_gap(socket: &mut WebSocket, instants: u64) -> Result<(), axum::Error> {
    socket
        .send(Message::text(format!("{{\"gap\":{instants}}}")))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limb_leads_follow_from_the_first_two() {
        let block = WaveBlock {
            samples: vec![100, 300, 1, 2, 3, 4, 5, 6],
            ..WaveBlock::default()
        };
        let samples: Vec<i16> = twelve_leads(&block)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair))
            .collect();
        assert_eq!(samples, [100, 300, 200, -200, -50, 250, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn nobody_watching_costs_nothing() {
        let waves = Waves::default();
        waves.push(&WaveBlock::default());
        let mut watching = waves.pieces.subscribe();
        waves.push(&WaveBlock {
            samples: vec![0; 8],
            ..WaveBlock::default()
        });
        assert!(matches!(watching.try_recv(), Ok(Piece::Samples { lost: 0, .. })));
    }

    #[test]
    fn rate_and_contact_are_told_every_two_seconds() {
        use ecg::synthetic::{Heart, HeartSettings};
        let heart = Heart::new(
            HeartSettings {
                rate_bpm: 90.0,
                ..HeartSettings::default()
            },
            2,
        );
        let wave = heart.record(8.0, SampleRateHz::DIAGNOSTIC);
        let acquired = [0, 1, 6, 7, 8, 9, 10, 11];
        let mut window = Window::default();
        let mut told = Vec::new();
        for start in (0..4000).step_by(50) {
            let samples = (start..start + 50).flat_map(|at| {
                let mut instant =
                    acquired.map(|lead| i16::try_from(wave.leads()[lead].samples[at]).unwrap_or_default());
                instant[7] = 0;
                instant
            });
            let block = WaveBlock {
                samples: samples.collect(),
                ..WaveBlock::default()
            };
            told.extend(window.push(&block, false));
        }
        assert_eq!(told.len(), 4);
        let Some(Piece::Sight {
            rate: Some(rate),
            off,
        }) = told.pop()
        else {
            panic!("a rate after eight seconds")
        };
        assert!((88..=92).contains(&rate), "{rate}");
        assert_eq!(off, ["V6"]);
    }
}
