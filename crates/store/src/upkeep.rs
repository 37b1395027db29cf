//! Looking for damage while the store is in use, so that what nobody reads does not rot unnoticed.
//!
//! A round looks at every table with its indexes, then at every document (its changes, its row, its derived rows),
//! then at every blob, a bounded stretch at a time; no state of the database is held from one stretch to the next.
//! What can be made again is: a torn derived table, an index, the derived rows of a document, alone and while all
//! else is served. What cannot (a page of the records themselves) is told by an alarm and marked, and the next start
//! saves it row by row (see `engine::salvage`).

mod contents;
mod mend;
mod structure;
#[cfg(test)]
mod tests;

use records::time::WallTime;
use serde::{Deserialize, Serialize};

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, raise_alarm};
use crate::{derive, folder};

pub(crate) use structure::{compact_if_wasteful, verdicts};

/// Setting: how far the round is, and when the last one ended.
const CHECKED: &str = "checked";
/// Documents of one stretch.
const DOCUMENTS_AT_ONCE: i64 = 64;
/// Bytes of blobs after which a stretch ends.
const BLOB_BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;
/// Stretches after which the place is written down; a restart goes on from there.
const STRETCHES_NOTED: u32 = 64;

/// How far a round of looking for damage has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// There is more to look at.
    More,
    /// The round is at its end.
    Done,
}

/// What a round looks at next: whatever comes behind this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Table(String),
    Document(i64),
    Blob(i64),
}

impl Default for Place {
    fn default() -> Self {
        Self::Table(String::new())
    }
}

/// A round of looking for damage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Round {
    place: Place,
    /// Whether records were found damaged in this round.
    damaged: bool,
    /// When the last round ended, milliseconds of the clock then.
    ended_ms: Option<i64>,
    #[serde(skip)]
    known: bool,
    #[serde(skip)]
    unnoted: u32,
}

/// What a stretch came to.
struct Stretch {
    next: Option<Place>,
    /// Records that are damaged: the name of a table or a document.
    damaged: Option<String>,
}

impl Store {
    /// Looks at the next stretch of a SQLite file for damage and mends what can be made again. Called again and again with pauses it
    /// goes round; see [`Store::checked_at`]. A PostgreSQL server looks after its own pages.
    ///
    /// # Errors
    ///
    /// Reading or mending failed for another reason than damage; the next call tries the same stretch again.
    pub async fn look_for_damage(&self) -> Result<Looked, StoreError> {
        if !self.inner.is_file() {
            // A server looks after its own pages, and mending would need them.
            return Ok(Looked::Done);
        }
        let mut round = self.round().await?;
        let stretch = match round.place.clone() {
            Place::Table(after) => self.look_at_table(after).await,
            Place::Document(after) => self.look_at_documents(after).await,
            Place::Blob(after) => self.look_at_blobs(after).await,
        }?;
        if let Some(what) = stretch.damaged {
            tracing::error!(what, "records are damaged; the next start saves what can be read");
            folder::mark_suspect(self.folder());
            round.damaged = true;
            self.write(move |tx| raise_alarm(tx, &AlarmKind::Suspect, &what))
                .await?;
        }
        round.unnoted += 1;
        let ended = stretch.next.is_none();
        round.place = stretch.next.unwrap_or_default();
        if ended {
            if !round.damaged {
                folder::clear_suspect(self.folder());
                self.clear_alarm(AlarmKind::Suspect).await?;
            }
            round.damaged = false;
            round.ended_ms = Some(self.clock().now().at.0);
        }
        if ended || round.unnoted >= STRETCHES_NOTED {
            round.unnoted = 0;
            let told = serde_json::to_value(&round).map_err(|_| StoreError::Unreadable("check note"))?;
            self.put_setting(CHECKED, &told).await?;
        }
        *self.inner.round.lock().await = round;
        Ok(if ended { Looked::Done } else { Looked::More })
    }

    /// When the last round of looking for damage ended.
    pub async fn checked_at(&self) -> Result<Option<WallTime>, StoreError> {
        Ok(self.round().await?.ended_ms.map(WallTime))
    }

    /// Whether the database answered with damage since it was last found whole.
    pub fn has_met_damage(&self) -> bool {
        folder::is_suspect(self.folder())
    }

    async fn round(&self) -> Result<Round, StoreError> {
        let round = self.inner.round.lock().await.clone();
        if round.known {
            return Ok(round);
        }
        let told = self.setting(CHECKED).await?;
        let mut round: Round = told
            .and_then(|told| serde_json::from_value(told).ok())
            .unwrap_or_default();
        round.known = true;
        *self.inner.round.lock().await = round.clone();
        Ok(round)
    }

    async fn look_at_table(&self, after: String) -> Result<Stretch, StoreError> {
        let Some(table) = self.read(move |sql| structure::table_behind(sql, &after)).await? else {
            return Ok(Stretch {
                next: Some(Place::Document(0)),
                damaged: None,
            });
        };
        let torn = self.torn_in(table.clone()).await?;
        let next = Some(Place::Table(table.clone()));
        if torn.is_empty() {
            return Ok(Stretch { next, damaged: None });
        }
        let mended = if derive::TABLES.contains(&table.as_str()) {
            self.rebuild_alone(table.clone()).await
        } else if torn.iter().all(|part| part.sql.is_some()) {
            self.index_anew(torn).await
        } else {
            Err(StoreError::Damaged)
        };
        match mended {
            Ok(()) => Ok(Stretch { next, damaged: None }),
            // What it is made from is damaged, too.
            Err(StoreError::Damaged | StoreError::Document(_) | StoreError::Unreadable(_)) => Ok(Stretch {
                next,
                damaged: Some(table),
            }),
            Err(other) => Err(other),
        }
    }

    async fn look_at_documents(&self, after: i64) -> Result<Stretch, StoreError> {
        let looked = self
            .read(move |sql| contents::documents(sql, after, DOCUMENTS_AT_ONCE))
            .await;
        let found = match looked {
            Ok(found) => found,
            // A page of this stretch is torn; the look at its table told of it.
            Err(StoreError::Damaged) => contents::Documents {
                last: Some(after.saturating_add(DOCUMENTS_AT_ONCE)),
                ..contents::Documents::default()
            },
            Err(other) => return Err(other),
        };
        if !found.stale.is_empty() {
            self.project_anew(found.stale).await?;
        }
        Ok(Stretch {
            next: Some(found.last.map_or(Place::Blob(0), Place::Document)),
            damaged: found.broken.map(|doc| doc.to_string()),
        })
    }

    async fn look_at_blobs(&self, after: i64) -> Result<Stretch, StoreError> {
        let looked = self
            .read(move |sql| contents::blobs(sql, after, BLOB_BYTES_AT_ONCE))
            .await;
        let (last, broken) = match looked {
            Ok(found) => found,
            Err(StoreError::Damaged) => (None, None),
            Err(other) => return Err(other),
        };
        Ok(Stretch {
            next: last.map(Place::Blob),
            damaged: broken.map(|blob| blob.to_string()),
        })
    }
}
