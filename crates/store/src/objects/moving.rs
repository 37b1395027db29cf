//! Moving blobs out of the database, and taking objects away that nothing names any more.

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use records::ids::BlobId;
use records::time::WallTime;
use serde_json::json;

use super::{
    Away, OWNER, OWNER_BYTES_MAX, Objects, ObjectsFault, PLACE, count_away, folder_of, forget_objects,
    waiting,
};
use crate::alarms::{AlarmKind, clear_alarm, raise_alarm};
use crate::engine::{Store, StoreError};
use crate::settings;
use crate::sql::{Connection, OptionalExtension, params};

/// Blobs whose names are read at once.
const NAMES_AT_ONCE: usize = 64;
/// Time after which the objects of a blob that went are looked for once more: a node that died in the middle of its
/// move may have had its object written after the first look. No write takes as long.
const LOOK_AGAIN_MS: i64 = 10 * 60 * 1000;

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Blobs that were moved out.
    pub moved: u64,
    /// Objects that were taken away.
    pub removed: u64,
}

impl Store {
    /// Hub, at its start: sees that database and objects belong together, and remembers that blobs are moved out from
    /// now on. `false` where the objects cannot be reached now: blobs wait in the database.
    ///
    /// # Errors
    /// [`ObjectsFault`].
    pub async fn meet_objects(&self) -> Result<bool, ObjectsFault> {
        let (known, away) = self
            .read(|sql| Ok::<_, StoreError>((settings::get(sql, PLACE)?, count_away(sql)?)))
            .await?;
        let Some(objects) = &self.inner.objects else {
            return match known {
                Some(place) => Err(ObjectsFault::NotNamed(
                    place.as_str().unwrap_or("another place").to_owned(),
                )),
                None => Ok(true),
            };
        };
        let place = objects.named.place.clone();
        let own = self.device().to_string();
        match owner(objects).await {
            Ok(Some(owner)) if owner == own => {}
            Ok(Some(_)) => return Err(ObjectsFault::OtherHub(place)),
            Ok(None) if away > 0 => return Err(ObjectsFault::Empty(place, away)),
            Ok(None) => {
                let content = PutPayload::from(own.into_bytes());
                let put = objects.named.objects.put(&Path::from(OWNER), content).await;
                put.map_err(|error| ObjectsFault::Unreachable(place.clone(), error))?;
            }
            // Whose it is was seen before.
            Err(error) if known.is_some() => {
                tracing::warn!(place, %error, "the blobs of this hub cannot be reached; new ones wait in the database");
                return Ok(false);
            }
            Err(error) => return Err(ObjectsFault::Unreachable(place, error)),
        }
        self.write(move |tx| {
            settings::put(tx, PLACE, &json!(place))?;
            let ticket = tx.state.fresh();
            tx.sql.execute(
                "INSERT INTO objects(blob, ticket, length, moved) SELECT id, CAST(?1 AS BLOB), length, 0 FROM blobs
                     WHERE id NOT IN (SELECT blob FROM objects)",
                params![ticket],
            )?;
            Ok::<_, StoreError>(())
        })
        .await?;
        Ok(true)
    }

    /// Hub: one round. Moves out what waits and takes away what nothing names any more. Any number of nodes may do
    /// this at the same time. An error is told by an alarm until a later round has none.
    ///
    /// # Errors
    /// The database or the store of the objects failed. What was not moved stays in the database.
    pub async fn move_blobs(&self) -> Result<Moved, StoreError> {
        let Some(objects) = &self.inner.objects else {
            return Ok(Moved::default());
        };
        objects.forget_old();
        let done = self.move_round(objects).await;
        if done.as_ref().is_ok_and(|done| *done != Moved::default()) {
            objects.note_failed(None);
        }
        let failed = match &done {
            Err(StoreError::Objects(_)) => Some(objects.named.place.clone()),
            _ => None,
        };
        let stands = self.read(|sql| is_raised(sql, &AlarmKind::BlobStore)).await?;
        if failed.is_some() != stands {
            self.write(move |tx| match failed {
                Some(place) => raise_alarm(tx, &AlarmKind::BlobStore, &place),
                None => clear_alarm(tx, &AlarmKind::BlobStore, WallTime::MAX).map(drop),
            })
            .await?;
        }
        done
    }

    async fn move_round(&self, objects: &Objects) -> Result<Moved, StoreError> {
        let mut done = Moved {
            removed: self.take_away(objects).await?,
            moved: 0,
        };
        if self.read(waiting).await?.0 == 0 {
            return Ok(done);
        }
        // A bucket that is another hub's now gets nothing.
        if owner(objects).await.map_err(StoreError::Objects)? != Some(self.device().to_string()) {
            return Err(StoreError::NotOurObjects);
        }
        let mut behind: Option<BlobId> = None;
        loop {
            let names = self.read(move |sql| names_of_waiting(sql, behind)).await?;
            let Some(last) = names.last().copied() else {
                return Ok(done);
            };
            for blob in names {
                done.moved += u64::from(self.move_one(objects, blob).await?);
            }
            behind = Some(last);
        }
    }

