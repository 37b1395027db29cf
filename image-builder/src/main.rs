//! The command line of the image builder.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its terminal"
)]

mod making;
mod terminal;
mod updating;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use card::technician::{self, MINUTES_MAX, Permit};
use card::{BlockDevice, FileDevice};
use clap::{Parser, Subcommand};
use image_builder::flashing::{Batch, Target, admit, block_map, refuse_twice};
use image_builder::ledger::Ledger;
use image_builder::media::Machine;
use image_builder::size::Size;
use image_builder::verify::{State, verify};
use image_builder::{inspect, media, provision};
use serde_json::{Value, json};

use crate::terminal::Bars;

/// Card images of the clinic box.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Lock(making::LockArguments),
    Plan(making::PlanArguments),
    Build(making::BuildArguments),
    Lint(making::LintArguments),
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
    /// Lists the disks of this machine: which may be a card, and why each other one is refused.
    Devices {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Writes an image to cards, several at once, and reads every byte back.
    ///
    /// Each card is first tried for a false capacity. What was on it is lost. The first block is written last: a
    /// card that is not ready does not start. Exit code 1 where a card is not ready.
    Flash {
        /// The image; its block map is IMAGE.map where that is there.
        image: PathBuf,
        /// A card as DEVICE:CODE, the code as `devices` shows it; may be given several times.
        #[arg(long = "card", required = true)]
        cards: Vec<Target>,
        /// Another block map.
        #[arg(long)]
        map: Option<PathBuf>,
        /// The ledger that gets a line for each card.
        #[arg(long, default_value = "cards.jsonl")]
        ledger: PathBuf,
        /// Write a card that is ready already once more.
        #[arg(long)]
        again: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes a key that signs identity rows and update bundles: the secret in FILE, its public half in FILE.pub.
    Key {
        /// The new file.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Gives flashed cards to the clinics of a table, and prints labels and hand-over sheets.
    ///
    /// The table is checked whole before a card is touched. A clinic's row or a card that was given out is refused.
    /// Exit code 1 where a card is not ready.
    Provision(provision::Call),
    /// Writes the recovery key of a card's encrypted data to a new file, with which `cryptsetup` opens them.
    ///
    /// The card is only read. The key opens this one card's data.
    Recover {
        /// The card's device file, or an image of it.
        device: PathBuf,
        /// The new file for the recovery key.
        out: PathBuf,
        /// The file of the county's key, made by `image-builder key`.
        #[arg(long)]
        key: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes a permit that opens one clinic's box to a technician's SSH key for some minutes of its running.
    ///
    /// The file goes onto a stick as `technician.permit`, or onto the card's first partition as `clinic/permit`.
    Technician {
        /// The new file.
        out: PathBuf,
        /// Code of the county, as the rows of its cards name it.
        #[arg(long)]
        county: String,
        /// Code of the clinic whose box is opened.
        #[arg(long)]
        clinic: String,
        /// The file of the technician's SSH public key (ssh-ed25519).
        #[arg(long)]
        ssh_key: PathBuf,
        /// Minutes for which the box lets the key in, counted while it runs; its clock plays no part.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=i64::from(MINUTES_MAX)))]
        minutes: u32,
        /// The file of the county's key, made by `image-builder key`.
        #[arg(long)]
        key: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    Bundle(updating::BundleArguments),
    Diff(updating::DiffArguments),
    /// Compares a card with its image again, and tells traces of a computer that mounted it from damage.
    ///
    /// Exit code 1 where the card is damaged.
    Verify {
        /// The card's device file, or a file.
        device: PathBuf,
        /// The image that was written.
        #[arg(long)]
        image: PathBuf,
        /// Another block map than IMAGE.map.
        #[arg(long)]
        map: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What a verb has to say: lines for a person, one object for a script, and whether all is well.
struct Said {
    text: String,
    object: Value,
    is_well: bool,
}

fn main() -> ExitCode {
    let (json, said) = match Arguments::parse().verb {
        Verb::Lock(arguments) => (arguments.json, making::lock(&arguments)),
        Verb::Plan(arguments) => (arguments.json, making::plan(&arguments)),
        Verb::Build(arguments) => (arguments.json, making::build(&arguments)),
        Verb::Lint(arguments) => (arguments.json, making::lint(&arguments)),
        Verb::Inspect { file, json } => (json, look_into(&file)),
        Verb::Devices { json } => (json, list()),
        Verb::Flash {
            image,
            cards,
            map,
            ledger,
            again,
            json,
        } => (json, write(&image, cards, map.as_deref(), &ledger, again)),
        Verb::Verify {
            device,
            image,
            map,
            json,
        } => (json, compare(&device, &image, map.as_deref())),
        Verb::Key { file, json } => (json, make_key(&file)),
        Verb::Provision(call) => (call.json, give(&call)),
        Verb::Recover {
            device,
            out,
            key,
            json,
        } => (json, recover(&device, &out, &key)),
        Verb::Technician {
            out,
            county,
            clinic,
            ssh_key,
            minutes,
            key,
            json,
        } => (json, permit(&out, [&county, &clinic], &ssh_key, minutes, &key)),
        Verb::Bundle(arguments) => (arguments.json, updating::bundle(&arguments)),
        Verb::Diff(arguments) => (arguments.json, updating::diff(&arguments)),
    };
    match &said {
        Ok(said) if json => println!("{}", said.object),
        Ok(said) => print!("{}", said.text),
        Err(error) if json => println!("{}", json!({ "error": format!("{error:#}") })),
        Err(error) => eprintln!("image-builder: {error:#}"),
    }
    match said {
        Ok(Said { is_well: true, .. }) => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

fn look_into(file: &Path) -> Result<Said> {
    let inspection = inspect::inspect(file)?;
    Ok(Said {
        text: inspection.to_text(),
        object: inspection.to_json(),
        is_well: !inspection.cut_short(),
    })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn disks() -> Result<Vec<media::Disk>> {
    Machine::at(Path::new("/"))
        .disks()
        .context("cannot list the disks of this machine")
}

fn list() -> Result<Said> {
    let disks = disks()?;
    let mut text = String::new();
    // What the system made up is nobody's card; a script still gets it.
    for disk in disks.iter().filter(|disk| disk.bus != media::Bus::Virtual) {
        let size = if disk.bytes == 0 {
            "-".to_owned()
        } else {
            Size(disk.bytes).to_string()
        };
        let state = match disk.refusals.as_slice() {
            [] => format!("may be written as {}:{}", disk.path.display(), disk.check_code()),
            refusals => {
                let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                format!("refused: {}", reasons.join("; "))
            }
        };
        text.push_str(&format!(
            "{:<14} {size:>9}  {:<20} {state}\n",
            disk.path.display(),
            disk.model
        ));
    }
    if !disks.iter().any(media::Disk::is_offered) {
        text.push_str("No card found. Put one into the reader and ask again.\n");
    }
    let objects: Vec<Value> = disks
        .iter()
        .map(|disk| {
            let refusals: Vec<Value> = disk
                .refusals
                .iter()
                .map(|refusal| json!({ "why": refusal, "text": refusal.to_string() }))
                .collect();
            json!({
                "path": disk.path, "bytes": disk.bytes, "bus": disk.bus, "model": disk.model,
                "serial": disk.serial, "code": disk.check_code(), "offered": disk.is_offered(),
                "refusals": refusals,
            })
        })
        .collect();
    Ok(Said {
        text,
        object: json!({ "devices": objects }),
        is_well: true,
    })
}

fn write(image: &Path, targets: Vec<Target>, map: Option<&Path>, ledger: &Path, again: bool) -> Result<Said> {
    refuse_twice(&targets)?;
    let disks = disks()?;
    // All are admitted before the first is written: a slip in one name is noticed while nothing was done.
    let cards = targets
        .into_iter()
        .map(|target| admit(&target, &disks).map(|card| (target, card)))
        .collect::<Result<Vec<_>>>()?;
    let map = block_map(image, map)?;
    let bars = Bars::new(cards.len());
    let batch = Batch {
        image,
        map: &map,
        ledger: Mutex::new(Ledger::open(ledger).with_context(|| ledger.display().to_string())?),
        again,
    };
    let outcomes = batch.run(cards, now, rand::random, |path| bars.of(path));
    let ready = outcomes.iter().filter(|outcome| outcome.word == "ready").count();
    let mut text: String = outcomes
        .iter()
        .map(|outcome| format!("{}: {}\n", outcome.path.display(), outcome.sentence))
        .collect();
    text.push_str(&format!(
        "{ready} of {} cards ready, {} written and verified on each\n",
        outcomes.len(),
        Size(map.mapped_bytes())
    ));
    let cards: Vec<Value> = outcomes
        .iter()
        .map(|outcome| json!({ "path": outcome.path, "result": outcome.word, "text": outcome.sentence }))
        .collect();
    Ok(Said {
        text,
        object: json!({
            "cards": cards, "ready": ready, "image": hex::encode(map.image_hash()),
            "image_bytes": map.image_bytes(), "mapped_bytes": map.mapped_bytes(),
        }),
        is_well: ready == outcomes.len(),
    })
}

fn make_key(file: &Path) -> Result<Said> {
    let public = provision::make_key(file, &rand::random())?;
    Ok(Said {
        text: format!("{public}\n"),
        object: json!({ "public": public }),
        is_well: true,
    })
}

fn give(call: &provision::Call) -> Result<Said> {
    let disks = if call.cards.is_empty() {
        Vec::new()
    } else {
        disks()?
    };
    let draw = || card::identity::Drawn {
        wifi: rand::random(),
        code: rand::random(),
        signature: rand::random(),
    };
    let (clinics, outcomes) = provision::run(call, &disks, now, draw)?;
    let (text, object) = provision::said(clinics, &outcomes);
    Ok(Said {
        text,
        object,
        is_well: outcomes.iter().all(|outcome| outcome.word == "provisioned"),
    })
}

fn recover(device: &Path, out: &Path, key: &Path) -> Result<Said> {
    let recovered = image_builder::recover::recover(device, &provision::key(key)?)?;
    provision::write_secret(out, recovered.text.as_bytes())?;
    let (at, out) = (recovered.extent.at, out.display());
    Ok(Said {
        text: format!(
            "The recovery key is in {out}. The data begin at byte {at} of the card (partition 7); open them with\n  cryptsetup open --key-file {out} PARTITION clinic-data\n"
        ),
        object: json!({ "at": at, "bytes": recovered.extent.len }),
        is_well: true,
    })
}

fn permit(out: &Path, [county, clinic]: [&str; 2], ssh_key: &Path, minutes: u32, key: &Path) -> Result<Said> {
    let shown = || ssh_key.display().to_string();
    let text = std::fs::read_to_string(ssh_key).with_context(shown)?;
    let permit = Permit::new(county, clinic, &text, minutes, rand::random()).with_context(shown)?;
    let sealed = permit.seal(&provision::key(key)?);
    updating::write_new(out, sealed.as_bytes())?;
    let number = &permit.number;
    Ok(Said {
        text: format!(
            "{}: permit {number} opens the box of clinic {clinic} for {minutes} minutes of its running\nOnto a stick as {}, then into the box.\n",
            out.display(),
            technician::FILE,
        ),
        object: json!({ "number": number, "county": county, "clinic": clinic, "minutes": minutes }),
        is_well: true,
    })
}

fn compare(device: &Path, image: &Path, map: Option<&Path>) -> Result<Said> {
    let map = block_map(image, map)?;
    let mut card =
        FileDevice::open_to_read(device).with_context(|| format!("cannot open {}", device.display()))?;
    let bars = Bars::new(1);
    let state = verify(
        &mut card,
        image,
        &map,
        &mut bars.verifying(device, map.mapped_bytes()),
    )?;
    let (word, text, list) = match &state {
        State::Whole => (
            "whole",
            "The card is whole: every byte of the image is there.\n".to_owned(),
            Vec::new(),
        ),
        State::Touched { traces } => (
            "touched",
            format!(
                "The system on the card is whole. A computer that mounted it left: {}.\n",
                traces.join(", ")
            ),
            traces.clone(),
        ),
        State::Damaged { places } => (
            "damaged",
            format!(
                "The card is damaged: {}. Write it again, or take another one.\n",
                places.join("; ")
            ),
            places.clone(),
        ),
    };
    Ok(Said {
        text,
        object: json!({ "state": word, "details": list, "bytes": card.capacity() }),
        is_well: !matches!(state, State::Damaged { .. }),
    })
}
