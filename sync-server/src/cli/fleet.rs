//! `clinic add`, `staff add`, `token`, `ca`: what a county sets up, also beside a running `serve`.

use std::process::ExitCode;

use serde_json::json;
use shell::verbs::{Failure, Outcome, chain, say};
use store::By;

use super::open::{beside, beside_or_new};
use super::{ClinicAddArgs, DataArgs, StaffAddArgs, TokenArgs};
use crate::running::DESK_URL;
use crate::staff::{Place, place_of};
use crate::{clinics, staff};

pub(super) async fn add_clinic(args: ClinicAddArgs) -> Outcome {
    let store = beside_or_new(&args.place).await?;
    let added = clinics::add(&store, &args.code, &args.name).await;
    let new = added.map_err(|error| Failure::new(chain(&error)))?;
    if args.county {
        let made = store.make_county(&args.code).await;
        made.map_err(|error| Failure::new(chain(&error)))?;
    }
    let done = if new {
        "added"
    } else {
        "was there; its name was set"
    };
    say(&format!("clinic {} {done}", args.code));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn add_staff(args: StaffAddArgs) -> Outcome {
    let store = beside_or_new(&args.place).await?;
    let added = staff::add(&store, By::System, args.role, &args.name, args.clinic.as_ref()).await;
    let one_time = added.map_err(|error| Failure::new(chain(&error)))?;
    // Staff of a clinic sign in at its box, whose address the hub does not know.
    let url = match place_of(args.role) {
        Place::County => store
            .setting(DESK_URL)
            .await
            .map_err(|error| Failure::new(chain(&error)))?,
        Place::Clinic | Place::Nowhere => None,
    };
    if args.json {
        say(&json!({ "user": one_time.user, "password": one_time.password, "url": url }).to_string());
    } else {
        say(&format!("user      {}", one_time.user));
        say(&format!("password  {}", one_time.password));
        say(&format!(
            "url       {}",
            url.as_ref().and_then(|url| url.as_str()).unwrap_or("-")
        ));
        say("the password must be changed at the first sign-in");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn token(args: TokenArgs) -> Outcome {
    let store = beside(&args.place).await?;
    let token = clinics::new_token(&store, &args.clinic).await;
    say(&token.map_err(|error| Failure::new(chain(&error)))?);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn ca(args: DataArgs) -> Outcome {
    let store = beside_or_new(&args.place).await?;
    let ca = clinics::open_ca(&store).map_err(|error| Failure::new(chain(&error)))?;
    say(ca.pem().trim_end());
    Ok(ExitCode::SUCCESS)
}
