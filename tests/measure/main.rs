//! Measures what was promised: each figure with its baseline from the same run, its target, and whether it holds.
//!
//! Without names every measurement runs, at full size; `--short` takes sizes for each run of the tests. The programs
//! of the build beside this one are measured: `cargo build --release`, then `cargo run --release -p tests --bin measure`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a measurement prints, and fails by panicking"
)]

mod blob;
mod boxes;
mod commits;
mod counties;
mod disk;
mod figures;
mod import;
mod kills;
mod narrow;
mod pages;
mod paint;
mod peers;
mod power;
mod restored;
mod rows;
mod search;
mod start;
mod urgent;
mod wire;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use figures::Figure;
use harness::workload::Workload;

/// Measures what was promised: what, measured, baseline in the same run, target, holds.
#[derive(Debug, Parser)]
#[command(name = "measure")]
struct Arguments {
    /// What to measure; everything where nothing is named.
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Name>,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
    /// Small sizes, and no judgement of times: for each run of the tests.
    #[arg(long)]
    short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Name {
    /// Import of a panel with ten years of history.
    Import,
    /// Patient pages and search over HTTP on that panel, and the rows behind them.
    Pages,
    /// Bytes on the disk on that panel.
    Disk,
    /// Durable single commits against bare SQLite.
    Commits,
    /// Finding a person among 50,000.
    Search,
    /// Process start to the first page.
    Start,
    /// The process killed under load: what it had acknowledged, and what of it is lost.
    Kills,
    /// Real programs over a line of 64 kbit/s with loss, and over one on which full packets vanish.
    Narrow,
    /// A large blob over a very narrow line that is cut again and again.
    Blob,
    /// A county's boxes that reconnect within a minute.
    Boxes,
    /// Bytes on the link: first fill, nothing new, a working day.
    Wire,
    /// The same clinic and day by other programs, fetched by npm: only where it is named.
    Peers,
    /// A hub that went back seven days, and a contact with nothing new, for a box with ten years of old sessions.
    RestoredHub,
    /// Power cuts while a store writes, and what they lose.
    Powercut,
    /// Simulated counties.
    Counties,
}

/// The panel on which figures are promised.
const PANEL: Workload = Workload {
    patients: 5_000,
    years: 10,
    visits: 6,
    seed: 1,
};
/// A panel for each run of the tests.
const SHORT_PANEL: Workload = Workload {
    patients: 200,
    years: 1,
    visits: 6,
    seed: 1,
};

/// People among whom one is searched.
const PEOPLE: Workload = Workload {
    patients: 50_000,
    ..PANEL
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |name: Name| arguments.names.is_empty() || arguments.names.contains(&name);
    let panel = if arguments.short { SHORT_PANEL } else { PANEL };
    let mut figures = Vec::new();
    if [Name::Import, Name::Pages, Name::Disk].into_iter().any(wanted) {
        let folder = tempfile::tempdir().unwrap();
        let imported = import::import(panel, folder.path());
        if wanted(Name::Import) {
            figures.extend(import::figures(panel, &imported));
        }
        if wanted(Name::Disk) {
            figures.extend(disk::figures(&folder.path().join(import::DATA), arguments.short));
        }
        if wanted(Name::Pages) {
            figures.extend(pages::figures(panel, folder.path()));
        }
    }
    if wanted(Name::Commits) {
        figures.extend(commits::figures(arguments.short));
    }
    if wanted(Name::Search) {
        figures.extend(search::figures(if arguments.short {
            SHORT_PANEL
        } else {
            PEOPLE
        }));
    }
    if wanted(Name::Start) {
        figures.extend(start::figures());
    }
    if wanted(Name::Kills) {
        figures.extend(kills::figures(arguments.short));
    }
    if wanted(Name::Narrow) {
        figures.extend(narrow::figures(panel, arguments.short));
        figures.extend(urgent::figures(arguments.short));
    }
    if wanted(Name::Blob) {
        figures.extend(blob::figures(arguments.short));
    }
    if wanted(Name::Wire) {
        figures.extend(wire::figures(panel, !arguments.short));
    }
    if arguments.names.contains(&Name::Peers) {
        figures.extend(peers::figures(panel));
    }
    if wanted(Name::Boxes) {
        figures.extend(boxes::figures(arguments.short));
    }
    if wanted(Name::RestoredHub) {
        figures.extend(restored::figures(!arguments.short));
    }
    if wanted(Name::Powercut) {
        figures.extend(power::figures(arguments.short));
    }
    if wanted(Name::Counties) {
        figures.extend(counties::figures(arguments.short));
    }
    if arguments.short {
        figures.iter_mut().for_each(Figure::judge_no_time);
    }
    let fails = figures
        .iter()
        .filter(|figure| figure.holds == Some(false))
        .count();
    if arguments.json {
        println!("{}", figures::object(&figures));
    } else {
        figures::print(&figures);
    }
    if fails == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
