//! `release`: bundles that the hub keeps, and the plan by which boxes are offered one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, chain, say};
use store::{ReleaseRow, Store};

use super::Place;
use super::open::beside;
use crate::releases::{self, ReleaseError};
use crate::rollout::{LIMIT, Stage, Step};

/// What to do about releases.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseVerb {
    /// Checks a signed update bundle and keeps it; boxes are offered it by `release offer`.
    Add {
        /// The bundle.
        #[arg(value_name = "FILE.bundle")]
        file: PathBuf,
        /// File of the county's public key, against which the bundle is checked.
        #[arg(long, value_name = "FILE")]
        county_key: PathBuf,
        #[command(flatten)]
        common: ReleaseArgs,
    },
    /// Tells the releases, the plan, and how each box stands.
    List(ReleaseArgs),
    /// Begins to roll a release out: the clinics of the first stage are offered it at once.
    Offer {
        /// Version of the release.
        #[arg(value_name = "VERSION")]
        release: u64,
        /// A stage: codes of clinics with commas between them, or `rest` for all that no other stage names.
        #[arg(long = "stage", value_name = "CODE,…|rest", value_parser = stage, required = true)]
        stages: Vec<Stage>,
        /// Boxes that may go back before no further one is offered the release.
        #[arg(long, value_name = "N", default_value_t = LIMIT)]
        limit: u32,
        #[command(flatten)]
        common: ReleaseArgs,
    },
    /// Ends a pause, or opens the next stage.
    GoOn(ReleaseArgs),
    /// Offers the release to no further clinic.
    Pause(ReleaseArgs),
}

/// Arguments of every verb of releases.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    place: Place,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

fn stage(text: &str) -> Result<Stage, String> {
    if text == "rest" {
        return Ok(Stage::Rest);
    }
    let codes: Vec<&str> = text.split(',').map(str::trim).collect();
    match codes.iter().find(|code| code.is_empty()) {
        Some(_) => Err("codes of clinics with commas between them, or rest".to_owned()),
        None => Ok(Stage::Clinics(codes.into_iter().map(str::to_owned).collect())),
    }
}

impl ReleaseVerb {
    fn common(&self) -> &ReleaseArgs {
        match self {
            Self::Add { common, .. } | Self::Offer { common, .. } => common,
            Self::List(common) | Self::GoOn(common) | Self::Pause(common) => common,
        }
    }

    pub(super) fn wants_json(&self) -> bool {
        self.common().json
    }
}

pub(super) async fn run(verb: ReleaseVerb) -> Outcome {
    let json = verb.wants_json();
    let store = beside(&verb.common().place).await?;
    let told = act(&store, verb)
        .await
        .map_err(|error| Failure::new(chain(&error)))?;
    if json {
        say(&told.to_string());
    } else {
        for (key, value) in told.as_object().into_iter().flatten() {
            match value {
                Value::Array(lines) => lines.iter().for_each(|line| say(&format!("{key:<12}{line}"))),
                value => say(&format!("{key:<12}{value}")),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(store: &Store, verb: ReleaseVerb) -> Result<Value, ReleaseError> {
    Ok(match verb {
        ReleaseVerb::Add { file, county_key, .. } => {
            let (row, new) = releases::add(store, &file, &county_key).await?;
            json!({ "release": told(&row), "new": new })
        }
        ReleaseVerb::List(_) => list(store).await?,
        ReleaseVerb::Offer {
            release,
            stages,
            limit,
            ..
        } => step(&releases::begin(store, release, stages, limit).await?),
        ReleaseVerb::GoOn(_) => step(&releases::go_on(store).await?),
        ReleaseVerb::Pause(_) => {
            releases::pause(store).await?;
            json!({ "paused": true })
        }
    })
}

fn told(row: &ReleaseRow) -> Value {
    json!({ "version": row.version, "taken": row.taken.rfc3339(), "about": row.about })
}

fn step(step: &Step) -> Value {
    json!({
        "offered_now": step.offer,
        "run_it": step.run_it,
        "went_back": step.went_back,
        "stopped": step.is_stopped,
    })
}

async fn list(store: &Store) -> Result<Value, ReleaseError> {
    let now = releases::now(store).await?;
    let boxes: Vec<Value> = releases::boxes(store)
        .await?
        .into_iter()
        .map(|(device, report)| {
            json!({
                "box": device.name,
                "clinic": device.clinic.as_str(),
                "last_contact": device.last_contact.map(|at| at.rfc3339()),
                "running": report.map(|report| report.running),
                "on_trial": report.map(|report| report.on_trial),
                "went_back": report.and_then(|report| report.went_back).map(|(version, why)| {
                    json!({ "version": version, "why": format!("{why:?}") })
                }),
            })
        })
        .collect();
    let releases_kept: Vec<Value> = store.releases().await?.iter().map(told).collect();
    Ok(json!({
        "releases": releases_kept,
        "plan": now.as_ref().map(|(plan, _)| plan),
        "now": now.as_ref().map(|(_, now)| step(now)),
        "boxes": boxes,
    }))
}
