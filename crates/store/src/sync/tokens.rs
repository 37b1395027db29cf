//! One-time tokens by which boxes are taken in.

use std::time::Duration;

use records::ids::{ClinicCode, DeviceId};
use records::time::WallTime;
use sync_core::identity::DevicePublicKey;
use sync_core::wire::{EnrolRefusal, EnrolRequest, FactKind, SuccessionRequest, TOKEN_SECRET_LEN};

use crate::engine::{Store, StoreError, Tx};
use crate::sql::{OptionalExtension, params};
use crate::sync::directory::{clinic_code, clinic_row, enrolment_body, known, put_device};
use crate::sync::{directory, facts, state, successions};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_tokens(
    digest BLOB PRIMARY KEY, c INTEGER NOT NULL, made INTEGER NOT NULL, expires INTEGER NOT NULL,
    used_by BLOB, used INTEGER) WITHOUT ROWID;
";

/// How long a token may be used after it was given out, by the hub's clock.
pub const TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// A box that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its clinic.
    pub clinic: ClinicCode,
    /// The clinic's name.
    pub clinic_name: String,
    /// The hub's epoch.
    pub epoch: u32,
    /// The hub's time.
    pub at: WallTime,
}

impl Store {
    /// Hub: draws the secret of a one-time token; `None` where there is no such clinic. Only its hash is kept.
    pub async fn new_token_secret(
        &self,
        clinic: &ClinicCode,
    ) -> Result<Option<[u8; TOKEN_SECRET_LEN]>, StoreError> {
        let clinic = clinic.clone();
        let mut secret = [0; TOKEN_SECRET_LEN];
        self.fill_random(&mut secret);
        self.write(move |tx| {
            let Some(c) = clinic_row(tx.sql, &clinic)? else {
                return Ok(None);
            };
            let life = i64::try_from(TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX);
            tx.sql.execute(
                "INSERT INTO link_tokens(digest, c, made, expires) VALUES(?1, ?2, ?3, ?4)",
                params![digest(&secret), c, tx.now.at.0, tx.now.at.0.saturating_add(life)],
            )?;
            Ok(Some(secret))
        })
        .await
    }

    /// Hub: takes a box in whose request proves its key. The token is used up by it; the same box may ask again
    /// with it, in case the answer was lost.
    pub async fn enrol_device(
        &self,
        request: &EnrolRequest,
        key: DevicePublicKey,
    ) -> Result<Result<Taken, EnrolRefusal>, StoreError> {
        let request = request.clone();
        self.write(move |tx| enrol(tx, &request, key)).await
    }

    /// Hub: a box whose certificate is good but which is not in the directory (the hub was restored) is taken
    /// in again, with those before it that its certificate names. A clinic that was added after the backup is added
    /// again, under its code until somebody names it.
    pub async fn enrol_again(
        &self,
        key: DevicePublicKey,
        clinic: &ClinicCode,
        predecessors: &[DeviceId],
    ) -> Result<(), StoreError> {
        if self
            .read({
                let clinic = clinic.clone();
                move |sql| clinic_row(sql, &clinic)
            })
            .await?
            .is_none()
        {
            self.add_clinic(clinic, clinic.as_str()).await?;
        }
        let (clinic, predecessors) = (clinic.clone(), predecessors.to_vec());
        self.write(move |tx| {
            let Some(c) = clinic_row(tx.sql, &clinic)? else {
                return Ok(());
            };
            put_device(tx, key, c, "")?;
            for predecessor in predecessors {
                successions::note(tx.sql, key.device(), predecessor)?;
            }
            Ok(())
        })
        .await
    }

    /// Hub: a box with a new key takes the place of the device that it was, whose key vouches for the new one. It may
    /// ask again, in case the answer was lost; nobody else may.
    pub async fn succeed_device(
        &self,
        request: &SuccessionRequest,
    ) -> Result<Result<Taken, EnrolRefusal>, StoreError> {
        let request = request.clone();
        self.write(move |tx| succeed(tx, &request)).await
    }

    /// Devices of which this one took the place.
    pub async fn predecessors(&self, device: DeviceId) -> Result<Vec<DeviceId>, StoreError> {
        self.read(move |sql| successions::predecessors(sql, device)).await
    }
}

