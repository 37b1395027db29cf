//! Browser sessions: a password signs a tablet in, three idle minutes lock it, a PIN unlocks it.
//!
//! The database knows a token by its hash only. When a session was last used stands in memory: after a restart
//! every session comes back locked. Where several nodes share a database, a browser's requests come to any of them, so
//! it stands there.

use std::sync::PoisonError;
use std::time::Duration;

use records::ids::StaffId;
use records::staff::{StaffMember, StaffState};

use crate::audit::{self, AuditAct, By};
use crate::engine::{Store, StoreError, Tx};
use crate::open::Side;
use crate::sql::{Connection, OptionalExtension, params};
use crate::staff::{self, SignIn};

/// Idle time after which a session locks.
pub const IDLE_MAX: Duration = Duration::from_secs(3 * 60);
/// Sessions that a machine keeps; the oldest go.
const SESSIONS_MAX: i64 = 500;
/// Use of a session within this time of the one that is noted in a shared database is not noted anew.
const NOTED_EACH: Duration = Duration::from_secs(15);

/// When the sessions of a shared database were last used, milliseconds of the time of day.
pub(crate) const SHARED_TABLES: &str = "
CREATE TABLE IF NOT EXISTS local_session_uses(token BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
";
/// Bytes of a token.
const TOKEN_BYTES: usize = 32;

/// A browser session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    /// Whose it is.
    pub staff: StaffMember,
    /// Whether it needs the PIN.
    pub locked: bool,
    /// What the tablet calls itself.
    pub tablet: String,
}

type TokenHash = [u8; 32];

fn hash(token: &str) -> TokenHash {
    *blake3::hash(token.as_bytes()).as_bytes()
}

impl Store {
    /// Opens a session for somebody whose password was right. The token goes into the browser's cookie.
    pub async fn new_session(&self, staff: StaffId, tablet: &str) -> Result<String, StoreError> {
        let mut bytes = [0u8; TOKEN_BYTES];
        self.fill_random(&mut bytes);
        let token = hex::encode(bytes);
        let (key, tablet) = (hash(&token), tablet.chars().take(80).collect::<String>());
        self.write(move |tx| {
            tx.sql.execute(
                "INSERT INTO local_sessions(token, staff, tablet, locked, opened) VALUES(?1, ?2, ?3, 0, ?4)",
                params![key, staff.as_bytes(), tablet, tx.now.at.0],
            )?;
            tx.sql.execute(
                "DELETE FROM local_sessions WHERE token IN
                     (SELECT token FROM local_sessions ORDER BY opened DESC LIMIT ?2 OFFSET ?1)",
                [SESSIONS_MAX, i64::MAX],
            )?;
            Ok::<_, StoreError>(())
        })
        .await?;
        self.note_used(key).await?;
        Ok(token)
    }

    /// The session behind a token. `wake` says that a person did something: that restarts the idle time, unless
    /// it had run out already. A background request (a live badge) does not.
    pub async fn browser_session(
        &self,
        token: &str,
        wake: bool,
    ) -> Result<Option<BrowserSession>, StoreError> {
        let (key, side) = (hash(token), self.inner.side);
        let Some(mut session) = self.read(move |sql| find(sql, &key, side)).await? else {
            return Ok(None);
        };
        let unused = self.unused_for(key).await?;
        if !session.locked && unused.is_none_or(|unused| unused >= IDLE_MAX) {
            self.set_locked(key, true).await?;
            session.locked = true;
        }
        if !session.locked
            && wake
            && (self.inner.is_file() || unused.is_none_or(|unused| unused >= NOTED_EACH))
        {
            self.note_used(key).await?;
        }
        Ok(Some(session))
    }

    /// Locks a session at once.
    pub async fn lock_session(&self, token: &str) -> Result<(), StoreError> {
        self.set_locked(hash(token), true).await
    }

