//! Bytes in, one JSON object for each event out: the pure side of the `decode` program and of the fuzz targets.

mod keys;

use serde_json::{Map, Value, json};

use crate::and_tm2655;
use crate::catalogue::DeviceKey;
use crate::framing::{Direction, Found, Framer, Grammar};
use crate::{contec_8000g, gb11643, idcard_sam, mlx90614, omron_hbp9030};

/// A device whose bytes `decode` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A device of the catalogue with a serial line.
    Device(DeviceKey),
    /// A citizen number as text.
    CitizenNumber,
}

/// A key that `decode` cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSubject {
    /// No such key.
    #[error("no device has the key {0}")]
    Unknown(String),
    /// Its answers have no stream form.
    #[error("{0} is read register by register over I2C; its answers are no byte stream")]
    NoStream(String),
    /// The device takes no commands.
    #[error("{0} takes no commands from a host")]
    NoCommands(String),
}

impl Subject {
    /// The subject with this key.
    pub fn from_key(key: &str) -> Result<Self, BadSubject> {
        if key == "gb11643" {
            return Ok(Self::CitizenNumber);
        }
        let device: DeviceKey = key.parse().map_err(|_| BadSubject::Unknown(key.to_owned()))?;
        match device {
            DeviceKey::Mlx90614I2c => Err(BadSubject::NoStream(key.to_owned())),
            DeviceKey::OmronHbp9030
            | DeviceKey::AndTm2655
            | DeviceKey::Contec8000g
            | DeviceKey::IdcardSam => Ok(Self::Device(device)),
        }
    }
}

/// Decodes a whole input into events as JSON objects.
pub fn decode(subject: Subject, from: Direction, bytes: &[u8]) -> Result<Vec<Value>, BadSubject> {
    let device = match subject {
        Subject::CitizenNumber => return Ok(vec![citizen_number(bytes)]),
        Subject::Device(device) => device,
    };
    match (device, from) {
        (DeviceKey::OmronHbp9030, Direction::FromDevice) => {
            Ok(run(omron_hbp9030::Rules::default(), bytes, keys::omron))
        }
        (DeviceKey::AndTm2655, Direction::FromDevice) => Ok(run(
            and_tm2655::Rules::new(Direction::FromDevice),
            bytes,
            keys::and,
        )),
        (DeviceKey::AndTm2655, Direction::FromHost) => {
            Ok(run(and_tm2655::Rules::new(Direction::FromHost), bytes, keys::and))
        }
        (DeviceKey::Contec8000g, Direction::FromDevice) => Ok(run(contec_8000g::Rules, bytes, keys::contec)),
        (DeviceKey::Contec8000g, Direction::FromHost) => Ok(run(contec_8000g::HostRules, bytes, |command| {
            keys::command(command.name())
        })),
        (DeviceKey::IdcardSam, Direction::FromDevice) => {
            Ok(without_bytes(run(idcard_sam::Rules, bytes, keys::idcard)))
        }
        (DeviceKey::IdcardSam, Direction::FromHost) => {
            let events = run(idcard_sam::HostRules, bytes, |command| {
                keys::command(command.name())
            });
            Ok(without_bytes(events))
        }
        (DeviceKey::OmronHbp9030, Direction::FromHost) => {
            Err(BadSubject::NoCommands(device.as_str().to_owned()))
        }
        (DeviceKey::Mlx90614I2c, _) => Err(BadSubject::NoStream(device.as_str().to_owned())),
    }
}

fn run<G: Grammar>(grammar: G, bytes: &[u8], read: impl Fn(&G::Frame) -> Value) -> Vec<Value> {
    let mut framer = Framer::with(grammar);
    let mut found = framer.feed(bytes);
    found.extend(framer.finish());
    let event = |found: Found<G::Frame>| match found {
        Found::Frame(frame) => read(&frame),
        Found::Reject(reason, bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"event": "reject", "reason": reason.word(), "bytes": hex})
        }
    };
    found.into_iter().map(event).collect()
}

/// Frames of this device name people: a refused one shows no bytes.
fn without_bytes(mut events: Vec<Value>) -> Vec<Value> {
    for object in events.iter_mut().filter_map(Value::as_object_mut) {
        if object.get("event").is_some_and(|event| event == "reject") {
            object.remove("bytes");
        }
    }
    events
}

fn citizen_number(bytes: &[u8]) -> Value {
    let judgement = std::str::from_utf8(bytes).ok().and_then(gb11643::judge);
    let Some(judgement) = judgement else {
        return json!({"event": "reject", "reason": "layout"});
    };
    let mut object = Map::new();
    object.insert("event".into(), "status".into());
    object.insert("valid".into(), judgement.is_valid.into());
    object.insert("checksum_ok".into(), judgement.checksum_ok.into());
    object.insert("birth_ok".into(), judgement.birth.is_some().into());
    object.insert(
        "birth_date".into(),
        judgement.birth.map(|date| date.to_string()).into(),
    );
    object.insert(
        "sex".into(),
        if judgement.is_male { "male" } else { "female" }.into(),
    );
    Value::Object(object)
}

/// Feeds bytes to the codec of a device in both directions; for fuzz targets. Never panics, whatever comes.
pub fn fuzz_one(key: DeviceKey, bytes: &[u8]) {
    for from in [Direction::FromDevice, Direction::FromHost] {
        if let Ok(events) = decode(Subject::Device(key), from, bytes) {
            drop(events);
        }
    }
    if key == DeviceKey::Mlx90614I2c {
        for answer in bytes.as_chunks::<3>().0 {
            for register in mlx90614::Register::ALL {
                if let Ok(mlx90614::Value::CentiCelsius(value)) =
                    mlx90614::decode_answer(mlx90614::ADDRESS, register, *answer)
                {
                    assert!((-27_315..=38_219).contains(&value), "a raw value has 15 bits");
                }
            }
        }
    }
}
