//! Releases at the hub: taking a signed bundle in, and carrying out the plan of its roll-out; also beside a running
//! `serve`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use card::bundle::{Bundle, BundleFault};
use card::signed::{BadKey, PublicKey};
use records::ids::ClinicCode;
use serde_json::json;
use store::{CommitError, DeviceRow, ReleaseRow, Store, StoreError};
use sync_core::wire::{MAX_RELEASE_PIECES, RELEASE_PIECE, ReleaseOffer, SystemReport};

use crate::rollout::{Plan, STAGES_MAX, Seen, Stage, Step};

/// Setting that holds the plan.
const PLAN: &str = "rollout";
/// Time between two looks at what boxes said.
const LOOK: Duration = Duration::from_secs(30);

/// Why something about a release was refused. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The county's key is none.
    #[error("the county's key: {0}")]
    Key(#[from] BadKey),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleFault),
    /// It has more pieces than an offer names.
    #[error("the update bundle is larger than {} MiB", MAX_RELEASE_PIECES)]
    TooLarge,
    /// No release has this version.
    #[error("no release has version {0}; add its bundle first")]
    Unknown(u64),
    /// Nothing is rolled out.
    #[error("no release is being rolled out")]
    NoPlan,
    /// A stage names a clinic that is not there.
    #[error("no clinic has the code {0}")]
    NoClinic(String),
    /// The plan has no stage, or too many.
    #[error("a plan has 1 to {STAGES_MAX} stages")]
    Stages,
    /// Too many boxes went back.
    #[error(
        "{went_back} boxes went back from version {version}: the roll-out is stopped; offer a later version"
    )]
    Stopped {
        /// How many.
        went_back: usize,
        /// From which version.
        version: u64,
    },
    /// Every stage is open.
    #[error("every stage is open already")]
    AllOpen,
    /// The pieces were not kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn file(path: &Path) -> impl Fn(io::Error) -> ReleaseError {
    move |source| ReleaseError::File {
        path: path.to_owned(),
        source,
    }
}

/// Takes a bundle in: its signature, its length and every piece are checked before anything of it is offered. Boxes check
/// all of it again. Returns the release and whether it is new.
///
/// # Errors
/// [`ReleaseError`].
pub async fn add(store: &Store, path: &Path, county_key: &Path) -> Result<(ReleaseRow, bool), ReleaseError> {
    let text = std::fs::read_to_string(county_key).map_err(file(county_key))?;
    let key = PublicKey::parse(text.trim())?;
    let mut source = File::open(path).map_err(file(path))?;
    let manifest = Bundle::open(&source, &[key])?.manifest().clone();
    let length = source.seek(SeekFrom::End(0)).map_err(file(path))?;
    if length > (MAX_RELEASE_PIECES * RELEASE_PIECE) as u64 {
        return Err(ReleaseError::TooLarge);
    }
    source.seek(SeekFrom::Start(0)).map_err(file(path))?;
    let mut pieces = Vec::new();
    loop {
        let mut piece = Vec::new();
        let part = (&mut source).take(RELEASE_PIECE as u64).read_to_end(&mut piece);
        if part.map_err(file(path))? == 0 {
            break;
        }
        pieces.push(store.put_release_piece(piece).await?);
    }
    let about = json!({
        "county": manifest.county,
        "hardware": manifest.hardware,
        "data": { "oldest": manifest.data.oldest, "newest": manifest.data.newest, "writes": manifest.data.writes },
        "base": manifest.base.map(|base| base.version.0),
        "bytes": length,
    });
    let offer = ReleaseOffer {
        version: manifest.system.version.0,
        pieces,
    };
    let doc = offer.doc();
    let new = store.put_release(offer, about).await?;
    let row = store.releases().await?.into_iter().find(|row| row.doc == doc);
    Ok((row.ok_or(ReleaseError::Unknown(manifest.system.version.0))?, new))
}

/// The plan, if there is one.
///
/// # Errors
/// What the store reports.
pub async fn plan(store: &Store) -> Result<Option<Plan>, StoreError> {
    let kept = store.setting(PLAN).await?;
    Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()))
}

async fn keep(store: &Store, plan: &Plan) -> Result<(), StoreError> {
    let value = serde_json::to_value(plan).unwrap_or_default();
    store.put_setting(PLAN, &value).await
}

