//! `rekey`: gives the box a new device key. The old key vouches for it at the hub, so no token is needed, and what waits
//! for the hub goes there under the new one.

use std::process::ExitCode;

use shell::verbs::{Failure, Outcome, chain, say};

use super::RekeyArgs;
use crate::hub_link::change_key;

pub(super) async fn run(args: RekeyArgs) -> Outcome {
    let store = super::open::alone(&args.data).await?;
    let cable = link::Cable::default();
    let device = change_key(&store, &cable)
        .await
        .map_err(|error| Failure::new(format!("the key was not changed: {}", chain(&error))))?;
    say(&format!("the box is device {device} from its next start on"));
    Ok(ExitCode::SUCCESS)
}
