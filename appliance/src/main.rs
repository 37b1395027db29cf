//! The program of the clinic box; see `appliance --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    appliance::cli::main()
}
