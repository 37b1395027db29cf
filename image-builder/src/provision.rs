//! `provision`: gives each flashed card to one clinic of a table, and prints what the technician takes along.

pub mod onto;
pub mod rows;
pub mod sheets;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use card::FileDevice;
use card::identity::{Drawn, Row};
use card::protection::Protection;
use card::signed::SecretKey;
use serde_json::{Value, json};

use crate::flashing::{Target, admit, refuse_twice};
use crate::ledger::{Card, Ledger};
use crate::media::Disk;
use crate::provision::onto::ProvisionFault;
use crate::provision::rows::{Common, Line};
use crate::provision::sheets::Made;

/// Largest file of a key or a certificate.
const SMALL_FILE_MAX: u64 = 64 << 10;

/// The call.
#[derive(Debug, clap::Args)]
pub struct Call {
    /// The table of clinics: CSV with the columns clinic (机构代码), name (名称), token (入网码), and where they are
    /// wanted hub (县级中心), wifi (无线名称), locale (语言), time_zone (时区), encryption (数据加密: 是 or 否).
    pub table: PathBuf,
    /// The code of the county, as its update bundles name it.
    #[arg(long)]
    pub county: String,
    /// The file of the key that signs the rows, made by `image-builder key`.
    #[arg(long)]
    pub key: PathBuf,
    /// The hub's CA certificate, as `sync-server ca` prints it.
    #[arg(long)]
    pub hub_ca: PathBuf,
    /// Address of the hub (`https://HOST:PORT`), where the table has no such column.
    #[arg(long)]
    pub hub: Option<String>,
    /// File with the technician's SSH public key.
    #[arg(long)]
    pub admin_key: Option<PathBuf>,
    /// Leave the patients' data open on the cards, where the table does not say otherwise. Without it the boxes encrypt
    /// them at their first start.
    #[arg(long)]
    pub plain_data: bool,
    /// A flashed card as DEVICE:CODE, or a file as FILE:file; may be given several times. Without any the table is
    /// checked only.
    #[arg(long = "card")]
    pub cards: Vec<Target>,
    /// The clinic of each card, by its code and in the order of the cards; without any the next clinics of the table
    /// that have no card yet.
    #[arg(long = "clinic")]
    pub clinics: Vec<String>,
    /// Where the labels and hand-over sheets go (PDF). They hold passwords.
    #[arg(long)]
    pub sheets: Option<PathBuf>,
    /// The ledger that gets a line for each card.
    #[arg(long, default_value = "cards.jsonl")]
    pub ledger: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What became of a card.
#[derive(Debug)]
pub struct Outcome {
    /// Its device file.
    pub path: PathBuf,
    /// The clinic.
    pub clinic: String,
    /// `provisioned`, or the fault as one word.
    pub word: &'static str,
    /// What to tell the technician.
    pub sentence: String,
}

fn small(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let read = file.take(SMALL_FILE_MAX).read_to_string(&mut text);
    read.with_context(|| format!("{} is no text", path.display()))?;
    Ok(text)
}

/// Reads a signing key's file.
///
/// # Errors
/// One sentence; nothing of the file's content.
pub fn key(path: &Path) -> Result<SecretKey> {
    SecretKey::parse(&small(path)?).with_context(|| path.display().to_string())
}

/// Writes a new file that only its owner reads.
///
/// # Errors
/// Where it is there already, or cannot be written.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let options = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = options.with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes a signing key: the secret in FILE, the public half in FILE.pub. Returns the public half.
///
/// # Errors
/// Where FILE is there already, or cannot be written.
pub fn make_key(path: &Path, seed: &[u8; 32]) -> Result<String> {
    let key = SecretKey::from_seed(seed);
    write_secret(path, key.to_text().as_bytes())?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    std::fs::write(&public, format!("{}\n", key.public()))
        .with_context(|| format!("cannot write {}", Path::new(&public).display()))?;
    Ok(key.public().to_string())
}

/// Reads the table of a call.
///
/// # Errors
/// Every fault on a line of its own.
pub fn table(call: &Call) -> Result<Vec<Line>> {
    let file = File::open(&call.table).with_context(|| format!("cannot open {}", call.table.display()))?;
    let mut bytes = Vec::new();
    file.take(rows::TABLE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let common = Common {
        county: call.county.clone(),
        hub: call.hub.clone(),
        hub_ca: small(&call.hub_ca)?,
        admin_key: match &call.admin_key {
            Some(path) => Some(small(path)?.trim().to_owned()),
            None => None,
        },
        data: if call.plain_data {
            Protection::Plain
        } else {
            Protection::Device
        },
    };
    rows::read(&bytes, &common).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}:\n{}", call.table.display(), lines.join("\n"))
    })
}

