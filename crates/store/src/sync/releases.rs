//! New systems for boxes: the hub keeps a bundle in pieces and offers it to clinics by a fact; a box whose system is older
//! wants the pieces, which come in the last lane, byte by byte, after everything else.

use records::ids::{BlobId, ClinicCode, DocId};
use records::time::WallTime;
use serde_json::json;
use sync_core::wire::{Fact, FactKind, Lane, RELEASE_PIECE, ReleaseOffer};

use crate::commit::CommitError;
use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::settings;
use crate::sql::{Connection, params};
use crate::sync::{blobs, directory, facts};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_releases(
    doc BLOB PRIMARY KEY, version INTEGER NOT NULL, taken INTEGER NOT NULL, about TEXT NOT NULL, offer BLOB NOT NULL)
    WITHOUT ROWID;
";

/// The version that runs at a box; none is fetched that is not newer.
const ABOVE: &str = "release.above";
/// The release that a box needs no more: it was handed over, or refused.
const DONE: &str = "release.done";
/// The box's words on its systems.
const TOLD: &str = "release.told";

/// A release that the hub keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRow {
    /// Its name.
    pub doc: DocId,
    /// Version of its system.
    pub version: u64,
    /// When the hub took it in.
    pub taken: WallTime,
    /// What its manifest says, in the words of whoever put it here.
    pub about: serde_json::Value,
    /// What boxes hear.
    pub offer: ReleaseOffer,
}

/// A release that a box has whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeRelease {
    /// Its name.
    pub doc: DocId,
    /// What the hub offered.
    pub offer: ReleaseOffer,
}

/// Whether this names a release and no document.
pub(crate) fn is_release(doc: DocId) -> bool {
    doc.0[0] == 0
}

fn offer_of(fact: &Fact) -> Result<ReleaseOffer, StoreError> {
    ReleaseOffer::decode(&fact.body).map_err(|_| StoreError::Unreadable("release"))
}

/// Hub: whether a clinic's boxes may have the pieces of a release.
pub(crate) fn is_offered(sql: &Connection, c: i64, doc: DocId) -> Result<bool, StoreError> {
    if !is_release(doc) {
        return Ok(false);
    }
    let clinic = directory::clinic_code(sql, c)?;
    let last = facts::last_fact(sql, &clinic, FactKind::Release)?;
    Ok(last.as_ref().map(offer_of).transpose()?.map(|offer| offer.doc()) == Some(doc))
}

/// Box: the hub offers something else than before.
pub(crate) fn offered(tx: &mut Tx<'_>, last: Option<&Fact>, fact: &Fact) -> Result<(), StoreError> {
    if let Some(last) = last.and_then(|last| offer_of(last).ok())
        && last.encode() != fact.body
    {
        blobs::forget_release(tx, last.doc())?;
    }
    want(tx, fact)
}

/// Wants what is offered, where the box takes systems and this one is newer and not dealt with.
fn want(tx: &mut Tx<'_>, fact: &Fact) -> Result<(), StoreError> {
    tx.emit(StoreEvent::SyncState);
    // An offer in a form of a later release is none.
    let Ok(offer) = ReleaseOffer::decode(&fact.body) else {
        return Ok(());
    };
    let above = settings::get(tx.sql, ABOVE)?.and_then(|above| above.as_u64());
    let done = settings::get(tx.sql, DONE)?;
    let doc = offer.doc();
    if above.is_none_or(|above| offer.version <= above) || done == Some(json!(doc.to_string())) {
        return Ok(());
    }
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_wanted(blob, doc, lane, length) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    let mut has = tx
        .sql
        .prepare_cached("SELECT 1 FROM blobs JOIN link_blobs ON blob = id WHERE id = ?1 AND doc = ?2")?;
    for (blob, length) in offer.pieces {
        if !has.exists(params![blob.as_bytes(), doc.as_bytes()])? {
            put.execute(params![
                blob.as_bytes(),
                doc.as_bytes(),
                Lane::P4.number(),
                length.cast_signed()
            ])?;
        }
    }
    Ok(())
}

fn last_here(sql: &Connection) -> Result<Option<Fact>, StoreError> {
    let clinic: Option<ClinicCode> = settings::clinic(sql)?;
    clinic.map_or(Ok(None), |clinic| {
        facts::last_fact(sql, &clinic, FactKind::Release)
    })
}

/// Box: the release whose pieces are waited for or here.
pub(crate) fn fetched(sql: &Connection) -> Result<Option<DocId>, StoreError> {
    let offer = last_here(sql)?.as_ref().and_then(|fact| offer_of(fact).ok());
    Ok(offer.map(|offer| offer.doc()))
}

/// Box: what it says of its systems behind its program's version.
pub(crate) fn told(sql: &Connection) -> Result<Option<String>, StoreError> {
    Ok(settings::get(sql, TOLD)?.and_then(|told| told.as_str().map(str::to_owned)))
}

