//! The verbs of updates: `bundle`, `diff`. Both take a system from a card image, as `build` makes one or a card gave it
//! back.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use card::FileDevice;
use card::bundle::{self, Addressed, DataForms, Installed};
use card::difference;
use card::slots::Card;
use card::state::Version;
use clap::Args;
use image_builder::provision;
use image_builder::size::Size;
use serde_json::{Value, json};

use crate::Said;

/// The narrowest line that an update has to come over, in bits a second.
const LINE_BITS_PER_SECOND: u64 = 64_000;

/// Makes a signed update bundle of a card image's system, whole or as the difference from an older one.
#[derive(Args)]
pub(crate) struct BundleArguments {
    /// The image with the new system.
    new: PathBuf,
    /// The bundle's new file.
    out: PathBuf,
    /// The image with the system that the boxes run; without it the bundle is whole.
    #[arg(long)]
    from: Option<PathBuf>,
    /// The county whose boxes take the bundle.
    #[arg(long)]
    county: String,
    /// A board that the system starts on; may be given several times.
    #[arg(long = "hardware", required = true, value_name = "BOARD")]
    hardware: Vec<String>,
    /// The oldest form of data that the new system's program reads (`appliance update status` names all three).
    #[arg(long, value_name = "FORM")]
    data_oldest: u32,
    /// The newest form of data that it reads.
    #[arg(long, value_name = "FORM")]
    data_newest: u32,
    /// The form of data that it writes.
    #[arg(long, value_name = "FORM")]
    data_writes: u32,
    /// The file of the key that signs it, made by `image-builder key`.
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    packing: Packing,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tells what an update from one card image to another costs, whole and as a difference.
#[derive(Args)]
pub(crate) struct DiffArguments {
    /// The image with the system that the boxes run.
    old: PathBuf,
    /// The image with the new system.
    new: PathBuf,
    #[command(flatten)]
    packing: Packing,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
struct Packing {
    /// How hard to compress, 1 to 22.
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
}

/// Minutes over the narrowest line, its own overhead not counted.
#[expect(clippy::cast_precision_loss, reason = "a duration for a person")]
fn minutes(bytes: u64) -> f64 {
    let seconds = (bytes * 8) as f64 / LINE_BITS_PER_SECOND as f64;
    (seconds / 6.0).round() / 10.0
}

/// The system that ordinary starts of an image take, hash-clean.
fn system(image: &Path) -> Result<Installed> {
    let shown = || image.display().to_string();
    let device = FileDevice::open_to_read(image).with_context(shown)?;
    let mut card = Card::open(device).with_context(shown)?;
    let slot = card
        .selected()
        .with_context(shown)?
        .with_context(|| format!("{}: the image selects no system", image.display()))?;
    Installed::read(&mut card, slot)
        .with_context(shown)?
        .with_context(|| format!("{}: its system is not what was installed", image.display()))
}

fn in_order(old: Version, new: Version) -> Result<()> {
    if new <= old {
        bail!("the new image has version {new}, which is not above {old}: no box would take it");
    }
    Ok(())
}

pub(crate) fn bundle(arguments: &BundleArguments) -> Result<Said> {
    let key = provision::key(&arguments.key)?;
    let new = system(&arguments.new)?;
    let base = arguments.from.as_deref().map(system).transpose()?;
    if let Some(base) = &base {
        in_order(base.system.version, new.system.version)?;
    }
    let base_images = base.as_ref().map(Installed::images);
    let data = DataForms {
        oldest: arguments.data_oldest,
        newest: arguments.data_newest,
        writes: arguments.data_writes,
    };
    if !data.is_sound() {
        bail!("a program that does not read the data it writes: no box would take it");
    }
    let to = Addressed {
        county: &arguments.county,
        hardware: &arguments.hardware,
        data,
    };
    let bytes = bundle::make(
        &new.images(),
        base_images.as_ref(),
        &to,
        &key,
        arguments.packing.level,
    )?;
    write_new(&arguments.out, &bytes)?;
    let len = bytes.len() as u64;
    let (version, from) = (
        new.system.version.0,
        base.as_ref().map(|base| base.system.version.0),
    );
    let kind = from.map_or("whole".to_owned(), |from| {
        format!("the difference from version {from}")
    });
    Ok(Said {
        text: format!(
            "{}: version {version}, {kind}, {}, {} minutes at 64 kbit/s\n",
            arguments.out.display(),
            Size(len),
            minutes(len)
        ),
        object: json!({
            "version": version, "from": from, "county": arguments.county, "hardware": arguments.hardware,
            "bytes": len, "minutes_at_64k": minutes(len),
        }),
        is_well: true,
    })
}

/// A file that is there whole or not at all; none is written over.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.with_context(|| {
        // Half of it would only be refused later, by a box.
        let _ = fs::remove_file(path);
        format!("cannot write {}", path.display())
    })
}

pub(crate) fn diff(arguments: &DiffArguments) -> Result<Said> {
    let (old, new) = (system(&arguments.old)?, system(&arguments.new)?);
    in_order(old.system.version, new.system.version)?;
    let mut text = format!(
        "from version {} to {}\n{:<5} {:>12} {:>12} {:>12} {:>20}\n",
        old.system.version.0,
        new.system.version.0,
        "",
        "unpacked",
        "whole",
        "difference",
        "minutes at 64 kbit/s"
    );
    let mut object = json!({ "from": old.system.version.0, "to": new.system.version.0 });
    let mut sums = [0; 3];
    for (name, old, new) in [("boot", &old.boot, &new.boot), ("root", &old.root, &new.root)] {
        let whole = difference::make(new, &[], arguments.packing.level)?.len();
        let difference = difference::make(new, old, arguments.packing.level)?.len();
        let sizes = [new.len(), whole, difference].map(|len| len as u64);
        sums = [0, 1, 2].map(|at| sums[at] + sizes[at]);
        row(name, sizes, &mut text, &mut object);
    }
    row("sum", sums, &mut text, &mut object);
    Ok(Said {
        text,
        object,
        is_well: true,
    })
}

fn row(name: &str, [bytes, whole, difference]: [u64; 3], text: &mut String, object: &mut Value) {
    text.push_str(&format!(
        "{name:<5} {:>12} {:>12} {:>12} {:>20.1}\n",
        Size(bytes).to_string(),
        Size(whole).to_string(),
        Size(difference).to_string(),
        minutes(difference)
    ));
    object[name] = json!({
        "bytes": bytes, "whole": whole, "difference": difference,
        "minutes_at_64k": { "whole": minutes(whole), "difference": minutes(difference) },
    });
}
