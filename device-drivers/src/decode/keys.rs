//! The keys of each device's JSON objects.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::and_tm2655::{Body, Frame as AndFrame};
use crate::contec_8000g::{self, Frame as EcgFrame, NANOVOLTS_PER_STEP};
use crate::events::{DeviceEvent, Origin};
use crate::idcard_sam::{Answer, CardKind, Frame as CardFrame, IdCard};
use crate::omron_hbp9030::Line;

/// The word of an event.
fn event_word(event: &DeviceEvent) -> &'static str {
    match event {
        DeviceEvent::Reading(_) | DeviceEvent::Card(_) => "reading",
        DeviceEvent::Progress(_) => "progress",
        DeviceEvent::Wave(_) => "wave",
        DeviceEvent::Status(_) => "status",
        DeviceEvent::Command(_) => "command",
        DeviceEvent::OutOfRange(_) => "out_of_range",
        DeviceEvent::DeviceError(_) => "device_error",
        DeviceEvent::Reject(_) => "reject",
    }
}

/// The word of a result frame's status.
fn status_word(event: &DeviceEvent) -> &'static str {
    match event {
        DeviceEvent::OutOfRange(_) => "out_of_range",
        DeviceEvent::DeviceError(_) => "device_error",
        DeviceEvent::Reading(_)
        | DeviceEvent::Card(_)
        | DeviceEvent::Progress(_)
        | DeviceEvent::Wave(_)
        | DeviceEvent::Status(_)
        | DeviceEvent::Command(_)
        | DeviceEvent::Reject(_) => "ok",
    }
}

fn minute(at: jiff::civil::DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M").to_string()
}

pub(super) fn command(name: &str) -> Value {
    json!({"event": "command", "command": name})
}

pub(super) fn omron(line: &Line) -> Value {
    let event = line.event(Origin::Fresh);
    let values = line.values.filter(|_| line.error == 0);
    json!({
        "event": event_word(&event),
        "status": status_word(&event),
        "timestamp_local": minute(line.device_time),
        "subject_id": line.subject.as_ref().map_or("", |subject| subject.as_str()),
        "error_code": line.error,
        "movement_count": line.movement,
        "sys_mmhg": values.map(|values| values.systolic),
        "dia_mmhg": values.map(|values| values.diastolic),
        "pulse_bpm": values.map(|values| values.pulse),
    })
}

pub(super) fn and(frame: &AndFrame) -> Value {
    let address = String::from_utf8_lossy(&frame.address).into_owned();
    match &frame.body {
        Body::Acknowledged => json!({"event": "status", "status": "ack"}),
        Body::Refused => json!({"event": "status", "status": "nak"}),
        Body::Command(sent) => command(sent.letters()),
        Body::Pulses(list) => json!({
            "event": "status",
            "address": address,
            "model": list.model,
            "timestamp_local": minute(list.device_time),
            "command": "RP",
            "pulses_pressure_amplitude": list.pulses,
        }),
        Body::Result(result) => {
            let event = result.event(Origin::Fresh);
            let good = result.error == "00";
            json!({
                "event": event_word(&event),
                "status": status_word(&event),
                "address": address,
                "model": result.model,
                "timestamp_local": minute(result.device_time),
                "command": "RB",
                "mode": result.mode.map(String::from),
                "error_code": result.error,
                "sys_mmhg": result.systolic.filter(|_| good),
                "map_mmhg": result.mean.filter(|_| good),
                "dia_mmhg": result.diastolic.filter(|_| good),
                "pulse_bpm": result.pulse.filter(|_| good),
                "inflation_raw": result.inflation,
                "max_pulse_amplitude_raw": result.amplitude,
                "irregular_beats": result.irregular_beats,
                "movement": result.movement,
                "retested": result.retested,
                "measuring_seconds": result.seconds,
            })
        }
    }
}

pub(super) fn contec(frame: &EcgFrame) -> Value {
    match frame {
        EcgFrame::Boundary => json!({"event": "status", "status": "boundary"}),
        EcgFrame::Status(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"event": "status", "status": "raw", "raw": hex})
        }
        EcgFrame::Sample(record) => {
            let steps = record.steps().map(i64::from);
            let microvolts = |half_steps: i64| (half_steps * NANOVOLTS_PER_STEP) as f64 / 2_000.0;
            let [one, two] = [steps[0], steps[1]];
            let mut leads = Map::new();
            let mut lead = |name: &str, half_steps: i64| {
                leads.insert(name.to_owned(), json!(microvolts(half_steps)));
            };
            lead("I", 2 * one);
            lead("II", 2 * two);
            lead("III", 2 * (two - one));
            lead("aVR", -(one + two));
            lead("aVL", 2 * one - two);
            lead("aVF", 2 * two - one);
            for (name, value) in contec_8000g::LEADS.iter().zip(steps).skip(2) {
                lead(name, 2 * value);
            }
            json!({"event": "wave", "adc": record.adc, "microvolts": leads})
        }
    }
}

pub(super) fn idcard(frame: &CardFrame) -> Value {
    let mut object = Map::new();
    let good = frame.status.is_ok();
    let word = match (&frame.answer, good) {
        (_, false) => "device_error",
        (Answer::Card(_), true) => "reading",
        (
            Answer::Empty
            | Answer::Found
            | Answer::Selected
            | Answer::SamId(_)
            | Answer::NewAddress(_)
            | Answer::Other(_),
            true,
        ) => "status",
    };
    object.insert("event".into(), word.into());
    object.insert("sw".into(), frame.status.hex().into());
    object.insert("status".into(), frame.status.word().into());
    match &frame.answer {
        Answer::SamId(id) => drop(object.insert("sam_id".into(), id.as_str().into())),
        Answer::NewAddress(text) => drop(object.insert("new_address".into(), text.as_str().into())),
        Answer::Card(card) => card_keys(card, &mut object),
        Answer::Empty | Answer::Found | Answer::Selected | Answer::Other(_) => {}
    }
    Value::Object(object)
}

fn card_keys(card: &IdCard, object: &mut Map<String, Value>) {
    let digest: String = Sha256::digest(&card.photo.0)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("card_type", card.kind.word().into());
    put("name", card.name.as_str().into());
    put("latin_name", card.latin_name.clone().into());
    put("sex_code", card.sex_code.as_str().into());
    put("ethnicity_code", card.ethnicity_code.clone().into());
    put("birth_date", card.birth_text.as_str().into());
    put("address", card.address.clone().into());
    put("id_number", card.number.as_str().into());
    put("authority", card.authority.clone().into());
    put("valid_from", card.validity.from.as_str().into());
    put("valid_to", card.validity.to.as_str().into());
    put("pass_number", card.pass_number.clone().into());
    let count = match card.kind {
        CardKind::Foreigner2023 => "renewal_count",
        CardKind::Resident | CardKind::HmtResidencePermit | CardKind::Foreigner2017 => "issue_count",
    };
    put(count, card.issue_count.clone().into());
    put("nationality", card.nationality.clone().into());
    put("photo_len", card.photo.0.len().into());
    put("photo_sha256", digest.into());
}
