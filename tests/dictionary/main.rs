//! Makes the dictionary with which logs are compressed, from data folders that hold made-up records only:
//! what stands in it stands in every program.
//!
//! The one in use is fixed, since logs that are held need it. A better one becomes a new file under a new number
//! (`store/src/log/body.rs`). That of the first release: `gen.py --patients 400 --years 2 --visits 6 --seed 4711`
//! imported, and box and hub of a demo with its seeded village.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool prints, and fails by panicking"
)]

use std::path::PathBuf;

use clap::Parser;

/// Bytes of the dictionary.
const BYTES: usize = 128 * 1024;
/// Most bytes of operations from which it is made.
const SAMPLED_MAX: usize = 64 * 1024 * 1024;

/// Makes the dictionary with which logs are compressed.
#[derive(Debug, Parser)]
#[command(name = "dictionary")]
struct Arguments {
    /// Where it goes.
    #[arg(long)]
    out: PathBuf,
    /// Data folders of boxes and hubs with made-up records.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    let mut samples: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for folder in &arguments.folders {
        store::each_stream(folder, &mut |stream| {
            if bytes + stream.len() <= SAMPLED_MAX {
                bytes += stream.len();
                samples.push(stream);
            }
        })
        .unwrap();
    }
    let dictionary = zstd::dict::from_samples(&samples, BYTES).unwrap();
    println!(
        "{} changes, {bytes} bytes of operations, dictionary of {}",
        samples.len(),
        dictionary.len()
    );
    std::fs::write(&arguments.out, dictionary).unwrap();
}