    /// Unlocks a session with its owner's PIN.
    pub async fn unlock_session(&self, token: &str, pin: &str) -> Result<SignIn, StoreError> {
        let (key, side) = (hash(token), self.inner.side);
        let Some(session) = self.read(move |sql| find(sql, &key, side)).await? else {
            return Ok(SignIn::Wrong { left: 0 });
        };
        let answer = self.check_pin(session.staff.id, pin).await?;
        if matches!(answer, SignIn::Ok(_)) {
            self.set_locked(key, false).await?;
            self.note_used(key).await?;
        }
        Ok(answer)
    }

    /// Ends a session: the token is good for nothing from now on.
    pub async fn end_session(&self, token: &str) -> Result<(), StoreError> {
        let key = hash(token);
        self.last_used().remove(&key);
        self.write(move |tx| {
            let staff: Option<[u8; 8]> = tx
                .sql
                .query_row(
                    "DELETE FROM local_sessions WHERE token = ?1 RETURNING staff",
                    [key],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(staff) = staff {
                audit::append(tx, By::Staff(StaffId(staff)), AuditAct::SignOut, None, None)?;
            }
            Ok(())
        })
        .await
    }

    /// Ends every session of a person but one: after a new password, or when the account is suspended.
    pub async fn end_sessions_of(&self, staff: StaffId, but: Option<&str>) -> Result<(), StoreError> {
        let but = but.map(hash).unwrap_or_default();
        self.write(move |tx: &mut Tx<'_>| {
            tx.sql.execute(
                "DELETE FROM local_sessions WHERE staff = ?1 AND token <> ?2",
                params![staff.as_bytes(), but],
            )?;
            Ok(())
        })
        .await
    }

    async fn set_locked(&self, key: TokenHash, locked: bool) -> Result<(), StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            tx.sql.execute(
                "UPDATE local_sessions SET locked = ?2 WHERE token = ?1",
                params![key, locked],
            )?;
            Ok(())
        })
        .await
    }

    fn last_used(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<TokenHash, Duration>> {
        self.inner
            .last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn note_used(&self, key: TokenHash) -> Result<(), StoreError> {
        if self.inner.is_file() {
            self.last_used().insert(key, self.inner.clock.uptime());
            return Ok(());
        }
        self.write(move |tx: &mut Tx<'_>| {
            tx.sql.execute(
                "INSERT INTO local_session_uses(token, at) VALUES(?1, ?2) ON CONFLICT(token) DO UPDATE SET at = ?2",
                params![key, tx.now.at.0],
            )?;
            tx.sql.execute(
                "DELETE FROM local_session_uses WHERE token NOT IN (SELECT token FROM local_sessions)",
                [],
            )?;
            Ok(())
        })
        .await
    }

    /// How long ago a person used the session; `None` where nobody knows.
    async fn unused_for(&self, key: TokenHash) -> Result<Option<Duration>, StoreError> {
        if self.inner.is_file() {
            let used = self.last_used().get(&key).copied();
            return Ok(used.map(|used| self.inner.clock.uptime().saturating_sub(used)));
        }
        let used: Option<i64> = self
            .read(move |sql| {
                let mut find = sql.prepare_cached("SELECT at FROM local_session_uses WHERE token = ?1")?;
                Ok::<_, StoreError>(find.query_row([key], |row| row.get(0)).optional()?)
            })
            .await?;
        let now = self.inner.clock.now().at.0;
        // Another node's clock may be a little ahead.
        Ok(used.map(|used| Duration::from_millis(now.saturating_sub(used).max(0).unsigned_abs())))
    }
}

fn find(sql: &Connection, key: &TokenHash, side: Side) -> Result<Option<BrowserSession>, StoreError> {
    let mut find = sql.prepare_cached("SELECT staff, tablet, locked FROM local_sessions WHERE token = ?1")?;
    let row: Option<([u8; 8], String, bool)> = find
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, tablet, locked)) = row else {
        return Ok(None);
    };
    let member = staff::members(sql, side)?
        .into_iter()
        .find(|member| member.id.0 == id);
    let active = member.filter(|member| member.state == StaffState::Active);
    Ok(active.map(|staff| BrowserSession {
        staff,
        locked,
        tablet,
    }))
}