/// Chooses a clinic for each card.
///
/// # Errors
/// One sentence: a clinic that is not in the table, or too few that have no card yet.
fn chosen(call: &Call, lines: &[Line], ledger: &Ledger) -> Result<Vec<Row>> {
    if !call.clinics.is_empty() {
        if call.clinics.len() != call.cards.len() {
            bail!("name as many clinics as cards, or none");
        }
        let distinct: BTreeSet<&String> = call.clinics.iter().collect();
        if distinct.len() != call.clinics.len() {
            bail!("a clinic is named twice");
        }
        let row = |code: &String| {
            let found = lines.iter().find(|line| line.row.clinic == *code);
            found
                .map(|line| line.row.clone())
                .with_context(|| format!("clinic {code} is not in the table"))
        };
        return call.clinics.iter().map(row).collect();
    }
    let free: Vec<Row> = lines
        .iter()
        .filter(|line| ledger.given(&line.row.number()).is_none())
        .map(|line| line.row.clone())
        .take(call.cards.len())
        .collect();
    if free.len() < call.cards.len() {
        bail!(
            "only {} clinics of the table have no card yet, and {} cards are named",
            free.len(),
            call.cards.len()
        );
    }
    Ok(free)
}

/// Checks the table and gives the cards to clinics. `now` is the time, RFC 3339; `draw` draws what is random on a card.
///
/// # Errors
/// What is wrong before the first card is touched; what happens to a card is in its outcome.
pub fn run(
    call: &Call,
    disks: &[Disk],
    now: impl Fn() -> String,
    mut draw: impl FnMut() -> Drawn,
) -> Result<(usize, Vec<Outcome>)> {
    let lines = table(call)?;
    if call.cards.is_empty() {
        return Ok((lines.len(), Vec::new()));
    }
    refuse_twice(&call.cards)?;
    let cards = call
        .cards
        .iter()
        .map(|target| admit(target, disks))
        .collect::<Result<Vec<_>>>()?;
    let key = key(&call.key)?;
    // What would fail at the end fails here, while nothing was done.
    let font = match &call.sheets {
        Some(path) if path.exists() => bail!("{} is there already: name another file", path.display()),
        Some(_) => Some(sheets::font(Path::new(sheets::FONT_FILE))?),
        None => None,
    };
    let mut ledger = Ledger::open(&call.ledger).with_context(|| call.ledger.display().to_string())?;
    let rows = chosen(call, &lines, &ledger)?;
    let (mut outcomes, mut made) = (Vec::new(), Vec::new());
    for ((target, card), row) in call.cards.iter().zip(cards).zip(rows) {
        let given = one(target, card, &row, &key, &mut ledger, now(), &draw());
        let (word, sentence) = match given {
            Ok(card) => {
                made.push(card);
                ("provisioned", "ready for its clinic".to_owned())
            }
            Err(fault) => (fault.word(), fault.to_string()),
        };
        outcomes.push(Outcome {
            path: target.path.clone(),
            clinic: row.clinic,
            word,
            sentence,
        });
    }
    if let (Some(path), Some(font)) = (&call.sheets, font)
        && !made.is_empty()
    {
        write_secret(path, &sheets::pdf(&made, &font)?)?;
    }
    Ok((lines.len(), outcomes))
}

fn one(
    target: &Target,
    card: Card,
    row: &Row,
    key: &SecretKey,
    ledger: &mut Ledger,
    now: String,
    drawn: &Drawn,
) -> Result<Made, ProvisionFault> {
    let open = |error: std::io::Error| ProvisionFault::Device(card::DeviceFault::Other(error.to_string()));
    let mut device = FileDevice::open_to_write(&target.path).map_err(open)?;
    let begun = onto::unfinished(&mut device, key)?;
    let number = row.number();
    // A row may go on where it was begun: on the same card, which is not finished.
    if begun.as_ref() != Some(&number)
        && let Some(before) = ledger.given(&number)
    {
        return Err(ProvisionFault::RowUsed {
            clinic: row.clinic.clone(),
            at: before.at.clone(),
        });
    }
    let note = |_: &card::identity::Identity| {
        ledger
            .give(now.clone(), card, row.clinic.clone(), number)
            .map_err(|fault| ProvisionFault::Ledger(fault.to_string()))
    };
    let (identity, secrets) = onto::provision(&mut device, row, drawn, now.clone(), key, note)?;
    Ok(Made { identity, secrets })
}

/// What the call has to say: lines for a person and one object for a script. No password is in either.
pub fn said(clinics: usize, outcomes: &[Outcome]) -> (String, Value) {
    let mut text = String::new();
    if outcomes.is_empty() {
        text.push_str(&format!("The table is good: {clinics} clinics.\n"));
    }
    for outcome in outcomes {
        let (path, clinic) = (outcome.path.display(), &outcome.clinic);
        text.push_str(&format!("{path}: clinic {clinic}: {}\n", outcome.sentence));
    }
    let ready = outcomes
        .iter()
        .filter(|outcome| outcome.word == "provisioned")
        .count();
    let cards: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "path": outcome.path, "clinic": outcome.clinic, "result": outcome.word,
                "text": outcome.sentence,
            })
        })
        .collect();
    (
        text,
        json!({ "clinics": clinics, "cards": cards, "ready": ready }),
    )
}