fn succeed(tx: &mut Tx<'_>, request: &SuccessionRequest) -> Result<Result<Taken, EnrolRefusal>, StoreError> {
    let county = directory::county(tx.sql)?.ok_or(StoreError::Unreadable("county"))?;
    let Ok((key, old)) = request.verify(&county) else {
        return Ok(Err(EnrolRefusal::BadProof));
    };
    let new = key.device();
    let Some(before) = known(tx.sql, old)? else {
        return Ok(Err(EnrolRefusal::BadProof));
    };
    let revoked =
        before.revoked || directory::is_revoked(tx.sql, old)? || directory::is_revoked(tx.sql, new)?;
    if revoked {
        return Ok(Err(EnrolRefusal::Revoked));
    }
    let asked_before = successions::follows(tx.sql, new, old)?;
    if !asked_before {
        if successions::is_succeeded(tx.sql, old)? || known(tx.sql, new)?.is_some() {
            return Ok(Err(EnrolRefusal::UsedToken));
        }
        if successions::predecessors(tx.sql, old)?.len() >= successions::PREDECESSORS_MAX {
            return Ok(Err(EnrolRefusal::BadProof));
        }
        let clinic = clinic_code(tx.sql, before.c)?;
        let name = &request.request.box_name;
        put_device(tx, key, before.c, name)?;
        successions::note(tx.sql, new, old)?;
        facts::state_fact(tx, FactKind::Enrolment, &clinic, enrolment_body(key, name))?;
        facts::state_fact(tx, FactKind::Succession, &clinic, successions::body(new, old))?;
    }
    Ok(Ok(taken(tx, before.c)?))
}

/// What a box is told that was taken in.
fn taken(tx: &Tx<'_>, c: i64) -> Result<Taken, StoreError> {
    let clinic_name = tx
        .sql
        .query_row("SELECT name FROM link_clinics WHERE c = ?1", [c], |row| {
            row.get(0)
        })?;
    Ok(Taken {
        clinic: clinic_code(tx.sql, c)?,
        clinic_name,
        epoch: state::epoch(tx.sql)?.unwrap_or(1),
        at: tx.now.at,
    })
}

fn digest(secret: &[u8; TOKEN_SECRET_LEN]) -> [u8; 32] {
    *blake3::hash(secret).as_bytes()
}

type TokenRow = (i64, i64, Option<[u8; 8]>);

fn enrol(
    tx: &mut Tx<'_>,
    request: &EnrolRequest,
    key: DevicePublicKey,
) -> Result<Result<Taken, EnrolRefusal>, StoreError> {
    let device = key.device();
    if known(tx.sql, device)?.is_some_and(|known| known.revoked) {
        return Ok(Err(EnrolRefusal::Revoked));
    }
    let token = digest(&request.secret);
    let mut find = tx
        .sql
        .prepare_cached("SELECT c, expires, used_by FROM link_tokens WHERE digest = ?1")?;
    let row: Option<TokenRow> = find
        .query_row([token], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (c, expires, used_by) = match row {
        None => return Ok(Err(EnrolRefusal::WrongToken)),
        Some(row) => row,
    };
    if used_by.is_some_and(|by| by != device.0) {
        return Ok(Err(EnrolRefusal::UsedToken));
    }
    if used_by.is_none() && tx.now.at.0 > expires {
        return Ok(Err(EnrolRefusal::ExpiredToken));
    }
    let clinic = clinic_code(tx.sql, c)?;
    if request.clinic.as_ref().is_some_and(|claimed| *claimed != clinic) {
        return Ok(Err(EnrolRefusal::OtherClinic));
    }
    tx.sql.execute(
        "UPDATE link_tokens SET used_by = ?2, used = ?3 WHERE digest = ?1",
        params![token, device.as_bytes(), tx.now.at.0],
    )?;
    put_device(tx, key, c, &request.box_name)?;
    let body = enrolment_body(key, &request.box_name);
    facts::state_fact(tx, FactKind::Enrolment, &clinic, body)?;
    Ok(Ok(taken(tx, c)?))
}
