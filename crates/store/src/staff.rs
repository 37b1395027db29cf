//! Who works here, their passwords and PINs.
//!
//! Before a box joins a hub its staff stand in the clinic document. Afterwards the hub's roster is kept as a local
//! table and wins over the document by id.

use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use records::ids::{ClinicCode, StaffId};
use records::staff::{Role, StaffMember, StaffState};

use crate::audit::{self, AuditAct, By};
use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::open::Side;
use crate::sql::{Connection, OptionalExtension, Row, params};
use crate::{derive, settings};

/// Wrong tries in a row that lock an account's password or PIN.
pub const WRONG_MAX: u32 = 5;
/// How long it stays locked, in running time of the box: no wall clock shortens it, and a restart does not
/// either.
pub const LOCKED_FOR: Duration = Duration::from_secs(5 * 60);
/// Longest secret that is hashed, in bytes.
pub const SECRET_BYTES_MAX: usize = 256;
/// Hash that a sign-in under an unknown name is compared with, so that it takes as long as any other.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Which secret of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// The password, which signs a tablet in.
    Password,
    /// The PIN, which unlocks it.
    Pin,
}

impl Secret {
    fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Pin => "pin",
        }
    }
}

/// The answer to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// Right.
    Ok(StaffId),
    /// Wrong, or no such account; so many tries are left where there is one.
    Wrong {
        /// Tries left before it locks.
        left: u32,
    },
    /// Too many wrong ones.
    Locked {
        /// How long it stays locked.
        wait: Duration,
    },
}

impl Store {
    /// Everybody whose account is known here, by name.
    pub async fn staff(&self) -> Result<Vec<StaffMember>, StoreError> {
        let side = self.inner.side;
        self.read(move |sql| members(sql, side)).await
    }

    /// One member of staff.
    pub async fn staff_member(&self, id: StaffId) -> Result<Option<StaffMember>, StoreError> {
        let side = self.inner.side;
        self.read(move |sql| Ok(members(sql, side)?.into_iter().find(|member| member.id == id)))
            .await
    }

    /// Members as the clinic documents name them, roster apart: what a hub adopts when a box joins.
    pub async fn clinic_members(&self, clinic: &ClinicCode) -> Result<Vec<StaffMember>, StoreError> {
        let clinic = clinic.clone();
        self.read(move |sql| derive::members_of(sql, &clinic)).await
    }

    /// Whether a member stands in the hub's roster, and so is not this clinic's to change.
    pub async fn in_roster(&self, id: StaffId) -> Result<bool, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached("SELECT 1 FROM local_roster WHERE staff = ?1")?;
            Ok(find.exists([id.as_bytes()])?)
        })
        .await
    }

    /// Takes a roster: these members are added or replaced; with `whole`, all others of the roster go.
    pub async fn put_roster(&self, roster: Vec<StaffMember>, whole: bool) -> Result<(), StoreError> {
        self.write(move |tx| put_roster(tx, &roster, whole)).await
    }

    /// Hashes a password or PIN (Argon2id), away from the threads that serve pages.
    pub async fn hash_secret(&self, secret: &str) -> Result<String, StoreError> {
        let mut salt = [0u8; 16];
        self.fill_random(&mut salt);
        let (secret, cost) = (secret.to_owned(), self.inner.password_cost_kib);
        let _turn = self
            .inner
            .hashing
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let hashed = tokio::task::spawn_blocking(move || hash(&secret, &salt, cost)).await;
        hashed.map_err(|_| StoreError::Closed)?
    }

    /// Checks a password. `login` is what the person types, or their id in hexadecimal.
    pub async fn check_password(&self, login: &str, password: &str) -> Result<SignIn, StoreError> {
        let folded = fold_login(login);
        let hub = self.inner.side == Side::Hub;
        let member = self.staff().await?.into_iter().find(|member| {
            // Staff of a clinic sign in at their box: none of them can take the name of one of the county's.
            let signs_in_here = !hub || member.clinic.is_none();
            signs_in_here && (fold_login(&member.login) == folded || member.id.to_string() == folded)
        });
        self.check(member, Secret::Password, password).await
    }

    /// Checks a PIN.
    pub async fn check_pin(&self, staff: StaffId, pin: &str) -> Result<SignIn, StoreError> {
        let member = self.staff_member(staff).await?;
        self.check(member, Secret::Pin, pin).await
    }

    async fn check(
        &self,
        member: Option<StaffMember>,
        which: Secret,
        secret: &str,
    ) -> Result<SignIn, StoreError> {
        let active = member.filter(|member| member.state == StaffState::Active);
        let stored = active.as_ref().map(|member| match which {
            Secret::Password => member.password_hash.clone(),
            Secret::Pin => member.pin_hash.clone(),
        });
        let stored = stored.filter(|hash| !hash.is_empty());
        let Some((member, stored)) = active.zip(stored) else {
            self.compare(secret, DECOY.to_owned()).await?;
            return Ok(SignIn::Wrong { left: WRONG_MAX - 1 });
        };
        let uptime = self.inner.clock.uptime();
        let id = member.id;
        // The try counts before it is compared: tries at the same time cannot outrun the lock.
        if let Some(locked) = self.write(move |tx| begin_try(tx, id, which, uptime)).await? {
            return Ok(locked);
        }
        let right = self.compare(secret, stored).await?;
        self.write(move |tx| end_try(tx, id, which, right)).await
    }

    async fn compare(&self, secret: &str, stored: String) -> Result<bool, StoreError> {
        let secret = secret.to_owned();
        let _turn = self
            .inner
            .hashing
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let same = tokio::task::spawn_blocking(move || {
            secret.len() <= SECRET_BYTES_MAX
                && PasswordVerifier::<str>::verify_password(&Argon2::default(), secret.as_bytes(), &stored)
                    .is_ok()
        });
        same.await.map_err(|_| StoreError::Closed)
    }
}

