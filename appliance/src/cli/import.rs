//! `import`: takes lines of patients, visits and readings. The same line twice changes nothing.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use shell::verbs::{Failure, Outcome, chain, complain, say};
use store::ImportReport;

use super::ImportArgs;

/// Bytes read from the file at a time.
const READ_BYTES: usize = 1024 * 1024;

pub(super) async fn run(args: ImportArgs) -> Outcome {
    let began = Instant::now();
    let fault = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", args.file.display()));
    let file = File::open(&args.file).map_err(fault)?;
    let bytes = file.metadata().map_err(fault)?.len();
    let store = super::open::alone(&args.data).await?;
    let bar = shell::progress::bytes(bytes);
    let counted = Counted {
        file,
        bar: bar.clone(),
    };
    let lines = store::lines_of(BufReader::with_capacity(READ_BYTES, counted));
    let told = bar.clone();
    let taken = store
        .import(
            lines,
            Box::new(move |lines| told.set_message(format!("{lines} lines"))),
        )
        .await;
    bar.finish_and_clear();
    let report = taken.map_err(|error| {
        Failure::new(format!(
            "import of {} stopped: {}",
            shown(&args.file),
            chain(&error)
        ))
    })?;
    for (line, fault) in &report.faults {
        complain(&format!("line {line}: {fault}"));
    }
    if report.faults.len() < usize::try_from(report.refused).unwrap_or(usize::MAX) {
        complain(&format!(
            "{} lines refused in all; the rest is not listed",
            report.refused
        ));
    }
    tell(&args, &report, began.elapsed().as_secs_f64());
    Ok(if report.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn tell(args: &ImportArgs, report: &ImportReport, seconds: f64) {
    let ImportReport {
        lines,
        new,
        known,
        refused,
        ..
    } = report;
    if args.json {
        say(&object(report, seconds).to_string());
    } else {
        say(&format!(
            "{lines} lines: {new} new, {known} known, {refused} refused, in {seconds:.1} s"
        ));
    }
}

fn object(report: &ImportReport, seconds: f64) -> Value {
    let mut object = Map::new();
    object.insert("lines".to_owned(), json!(report.lines));
    object.insert("new".to_owned(), json!(report.new));
    object.insert("known".to_owned(), json!(report.known));
    object.insert("refused".to_owned(), json!(report.refused));
    object.insert("seconds".to_owned(), json!((seconds * 1000.0).round() / 1000.0));
    if report.refused > 0 {
        object.insert(
            "error".to_owned(),
            json!(format!("{} lines were refused", report.refused)),
        );
    }
    Value::Object(object)
}

/// Moves the bar by what is read.
struct Counted {
    file: File,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}
