//! Runs the test vectors of every device built here: JSON files whose `provenance` says where their bytes come
//! from.

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, Operation};
use serde_json::{Value, json};

use crate::decode::{Subject, decode};
use crate::framing::Direction;
use crate::mlx90614::{AnswerError, BusError, Mlx90614, Register, Value as SensorValue};

const FILES: [(&str, &str); 6] = [
    ("omron-hbp9030", include_str!("../vectors/omron-hbp9030.json")),
    ("and-tm2655", include_str!("../vectors/and-tm2655.json")),
    ("contec-8000g", include_str!("../vectors/contec-8000g.json")),
    ("idcard-sam", include_str!("../vectors/idcard-sam.json")),
    ("gb11643", include_str!("../vectors/gb11643.json")),
    ("mlx90614-i2c", include_str!("../vectors/mlx90614-i2c.json")),
];

fn bytes_of(vector: &Value) -> Vec<u8> {
    let text = vector["hex"].as_str().unwrap();
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn equal(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::Object(want), Value::Object(_)) => want
            .iter()
            .all(|(key, value)| equal(value, got.get(key).unwrap_or(&Value::Null))),
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got).all(|(want, got)| equal(want, got))
        }
        (Value::Number(want), Value::Number(got)) => {
            (want.as_f64().unwrap() - got.as_f64().unwrap()).abs() < 1e-9
        }
        _ => want == got,
    }
}

fn word(event: &Value) -> &str {
    event["event"].as_str().unwrap()
}

fn judge(vector: &Value, events: &[Value]) -> Result<(), String> {
    let expect = vector["expect"].as_str().unwrap();
    let decoded = &vector["decoded"];
    let readings = events.iter().filter(|event| word(event) == "reading").count();
    let rejects: Vec<_> = events.iter().filter(|event| word(event) == "reject").collect();
    if let Some(reason) = expect.strip_prefix("reject:") {
        let reason = if reason == "bcc" { "checksum" } else { reason };
        let named = rejects.iter().any(|event| event["reason"] == reason);
        return if readings == 0 && named {
            Ok(())
        } else {
            Err(format!("no reject for {reason}"))
        };
    }
    if expect != "ok" {
        let fits = events
            .iter()
            .any(|event| word(event) == expect && equal(decoded, event));
        return if readings == 0 && fits {
            Ok(())
        } else {
            Err(format!("no {expect} with these keys"))
        };
    }
    if vector["kind"] == "stream" {
        let wanted = decoded["readings"].as_array().unwrap();
        let mut at = 0;
        for event in events.iter().filter(|event| word(event) != "reject") {
            at += usize::from(wanted.get(at).is_some_and(|want| equal(want, event)));
        }
        let enough = rejects.len() as u64 >= decoded["min_errors"].as_u64().unwrap();
        let exact = at == wanted.len() && readings <= wanted.len();
        return if exact && enough {
            Ok(())
        } else {
            Err(format!("{at} of {} readings", wanted.len()))
        };
    }
    let fits = events
        .iter()
        .any(|event| word(event) != "reject" && equal(decoded, event));
    if fits {
        Ok(())
    } else {
        Err("no event with these keys".to_owned())
    }
}

/// A bus with one answer.
struct AnswerOnce {
    address: u8,
    write: u8,
    answer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoFault;

impl embedded_hal::i2c::Error for NoFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for AnswerOnce {
    type Error = NoFault;
}

impl I2c for AnswerOnce {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), NoFault> {
        assert_eq!(address, self.address);
        let [Operation::Write(written), Operation::Read(read)] = operations else {
            panic!("one write, a repeated start, one read");
        };
        assert_eq!(*written, [self.write]);
        read.copy_from_slice(&self.answer);
        Ok(())
    }
}

/// The event that an answer of the thermometer amounts to.
fn i2c_event(vector: &Value) -> Value {
    let command = u8::from_str_radix(vector["i2c"]["write"].as_str().unwrap(), 16).unwrap();
    let address = u8::try_from(vector["i2c"]["address"].as_u64().unwrap()).unwrap();
    let register = Register::ALL
        .into_iter()
        .find(|register| register.command() == command)
        .unwrap();
    let mut sensor = Mlx90614::at(
        AnswerOnce {
            address,
            write: command,
            answer: bytes_of(vector),
        },
        address,
    );
    match sensor.read(register) {
        Ok(SensorValue::CentiCelsius(value)) => {
            json!({"event": "status", "temp_c": f64::from(value) / 100.0})
        }
        Ok(SensorValue::Emissivity(value)) => {
            let rounded = (f64::from(value) / 65_535.0 * 1e4).round() / 1e4;
            json!({"event": "status", "emissivity": rounded})
        }
        Err(BusError::Answer(AnswerError::ErrorFlag)) => {
            json!({"event": "device_error", "status": "sensor_error"})
        }
        Err(BusError::Answer(AnswerError::PacketError)) => json!({"event": "reject", "reason": "checksum"}),
        Err(BusError::Bus(NoFault)) => panic!("this bus has no fault"),
    }
}

#[test]
fn every_vector_of_every_device_passes() {
    let mut failures = Vec::new();
    let mut passed = 0;
    for (key, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap();
        assert_eq!(file["schema"], 1);
        for vector in file["vectors"].as_array().unwrap() {
            assert_eq!(vector["device"], key);
            let host = vector["direction"] == "host_to_device";
            let events = if vector["kind"] == "i2c_read" {
                vec![i2c_event(vector)]
            } else {
                let from = if host {
                    Direction::FromHost
                } else {
                    Direction::FromDevice
                };
                decode(Subject::from_key(key).unwrap(), from, &bytes_of(vector)).unwrap()
            };
            match judge(vector, &events) {
                Ok(()) => passed += 1,
                Err(why) => failures.push(format!("{}: {why}", vector["id"])),
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(passed, 58);
}

#[test]
fn a_host_command_comes_out_of_the_encoders_as_it_stands_in_the_vectors() {
    use crate::{and_tm2655, contec_8000g, idcard_sam};
    let encoded = [
        and_tm2655::Command::Start.encode(),
        and_tm2655::Command::LastResult.encode(),
        and_tm2655::Command::PulseList.encode(),
        contec_8000g::Command::Idle.bytes().to_vec(),
        contec_8000g::Command::Prepare.bytes().to_vec(),
        contec_8000g::Command::Start.bytes().to_vec(),
        idcard_sam::Command::Reset.encode(),
        idcard_sam::Command::SamId.encode(),
        idcard_sam::Command::Find.encode(),
        idcard_sam::Command::Select.encode(),
        idcard_sam::Command::Read.encode(),
        idcard_sam::Command::NewAddress.encode(),
        idcard_sam::Command::Baud115200.encode(),
    ];
    let mut from_vectors = Vec::new();
    for (_, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap();
        let vectors = file["vectors"].as_array().unwrap().iter();
        from_vectors.extend(vectors.filter(|vector| vector["kind"] == "command").map(bytes_of));
    }
    assert_eq!(encoded.to_vec(), from_vectors);
}
