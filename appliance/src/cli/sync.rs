//! `sync --once`: one exchange with the hub, and what went over the wire.

use std::process::ExitCode;
use std::time::Duration;

use link::client::{ClientOptions, SyncReport, sync_once};
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, chain, say};

use super::SyncArgs;

pub(super) async fn run(args: SyncArgs) -> Outcome {
    let store = super::open::alone(&args.data).await?;
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::new(format!("no exchange: {}", chain(error)));
    if store.enrolment().await.map_err(|error| failed(&error))?.is_none() {
        return Err(Failure::new(
            "this box has not enrolled at a hub yet; use appliance enroll first",
        ));
    }
    let options = ClientOptions {
        gather: Duration::ZERO,
        ..crate::hub_link::client_options(None, None)
    };
    let report = sync_once(&store, args.hub.as_deref(), &options)
        .await
        .map_err(|error| failed(&error))?;
    if args.json {
        say(&object(&report).to_string());
    } else {
        say(&format!(
            "{} changes and {} blobs sent, {} changes received, {} wait; {} bytes up, {} down, {:.1} s",
            report.changes_sent,
            report.blobs_sent,
            report.changes_received,
            report.pending,
            report.bytes_up,
            report.bytes_down,
            report.seconds
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn object(report: &SyncReport) -> Value {
    json!({
        "bytes_up": report.bytes_up,
        "bytes_down": report.bytes_down,
        "audit_bytes": report.audit_bytes,
        "round_trips": report.round_trips,
        "changes_sent": report.changes_sent,
        "changes_received": report.changes_received,
        "blobs_sent": report.blobs_sent,
        "pending": report.pending,
        "fingerprint": hex::encode(report.fingerprint),
        "seconds": (report.seconds * 1000.0).round() / 1000.0,
    })
}
