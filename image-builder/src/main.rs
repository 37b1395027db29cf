//! The command line of the image builder.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Card images of the clinic box.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows the partition table, the file systems and the sizes of a disk image.
    ///
    /// Exit code 1 where the image is cut short or is no image.
    Inspect {
        /// The image.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Inspect { file, json } => match image_builder::inspect::inspect(&file) {
            Ok(inspection) => {
                if json {
                    println!("{}", inspection.to_json());
                } else {
                    print!("{}", inspection.to_text());
                }
                if inspection.cut_short() {
                    ExitCode::FAILURE
                } else {
                    ExitCode::SUCCESS
                }
            }
            Err(error) => {
                if json {
                    println!("{}", serde_json::json!({ "error": format!("{error:#}") }));
                } else {
                    eprintln!("image-builder: {error:#}");
                }
                ExitCode::FAILURE
            }
        },
    }
}