fn fold_login(login: &str) -> String {
    records::text::fold(login.trim()).to_lowercase()
}

fn hash(secret: &str, salt: &[u8], cost_kib: Option<u32>) -> Result<String, StoreError> {
    if secret.len() > SECRET_BYTES_MAX {
        return Err(StoreError::Unreadable("secret: too long"));
    }
    let params = match cost_kib {
        Some(kib) => Params::new(kib, 1, 1, None).map_err(|_| StoreError::Unreadable("password cost"))?,
        None => Params::default(),
    };
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = hasher.hash_password_with_salt(secret.as_bytes(), salt);
    hashed
        .map(|hash| hash.to_string())
        .map_err(|_| StoreError::Unreadable("secret"))
}

/// What locks are measured by: the time since this run began, in milliseconds. Nodes of one database have only the time
/// of day in common; they have it from their network, unlike a box.
fn since(tx: &Tx<'_>, uptime: Duration) -> ([u8; 8], i64) {
    if tx.sql.is_file() {
        (tx.state.actor.session.0, millis(uptime))
    } else {
        ([0; 8], tx.now.at.0)
    }
}

/// Counts a try, or answers that the secret is locked.
fn begin_try(
    tx: &mut Tx<'_>,
    staff: StaffId,
    which: Secret,
    uptime: Duration,
) -> Result<Option<SignIn>, StoreError> {
    let (run, now) = since(tx, uptime);
    let mut find = tx.sql.prepare_cached(
        "SELECT wrong, left_ms, since_ms, run FROM local_credentials WHERE staff = ?1 AND secret = ?2",
    )?;
    let row: Option<(u32, i64, i64, [u8; 8])> = find
        .query_row(params![staff.as_bytes(), which.word()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (mut wrong, left) = match row {
        None => (0, 0),
        // Of an earlier run nobody knows how long it was off: what was left then is left now.
        Some((wrong, left, _, of)) if of != run => (wrong, left),
        Some((wrong, left, since, _)) => (wrong, left - (now - since)),
    };
    if wrong >= WRONG_MAX {
        if left > 0 {
            keep_try(tx, staff, which, wrong, left, (run, now))?;
            return Ok(Some(SignIn::Locked {
                wait: Duration::from_millis(left.unsigned_abs()),
            }));
        }
        wrong = 0;
    }
    wrong += 1;
    let left = if wrong >= WRONG_MAX { millis(LOCKED_FOR) } else { 0 };
    keep_try(tx, staff, which, wrong, left, (run, now))?;
    Ok(None)
}

fn keep_try(
    tx: &Tx<'_>,
    staff: StaffId,
    which: Secret,
    wrong: u32,
    left: i64,
    (run, now): ([u8; 8], i64),
) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO local_credentials(staff, secret, wrong, left_ms, since_ms, run)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(staff, secret) DO UPDATE SET wrong = ?3, left_ms = ?4, since_ms = ?5, run = ?6",
    )?;
    put.execute(params![staff.as_bytes(), which.word(), wrong, left, now, run])?;
    Ok(())
}

