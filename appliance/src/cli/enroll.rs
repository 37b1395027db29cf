//! `enroll`: joins the box to a hub by a one-time token, which never stands on a command line.

use shell::verbs::{Failure, Outcome, chain, say};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use super::EnrollArgs;
use crate::hub_link::join;

/// Path that stands for stdin.
const STDIN: &str = "-";
/// Longest token or certificate that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

pub(super) async fn run(args: EnrollArgs) -> Outcome {
    let token = read(&args.token_file, "token")?;
    let hub_ca = args
        .hub_ca
        .as_deref()
        .map(|path| read(path, "hub CA"))
        .transpose()?;
    let store = super::open::alone(&args.data).await?;
    let cable = link::Cable::default();
    let joined = join(&store, &args.hub, token.trim(), hub_ca.as_deref(), &cable).await;
    joined.map_err(|error| Failure::new(format!("not enrolled: {}", chain(&error))))?;
    let clinic = store.clinic().await.ok().flatten();
    say(&format!(
        "enrolled at {} as clinic {}",
        args.hub,
        clinic.map_or_else(String::new, |code| code.as_str().to_owned())
    ));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path, what: &str) -> Result<String, Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(format!("cannot read the {what} from {}: {error}", path.display()))
    };
    let mut text = String::new();
    if path.as_os_str() == STDIN {
        std::io::stdin()
            .take(BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(fault)?;
    } else {
        std::fs::File::open(path)
            .map_err(fault)?
            .take(BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(fault)?;
    }
    if text.trim().is_empty() {
        return Err(Failure::new(format!("the {what} in {} is empty", path.display())));
    }
    Ok(text)
}
