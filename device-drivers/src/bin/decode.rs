//! Reads bytes of a device from standard input and prints one JSON object a line for each event.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use device_drivers::decode::{Subject, decode};
use device_drivers::framing::Direction;

/// Most bytes of input: far above any trace, far below the machine's memory.
const INPUT_MAX: u64 = 64 << 20;

/// Decodes the bytes of a device: bytes on standard input, one JSON object a line on standard output, each with
/// the key "event": reading, progress, wave, status, command, out_of_range, device_error or reject.
#[derive(Parser)]
#[command(name = "decode")]
struct Arguments {
    /// Key of the device, as in the catalogue; gb11643 judges a citizen number given as text.
    #[arg(long)]
    device: String,
    /// Whose bytes they are.
    #[arg(long, value_enum, default_value_t = Speaker::Device)]
    direction: Speaker,
    /// One JSON object a line (this is the only form; the switch is there for scripts).
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Speaker {
    Device,
    Host,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let subject = match Subject::from_key(&arguments.device) {
        Ok(subject) => subject,
        Err(problem) => return usage(&problem.to_string()),
    };
    match run(&arguments, subject) {
        Ok(code) => code,
        Err(problem) => {
            complain(&format!("{problem:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, subject: Subject) -> anyhow::Result<ExitCode> {
    let from = match arguments.direction {
        Speaker::Device => Direction::FromDevice,
        Speaker::Host => Direction::FromHost,
    };
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(INPUT_MAX)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    let events = match decode(subject, from, &bytes) {
        Ok(events) => events,
        Err(problem) => return Ok(usage(&problem.to_string())),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for event in events {
        writeln!(out, "{event}").context("cannot write standard output")?;
    }
    out.flush().context("cannot write standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn usage(problem: &str) -> ExitCode {
    complain(problem);
    ExitCode::from(2)
}

#[expect(clippy::print_stderr, reason = "a program speaks to its user")]
fn complain(problem: &str) {
    eprintln!("decode: {problem}");
}