    /// `false` where the blob went meanwhile, or another node moved it.
    async fn move_one(&self, objects: &Objects, blob: BlobId) -> Result<bool, StoreError> {
        let found = self.read(move |sql| waiting_blob(sql, blob)).await?;
        let Some((away, content)) = found else {
            return Ok(false);
        };
        let path = away.path();
        let put = objects.named.objects.put(&path, PutPayload::from(content));
        put.await.map_err(StoreError::Objects)?;
        // The last copy leaves the database only for one that was seen.
        let seen = objects.read_now(away).await;
        self.write(move |tx| {
            let still = tx
                .sql
                .prepare_cached("SELECT moved FROM objects WHERE blob = ?1 AND ticket = ?2")?
                .query_row(params![blob.as_bytes(), away.ticket], |row| row.get::<_, i64>(0))
                .optional()?;
            match still {
                // It went while it was written: so does the object.
                None => forget_objects(tx, blob)?,
                Some(0) if seen.is_ok() => {
                    tx.sql
                        .prepare_cached("UPDATE objects SET moved = 1 WHERE blob = ?1")?
                        .execute([blob.as_bytes()])?;
                    tx.sql
                        .prepare_cached("UPDATE blobs SET body = ?2 WHERE id = ?1")?
                        .execute(params![blob.as_bytes(), [0_u8; 0].as_slice()])?;
                    return Ok(true);
                }
                Some(_) => {}
            }
            seen.map(|_| false)
        })
        .await
    }

    /// Takes the objects of blobs away that went.
    async fn take_away(&self, objects: &Objects) -> Result<u64, StoreError> {
        let now = self.clock().now().at.0;
        let gone = self.read(move |sql| gone_by(sql, now)).await?;
        let mut removed = 0;
        for blob in gone {
            let there = objects.named.objects.list(Some(&folder_of(blob)));
            let there: Vec<Path> = there
                .map_ok(|object| object.location)
                .try_collect()
                .await
                .map_err(StoreError::Objects)?;
            // Read after the list: of an object that is in it the ticket stood in the database before.
            let counts = self.read(move |sql| ticket_of(sql, blob)).await?;
            let counts = counts.map(hex::encode);
            for object in there {
                if counts.as_deref() == object.filename() {
                    continue;
                }
                match objects.named.objects.delete(&object).await {
                    Ok(()) => removed += 1,
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(StoreError::Objects(error)),
                }
            }
            self.write(move |tx| {
                let once = tx.sql.execute(
                    "UPDATE objects_gone SET passes = 1, at = ?2 WHERE blob = ?1 AND passes = 0",
                    params![blob.as_bytes(), now],
                )?;
                if once == 0 {
                    tx.sql
                        .execute("DELETE FROM objects_gone WHERE blob = ?1", [blob.as_bytes()])?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        }
        Ok(removed)
    }
}

/// Whose objects these are; `None` where nobody's yet.
async fn owner(objects: &Objects) -> Result<Option<String>, object_store::Error> {
    let found = match objects.named.objects.get(&Path::from(OWNER)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if found.meta.size > OWNER_BYTES_MAX {
        return Ok(Some(String::new()));
    }
    let content = found.bytes().await?;
    Ok(Some(String::from_utf8_lossy(&content).trim().to_owned()))
}

fn is_raised(sql: &Connection, kind: &AlarmKind) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM local_alarms WHERE kind = ?1")?;
    Ok(find.exists([kind.word()])?)
}

fn names_of_waiting(sql: &Connection, behind: Option<BlobId>) -> Result<Vec<BlobId>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT blob FROM objects WHERE moved = 0 AND blob > ?1 ORDER BY blob LIMIT ?2")?;
    let behind = behind.map_or_else(Vec::new, |blob| blob.as_bytes().to_vec());
    let rows = find.query_map(params![behind, NAMES_AT_ONCE as i64], |row| {
        Ok(BlobId(row.get(0)?))
    })?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

fn waiting_blob(sql: &Connection, blob: BlobId) -> Result<Option<(Away, Vec<u8>)>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT ticket, objects.length, body FROM objects JOIN blobs ON blobs.id = objects.blob
         WHERE blob = ?1 AND moved = 0",
    )?;
    let found = find.query_row([blob.as_bytes()], |row| {
        let away = Away {
            blob,
            ticket: row.get(0)?,
            length: row.get::<_, i64>(1)?.unsigned_abs(),
        };
        Ok((away, row.get(2)?))
    });
    Ok(found.optional()?)
}

fn ticket_of(sql: &Connection, blob: BlobId) -> Result<Option<[u8; 8]>, StoreError> {
    let mut find = sql.prepare_cached("SELECT ticket FROM objects WHERE blob = ?1")?;
    Ok(find.query_row([blob.as_bytes()], |row| row.get(0)).optional()?)
}

/// Blobs whose objects have to be looked for now.
fn gone_by(sql: &Connection, now: i64) -> Result<Vec<BlobId>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT blob FROM objects_gone WHERE passes = 0 OR at <= ?1 ORDER BY blob")?;
    let rows = find.query_map([now.saturating_sub(LOOK_AGAIN_MS)], |row| Ok(BlobId(row.get(0)?)))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}