fn end_try(tx: &mut Tx<'_>, staff: StaffId, which: Secret, right: bool) -> Result<SignIn, StoreError> {
    let by = By::Staff(staff);
    if right {
        tx.sql.execute(
            "DELETE FROM local_credentials WHERE staff = ?1 AND secret = ?2",
            params![staff.as_bytes(), which.word()],
        )?;
        let act = match which {
            Secret::Password => AuditAct::SignIn,
            Secret::Pin => AuditAct::Unlock,
        };
        audit::append(tx, by, act, None, None)?;
        return Ok(SignIn::Ok(staff));
    }
    let wrong: u32 = tx.sql.query_row(
        "SELECT wrong FROM local_credentials WHERE staff = ?1 AND secret = ?2",
        params![staff.as_bytes(), which.word()],
        |row| row.get(0),
    )?;
    audit::append(tx, by, AuditAct::SignInFailed, None, None)?;
    if wrong >= WRONG_MAX {
        audit::append(tx, by, AuditAct::LockedOut, None, None)?;
        return Ok(SignIn::Locked { wait: LOCKED_FOR });
    }
    Ok(SignIn::Wrong {
        left: WRONG_MAX - wrong,
    })
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Everybody known: on a box the clinic's document and the roster, on a hub the roster.
pub(crate) fn members(sql: &Connection, side: Side) -> Result<Vec<StaffMember>, StoreError> {
    let mut all = roster(sql)?;
    if side == Side::Box
        && let Some(clinic) = settings::clinic(sql)?
    {
        for member in derive::members_of(sql, &clinic)? {
            if all.iter().all(|known| known.id != member.id) {
                all.push(member);
            }
        }
    }
    all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(all)
}

fn roster(sql: &Connection) -> Result<Vec<StaffMember>, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT staff, name, login, roles, state, password, pin, clinic, must_change FROM local_roster",
    )?;
    let members = rows.query_map([], read)?;
    Ok(members.collect::<crate::sql::Result<Vec<_>>>()?)
}

fn read(row: &Row<'_>) -> crate::sql::Result<StaffMember> {
    let (roles, state): (String, String) = (row.get(3)?, row.get(4)?);
    Ok(StaffMember {
        id: StaffId(row.get(0)?),
        name: row.get(1)?,
        login: row.get(2)?,
        roles: roles.split(' ').filter_map(Role::from_word).collect(),
        state: StaffState::from_word(&state).unwrap_or(StaffState::Suspended),
        password_hash: row.get(5)?,
        pin_hash: row.get(6)?,
        clinic: row
            .get::<_, Option<String>>(7)?
            .and_then(|code| code.parse().ok()),
        must_change: row.get(8)?,
    })
}

/// Writes members into the roster.
pub(crate) fn put_roster(tx: &mut Tx<'_>, roster: &[StaffMember], whole: bool) -> Result<(), StoreError> {
    if whole {
        tx.sql.execute("DELETE FROM local_roster", [])?;
    }
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO local_roster(staff, name, login, roles, state, password, pin, clinic, must_change)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT(staff) DO UPDATE SET name = ?2, login = ?3, roles = ?4, state = ?5, password = ?6, pin = ?7,
             clinic = ?8, must_change = ?9",
    )?;
    for member in roster {
        let roles: Vec<&str> = member.roles.iter().map(|role| role.word()).collect();
        put.execute(params![
            member.id.as_bytes(),
            member.name,
            member.login,
            roles.join(" "),
            member.state.word(),
            member.password_hash,
            member.pin_hash,
            member.clinic.as_ref().map(ClinicCode::as_str),
            member.must_change,
        ])?;
    }
    drop(put);
    tx.emit(StoreEvent::Staff);
    Ok(())
}
