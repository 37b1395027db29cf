//! `box`: the boxes that joined, and the end of one that was lost or stolen; also beside a running `serve`.

use std::process::ExitCode;

use clap::Subcommand;
use records::ids::{ClinicCode, DeviceId};
use records::time::WallTime;
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, chain, say};
use store::{By, DeviceRow};

use super::Place;
use super::open::beside;
use crate::clinics;

/// What to do about boxes.
#[derive(Debug, Subcommand)]
pub(crate) enum BoxVerb {
    /// Tells the boxes that joined.
    List {
        #[command(flatten)]
        place: Place,
        /// Only those of this clinic.
        #[arg(long, value_name = "CODE")]
        clinic: Option<ClinicCode>,
        /// Prints one object as the last line.
        #[arg(long)]
        json: bool,
    },
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
            Self::List { json, .. } => *json,
            Self::Revoke { .. } => false,
        }
    }
}

pub(super) async fn run(verb: BoxVerb) -> Outcome {
    match verb {
        BoxVerb::List { place, clinic, json } => list(&place, clinic.as_ref(), json).await,
        BoxVerb::Revoke { device, place } => revoke(&place, device).await,
    }
}

async fn list(place: &Place, clinic: Option<&ClinicCode>, json: bool) -> Outcome {
    let store = beside(place).await?;
    if let Some(code) = clinic {
        let known = clinics::find(&store, code).await;
        known.map_err(|error| Failure::new(chain(&error)))?;
    }
    let rows = store.devices(clinic).await;
    let rows = rows.map_err(|error| Failure::new(chain(&error)))?;
    if json {
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
