//! `export`: writes patients out as lines of JSON. An imported record comes out as its original lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use shell::verbs::{Failure, Outcome, chain, complain};
use store::{AuditAct, By, ExportOf, Store};

use super::ExportArgs;

/// Path that stands for stdout.
const STDOUT: &str = "-";

/// Where lines go, and the first fault in writing them.
struct Sink {
    out: Box<dyn Write + Send>,
    fault: Option<std::io::Error>,
}

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let store = super::open::beside(&args.data).await?;
    let failed = |error: store::StoreError| Failure::new(format!("export stopped: {}", chain(&error)));
    let what = match &args.patient {
        None => ExportOf::All,
        Some(name) => match store.patient_named(name).await.map_err(failed)? {
            Some(patient) => ExportOf::Patient(patient),
            None => return Err(Failure::new(format!("no patient has the id {name}"))),
        },
    };
    note(&store, &what).await;
    let sink = Arc::new(Mutex::new(Sink {
        out: open(&args.path)?,
        fault: None,
    }));
    let bar = shell::progress::things();
    let (counted, taking) = (bar.clone(), Arc::clone(&sink));
    let written = store
        .export(
            what,
            Box::new(move |line| {
                counted.inc(1);
                let mut sink = taking.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = writeln!(sink.out, "{line}") {
                    sink.fault = Some(error);
                }
                sink.fault.is_none()
            }),
        )
        .await;
    bar.finish_and_clear();
    let lines = written.map_err(failed)?;
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = sink.fault.take();
    let flushed = fault.map_or(Ok(()), Err).and_then(|()| sink.out.flush());
    flushed.map_err(|error| Failure::new(format!("cannot write {}: {error}", args.path.display())))?;
    complain(&format!("{lines} lines written"));
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if path.as_os_str() == STDOUT {
        return Ok(Box::new(std::io::stdout()));
    }
    let file = File::create(path)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Who took records out stands in the audit log, also beside a running `serve`.
async fn note(store: &Store, what: &ExportOf) {
    let patient = match what {
        ExportOf::All => None,
        ExportOf::Patient(patient) => Some(*patient),
    };
    if let Err(error) = store.audit_note(By::System, AuditAct::Export, patient).await {
        complain(&format!(
            "the audit log did not take this export: {}",
            chain(&error)
        ));
    }
}