/// Begins to roll out the latest release with this version: the first stage is open at once.
///
/// # Errors
/// [`ReleaseError`].
pub async fn begin(
    store: &Store,
    version: u64,
    stages: Vec<Stage>,
    limit: u32,
) -> Result<Step, ReleaseError> {
    if stages.is_empty() || stages.len() > STAGES_MAX {
        return Err(ReleaseError::Stages);
    }
    let known: BTreeSet<String> = codes(store).await?;
    for stage in &stages {
        if let Stage::Clinics(codes) = stage
            && let Some(unknown) = codes.iter().find(|code| !known.contains(*code))
        {
            return Err(ReleaseError::NoClinic(unknown.clone()));
        }
    }
    let releases = store.releases().await?;
    let release = releases.into_iter().find(|row| row.version == version);
    let release = release.ok_or(ReleaseError::Unknown(version))?;
    let plan = Plan {
        release: release.doc.to_string(),
        version,
        stages,
        open: 1,
        paused: false,
        limit,
    };
    keep(store, &plan).await?;
    step(store).await?.ok_or(ReleaseError::NoPlan)
}

async fn codes(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let clinics = store.clinics().await?.into_iter();
    Ok(clinics.map(|clinic| clinic.code.to_string()).collect())
}

/// Ends a pause, or opens the next stage.
///
/// # Errors
/// [`ReleaseError`].
pub async fn go_on(store: &Store) -> Result<Step, ReleaseError> {
    let mut plan = plan(store).await?.ok_or(ReleaseError::NoPlan)?;
    let now = step(store).await?.ok_or(ReleaseError::NoPlan)?;
    if now.is_stopped {
        return Err(ReleaseError::Stopped {
            went_back: now.went_back,
            version: plan.version,
        });
    }
    if plan.paused {
        plan.paused = false;
    } else if plan.open < plan.stages.len() {
        plan.open += 1;
    } else {
        return Err(ReleaseError::AllOpen);
    }
    keep(store, &plan).await?;
    step(store).await?.ok_or(ReleaseError::NoPlan)
}

/// Offers the release to no further clinic until [`go_on`].
///
/// # Errors
/// [`ReleaseError`].
pub async fn pause(store: &Store) -> Result<(), ReleaseError> {
    let mut plan = plan(store).await?.ok_or(ReleaseError::NoPlan)?;
    plan.paused = true;
    Ok(keep(store, &plan).await?)
}

/// The boxes that are served, as they were last heard.
///
/// # Errors
/// What the store reports.
pub async fn boxes(store: &Store) -> Result<Vec<(DeviceRow, Option<SystemReport>)>, StoreError> {
    let devices = store.devices(None).await?.into_iter();
    let served = devices.filter(|device| device.revoked.is_none());
    Ok(served
        .map(|device| {
            let report = SystemReport::of(&device.software).1;
            (device, report)
        })
        .collect())
}

/// The plan and what it asks for now, of which nothing is done; `None` where there is none.
///
/// # Errors
/// What the store reports.
pub async fn now(store: &Store) -> Result<Option<(Plan, Step)>, StoreError> {
    Ok(decide(store).await?.map(|(plan, step, _)| (plan, step)))
}

async fn decide(store: &Store) -> Result<Option<(Plan, Step, ReleaseOffer)>, StoreError> {
    let Some(plan) = plan(store).await? else {
        return Ok(None);
    };
    let releases = store.releases().await?;
    let release = releases
        .into_iter()
        .find(|row| row.doc.to_string() == plan.release);
    let Some(ReleaseRow { offer, .. }) = release else {
        return Ok(None);
    };
    let seen = boxes(store).await?.into_iter().map(|(device, report)| Seen {
        clinic: device.clinic.to_string(),
        report,
    });
    let seen: Vec<Seen> = seen.collect();
    let mut told = BTreeSet::new();
    for clinic in store.clinics().await? {
        if store.release_offered(&clinic.code).await?.as_ref() == Some(&offer) {
            told.insert(clinic.code.to_string());
        }
    }
    let step = plan.step(&seen, &told);
    Ok(Some((plan, step, offer)))
}

/// Does what the plan asks for now; `None` where there is none.
///
/// # Errors
/// What the store reports.
pub async fn step(store: &Store) -> Result<Option<Step>, StoreError> {
    let Some((plan, step, offer)) = decide(store).await? else {
        return Ok(None);
    };
    let nothing = ReleaseOffer {
        version: plan.version,
        pieces: Vec::new(),
    };
    let offers = step.offer.iter().map(|code| (code, &offer));
    let back = step.take_back.iter().map(|code| (code, &nothing));
    for (code, offer) in offers.chain(back) {
        let code: Option<ClinicCode> = code.parse().ok();
        if let Some(code) = code {
            store.offer_release(&code, offer.clone()).await?;
        }
    }
    Ok(Some(step))
}

/// Carries the plan out as boxes are heard, until the hub stops.
pub async fn look_after(store: Store) {
    loop {
        if let Err(error) = step(&store).await {
            tracing::error!(%error, "the roll-out did not go on");
        }
        tokio::time::sleep(LOOK).await;
    }
}
