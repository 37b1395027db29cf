//! Keeps the files of this release; see `README.md`.

use std::io::Read as _;

use clap::Parser;

/// Makes `tests/compat/releases/NAME` from the lines of a made-up clinic on standard input.
#[derive(Parser)]
struct Arguments {
    /// Name of the release.
    name: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { name } = Arguments::parse();
    let mut lines = Vec::new();
    std::io::stdin().read_to_end(&mut lines)?;
    compat::release::keep(&name, lines).await?;
    Ok(())
}
