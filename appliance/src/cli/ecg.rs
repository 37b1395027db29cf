//! `ecg`: measures a record. Nothing that it prints is a diagnosis.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ecg::measure::{Measurements, measure};
use ecg::wfdb::{Header, Recording, Warning, read, read_header};
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, complain, say};

use super::EcgArgs;

/// Largest file of a record that is read.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) fn run(args: EcgArgs) -> Outcome {
    let recording = read_record(&args.record)?;
    let measured = measure(&recording.waveform);
    for warning in warnings(&recording, &measured) {
        complain(&format!("warning: {warning}"));
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, drawing(&recording, &measured))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    }
    if args.beats {
        for beat in &measured.beats {
            say(&beat.to_string());
        }
    } else if args.json {
        say(&object(&recording, &measured).to_string());
    } else {
        tell(&recording, &measured);
    }
    Ok(ExitCode::SUCCESS)
}

fn drawing(recording: &Recording, measured: &Measurements) -> String {
    let rate = measured.heart_rate_per_min;
    let description = rate.map_or("heart rate not measurable".to_owned(), |rate| {
        format!("heart rate {rate:.0} /min")
    });
    let texts = ecg::draw::DrawTexts {
        id: "ecg",
        title: "ECG",
        description: &description,
        gap: "not recorded",
        clipped: "clipped",
        lead_off: "lead off",
        missing_lead: "no such lead",
        filter: "filter",
        unfiltered: "unfiltered",
        footer: &[&description, "measured automatically, no diagnosis"],
    };
    ecg::draw::svg(&recording.waveform, &ecg::draw::DrawOptions::default(), &texts)
}

fn read_record(path: &Path) -> Result<Recording, Failure> {
    let header_path = if path.extension().is_some_and(|ending| ending == "hea") {
        path.to_owned()
    } else {
        let mut name = path.as_os_str().to_owned();
        name.push(".hea");
        PathBuf::from(name)
    };
    let text = String::from_utf8_lossy(&read_file(&header_path)?).into_owned();
    let shown = header_path.display();
    let fault = |error| Failure::new(format!("record {shown}: {}", shell::verbs::chain(&error)));
    let header: Header = read_header(&text).map_err(fault)?;
    let folder = header_path.parent().unwrap_or(Path::new("."));
    read(&header, |name| {
        let plain = Path::new(name).file_name().is_some_and(|file| file == name);
        // A header must not lead to files elsewhere.
        if !plain {
            return Err("its name is no plain file name".to_owned());
        }
        read_file(&folder.join(name)).map_err(|failure| failure.sentence)
    })
    .map_err(fault)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let fault = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    if std::fs::metadata(path).map_err(fault)?.len() > FILE_BYTES_MAX {
        return Err(Failure::new(format!("{} is larger than 256 MiB", path.display())));
    }
    std::fs::read(path).map_err(fault)
}

fn warnings(recording: &Recording, measured: &Measurements) -> Vec<String> {
    let name = |place: usize| {
        recording
            .waveform
            .leads()
            .get(place)
            .map_or_else(|| place.to_string(), |lead| lead.name.to_string())
    };
    let read = recording.warnings.iter().map(|warning| match warning {
        Warning::Checksum(place) => format!(
            "lead {}: the samples do not add up to the header's checksum",
            name(*place)
        ),
        Warning::InitialValue(place) => {
            format!(
                "lead {}: the first sample is not the header's initial value",
                name(*place)
            )
        }
    });
    let limbs = measured
        .limbs
        .iter()
        .filter(|limb| !limb.is_consistent())
        .map(|limb| {
            format!(
                "lead {} does not follow from I and II (off by {:.0} uV rms)",
                limb.lead, limb.rms_uv
            )
        });
    let swapped = (measured.arms_maybe_swapped == Some(true))
        .then(|| "lead I points against V6: the arm electrodes may be swapped".to_owned());
    read.chain(limbs).chain(swapped).collect()
}

/// The object of `--json`: null = not measurable.
fn object(recording: &Recording, measured: &Measurements) -> Value {
    let waveform = &recording.waveform;
    let leads: Vec<&str> = waveform.leads().iter().map(|lead| lead.name.as_str()).collect();
    let rr = measured.rr.map(|rr| {
        json!({ "count": rr.count, "mean": rr.mean_ms, "min": rr.min_ms, "max": rr.max_ms, "rmssd": rr.rmssd_ms })
    });
    json!({
        "fs_hz": number(waveform.rate().hz()),
        "samples": waveform.len(),
        "leads": leads,
        "heart_rate_per_min": measured.heart_rate_per_min,
        "beats": measured.beats.len(),
        "rr_ms": rr,
        "gaps": waveform.marks().iter().filter(|mark| mark.kind == ecg::model::MarkKind::Gap).count(),
        "clipped": waveform.marks().iter().filter(|mark| mark.kind == ecg::model::MarkKind::Clipped).count(),
        "arms_maybe_swapped": measured.arms_maybe_swapped,
        "warnings": warnings(recording, measured),
    })
}

/// A whole number as one, so that 500 Hz is 500.
fn number(value: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number of at most 100,000"
    )]
    let whole = value as i64;
    if value.fract() == 0.0 {
        json!(whole)
    } else {
        json!(value)
    }
}

fn tell(recording: &Recording, measured: &Measurements) {
    let waveform = &recording.waveform;
    let leads: Vec<&str> = waveform.leads().iter().map(|lead| lead.name.as_str()).collect();
    say(&format!("rate          {} Hz", waveform.rate()));
    say(&format!(
        "length        {:.1} s, {} samples",
        waveform.seconds(),
        waveform.len()
    ));
    say(&format!("leads         {}", leads.join(" ")));
    match measured.heart_rate_per_min {
        Some(rate) => say(&format!(
            "heart rate    {rate:.0} /min ({} beats)",
            measured.beats.len()
        )),
        None => say("heart rate    not measurable"),
    }
}