impl Store {
    /// Hub: keeps a piece of a bundle, the next `RELEASE_PIECE` bytes of it.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn put_release_piece(&self, bytes: Vec<u8>) -> Result<(BlobId, u64), CommitError> {
        if bytes.is_empty() || bytes.len() > RELEASE_PIECE {
            return Err(CommitError::Refused("piece of a release"));
        }
        let length = bytes.len() as u64;
        Ok((self.put_blob(bytes).await?, length))
    }

    /// Hub: keeps a release whose pieces are here. `false` where it is kept already.
    pub async fn put_release(
        &self,
        offer: ReleaseOffer,
        about: serde_json::Value,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let doc = offer.doc();
            for (blob, length) in &offer.pieces {
                blobs::name(tx, *blob, doc, Lane::P4, *length)?;
            }
            let put = tx.sql.execute(
                "INSERT INTO link_releases(doc, version, taken, about, offer) VALUES(?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
                params![
                    doc.as_bytes(),
                    offer.version.cast_signed(),
                    tx.now.at.0,
                    about.to_string(),
                    offer.encode()
                ],
            )?;
            Ok(put > 0)
        })
        .await
    }

    /// Hub: the releases, latest version first.
    pub async fn releases(&self) -> Result<Vec<ReleaseRow>, StoreError> {
        self.read(|sql| {
            let mut rows = sql.prepare_cached(
                "SELECT doc, version, taken, about, offer FROM link_releases ORDER BY version DESC, taken DESC, doc",
            )?;
            let mut rows = rows.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (about, offer): (String, Vec<u8>) = (row.get(3)?, row.get(4)?);
                found.push(ReleaseRow {
                    doc: DocId(row.get(0)?),
                    version: row.get::<_, i64>(1)?.cast_unsigned(),
                    taken: WallTime(row.get(2)?),
                    about: serde_json::from_str(&about).unwrap_or_default(),
                    offer: ReleaseOffer::decode(&offer).map_err(|_| StoreError::Unreadable("release"))?,
                });
            }
            Ok(found)
        })
        .await
    }

    /// Hub: offers a clinic's boxes this release and no other; one without pieces takes an offer back. `false` where they
    /// heard just that already, or there is no such clinic.
    pub async fn offer_release(&self, clinic: &ClinicCode, offer: ReleaseOffer) -> Result<bool, StoreError> {
        let clinic = clinic.clone();
        self.write(move |tx| {
            if directory::clinic_row(tx.sql, &clinic)?.is_none() {
                return Ok(false);
            }
            let body = offer.encode();
            let last = facts::last_fact(tx.sql, &clinic, FactKind::Release)?;
            if last.is_some_and(|last| last.body == body) {
                return Ok(false);
            }
            Ok(facts::state_fact(tx, FactKind::Release, &clinic, body)?.is_some())
        })
        .await
    }

    /// Hub: what a clinic's boxes are offered.
    pub async fn release_offered(&self, clinic: &ClinicCode) -> Result<Option<ReleaseOffer>, StoreError> {
        let clinic = clinic.clone();
        self.read(move |sql| {
            let last = facts::last_fact(sql, &clinic, FactKind::Release)?;
            last.as_ref().map(offer_of).transpose()
        })
        .await
    }

    /// Box: says which system runs, so that newer ones are fetched, and what the hub hears of it (a text as
    /// [`sync_core::wire::SystemReport::behind`] makes it).
    pub async fn tell_of_systems(&self, running: u64, told: &str) -> Result<(), StoreError> {
        let told = json!(told);
        self.write(move |tx| {
            if settings::get(tx.sql, ABOVE)? == Some(json!(running))
                && settings::get(tx.sql, TOLD)?.as_ref() == Some(&told)
            {
                return Ok(());
            }
            settings::put(tx, ABOVE, &json!(running))?;
            settings::put(tx, TOLD, &told)?;
            match last_here(tx.sql)? {
                Some(fact) => want(tx, &fact),
                None => Ok(()),
            }
        })
        .await
    }

    /// Box: the release that is offered, once all of its pieces are here.
    pub async fn whole_release(&self) -> Result<Option<WholeRelease>, StoreError> {
        self.read(|sql| {
            let offer = last_here(sql)?.as_ref().and_then(|fact| offer_of(fact).ok());
            let Some(offer) = offer.filter(|offer| !offer.pieces.is_empty()) else {
                return Ok(None);
            };
            let doc = offer.doc();
            let mut has = sql.prepare_cached(
                "SELECT 1 FROM blobs JOIN link_blobs ON blob = id WHERE id = ?1 AND doc = ?2",
            )?;
            for (blob, _) in &offer.pieces {
                if !has.exists(params![blob.as_bytes(), doc.as_bytes()])? {
                    return Ok(None);
                }
            }
            Ok(Some(WholeRelease { doc, offer }))
        })
        .await
    }

    /// Box: a release was handed over or refused. What came of it goes, and it is not fetched again.
    pub async fn release_done(&self, doc: DocId) -> Result<(), StoreError> {
        self.write(move |tx| {
            settings::put(tx, DONE, &json!(doc.to_string()))?;
            blobs::forget_release(tx, doc)
        })
        .await
    }

    /// Box: bytes of the offered release that are here, of how many; `None` where none is waited for.
    pub async fn release_progress(&self) -> Result<Option<(u64, u64)>, StoreError> {
        self.read(|sql| {
            let Some(offer) = last_here(sql)?.as_ref().and_then(|fact| offer_of(fact).ok()) else {
                return Ok(None);
            };
            let doc = offer.doc();
            let mut wanted = sql.prepare_cached(
                "SELECT CAST(sum(length) AS INTEGER), (SELECT coalesce(sum(length(bytes)), 0) FROM link_pieces
                     WHERE blob IN (SELECT blob FROM link_wanted WHERE doc = ?1))
                 FROM link_wanted WHERE doc = ?1",
            )?;
            let (lacks, part): (Option<i64>, i64) =
                wanted.query_row([doc.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let lacks = lacks.map(|lacks| (lacks - part).max(0).cast_unsigned());
            Ok(lacks.map(|lacks| (offer.length().saturating_sub(lacks), offer.length())))
        })
        .await
    }
}
