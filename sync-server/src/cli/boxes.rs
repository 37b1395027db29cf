//! `box`: the boxes that joined, and the end of one that was lost or stolen; also beside a running `serve`.

use std::process::ExitCode;

use clap::Subcommand;
use records::ids::DeviceId;
use records::time::WallTime;
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, chain, say};
use store::{By, DeviceRow};

use super::open::{about, beside};
use super::{AboutArgs, Place};
use crate::clinics;

/// What to do about boxes.
#[derive(Debug, Subcommand)]
pub(crate) enum BoxVerb {
    /// Tells the boxes that joined.
    List(AboutArgs),
    /// Answers a box no more, for ever: it was lost or stolen. What it brought stays; one whose data a person or this hub
    /// opens leaves them to the county's recovery key once it hears of this.
    Revoke {
        /// The box's number, as `list` and the box's own status page tell it.
        #[arg(value_name = "DEVICE")]
        device: DeviceId,
        #[command(flatten)]
        place: Place,
    },
}

impl BoxVerb {
    pub(super) fn wants_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Revoke { .. } => false,
        }
    }
}

pub(super) async fn run(verb: BoxVerb) -> Outcome {
    match verb {
        BoxVerb::List(args) => list(&args).await,
        BoxVerb::Revoke { device, place } => revoke(&place, device).await,
    }
}

async fn list(args: &AboutArgs) -> Outcome {
    let store = about(args).await?;
    let rows = store.devices(args.clinic.as_ref()).await;
    let rows = rows.map_err(|error| Failure::new(chain(&error)))?;
    if args.json {
        let boxes: Vec<Value> = rows.iter().map(told).collect();
        say(&json!({ "boxes": boxes }).to_string());
    } else {
        rows.iter().for_each(|row| say(&line(row)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(place: &Place, device: DeviceId) -> Outcome {
    let store = beside(place).await?;
    let revoked = clinics::revoke_box(&store, By::System, device).await;
    revoked.map_err(|error| Failure::new(chain(&error)))?;
    say(&format!("box {device} is not answered any more"));
    Ok(ExitCode::SUCCESS)
}

fn told(row: &DeviceRow) -> Value {
    json!({
        "box": row.device.to_string(),
        "clinic": row.clinic.as_str(),
        "name": row.name,
        "enrolled": row.enrolled.rfc3339(),
        "last_contact": row.last_contact.map(|at| at.rfc3339()),
        "revoked": row.revoked.map(|at| at.rfc3339()),
        "software": row.software,
    })
}

fn line(row: &DeviceRow) -> String {
    let at = |time: Option<WallTime>| time.map_or_else(|| "-".to_owned(), |at| at.rfc3339());
    let state = if row.revoked.is_some() {
        "revoked"
    } else {
        "served"
    };
    format!(
        "{}  {}  {state}  enrolled {}  last contact {}  {}  {}",
        row.device,
        row.clinic,
        row.enrolled.rfc3339(),
        at(row.last_contact),
        row.software,
        row.name
    )
}
