//! A machine whose time and random bytes are given: the same seed makes the same files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use records::ids::ClinicCode;
use records::time::{ClockSource, Stamp, WallTime};
use store::{Clock, Enrolment, OpenOptions, Side, Store};
use sync_core::wire::EnrolRequest;

/// The county of all kept releases: a made-up hash of a CA's key.
pub const COUNTY: [u8; 32] = [7; 32];
/// The clinic of all kept releases.
pub const CLINIC: &str = "0017";
/// Memory of a password's hash: nothing real is behind these.
const PASSWORD_COST_KIB: u32 = 64;

/// A clock that stands.
#[derive(Debug, Clone, Copy)]
struct Standing(WallTime);

impl Clock for Standing {
    fn now(&self) -> Stamp {
        Stamp {
            at: self.0,
            source: ClockSource::Hub,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// The code of [`CLINIC`].
///
/// # Errors
/// None: the text is a code.
pub fn clinic() -> Result<ClinicCode> {
    CLINIC.parse().context("clinic code")
}

/// Opens a data folder at 2026-11-26 and `minute` minutes, with random bytes from the seed alone.
///
/// # Errors
/// What the store says.
pub fn open(folder: &Path, side: Side, seed: u64, minute: u32) -> Result<Store> {
    let mut stream = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    let clock = Standing(WallTime(1_795_651_200_000 + i64::from(minute) * 60_000));
    let random = Box::new(move |bytes: &mut [u8]| stream.fill(bytes));
    let mut options = OpenOptions::new(side, Arc::new(clock), random);
    options.password_cost_kib = Some(PASSWORD_COST_KIB);
    Ok(Store::open(folder, options)?)
}

/// A hub with its clinic.
///
/// # Errors
/// What the store says.
pub async fn found(hub: &Store) -> Result<()> {
    hub.set_county(COUNTY).await?;
    hub.add_clinic(&clinic()?, "柳树村卫生室").await?;
    Ok(())
}

/// Takes a box in.
///
/// # Errors
/// What the stores say.
pub async fn join(end: &Store, hub: &Store) -> Result<()> {
    let secret = hub
        .new_token_secret(&clinic()?)
        .await?
        .context("the clinic is not there")?;
    let request = EnrolRequest::sign(end.device_key(), end.actor(), secret, None, "box");
    let taken = hub.enrol_device(&request, request.verify()?).await?;
    let taken = taken.map_err(|refusal| anyhow::anyhow!("refused: {refusal:?}"))?;
    let enrolment = Enrolment {
        hub_url: "https://127.0.0.1:1".into(),
        clinic: taken.clinic,
        clinic_name: taken.clinic_name,
        county: COUNTY,
        hub_key: hub.device_key().public().to_bytes(),
        ca: vec![],
        certificate: vec![],
    };
    end.keep_enrolment(enrolment, taken.epoch).await?;
    Ok(())
}
