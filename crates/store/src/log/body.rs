//! How a change stands in the log: as its operations, compressed with a dictionary of what records say again and
//! again, and whole where it would not come back byte for byte from them.
//!
//! A body's first byte says its form. Bodies of every form stay readable for ever: a new form or dictionary gets a new
//! number, nothing is ever read otherwise than it was written.

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;

use records::ids::{DeviceId, DocId, SessionId};
use sync_core::compact;
use sync_core::document::CHANGE_BYTES_MAX;
use sync_core::identity::Actor;
use sync_core::wire::change_hash;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use crate::engine::{StoreError, open_reader};
use crate::folder;

/// Body as it came.
const PLAIN: u8 = 0;
/// Body compressed by zstd.
const ZSTD: u8 = 1;
/// Operations compressed by zstd with [`WORDS`]; behind the form's byte the frame without its magic number.
const FOLDED: u8 = 2;

/// Level of compression of whole bodies: a Pi's core still writes tens of megabytes a second.
const LEVEL: i32 = 3;
/// Level of compression of operations: they are short, and stay for ever.
const FOLDED_LEVEL: i32 = 12;
/// What made-up records say again and again, as `dictionary` of the crate `tests` made it.
const WORDS: &[u8] = include_bytes!("words-1.zdict");
/// In front of each zstd frame (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Longest stream of operations: it names in full what a change tells in part.
const FOLDED_BYTES_MAX: usize = 2 * CHANGE_BYTES_MAX;

/// A change kept whole: one that was set aside may be of a kind that nobody here can take apart.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(bytes, LEVEL).unwrap_or_default();
    let shorter = !packed.is_empty() && packed.len() < bytes.len();
    let (tag, content) = if shorter {
        (ZSTD, packed.as_slice())
    } else {
        (PLAIN, bytes)
    };
    [&[tag][..], content].concat()
}

/// The bytes of a change that was kept whole.
pub(crate) fn unpack(body: &[u8]) -> Result<Vec<u8>, StoreError> {
    match body.split_first() {
        Some((&PLAIN, content)) => Ok(content.to_vec()),
        Some((&ZSTD, content)) => zstd::bulk::decompress(content, CHANGE_BYTES_MAX).map_err(|_| UNREADABLE),
        Some(_) | None => Err(UNREADABLE),
    }
}

const UNREADABLE: StoreError = StoreError::Unreadable("change");

/// The body of a change by `actor` in this document.
pub(crate) fn fold(actor: Actor, doc: DocId, bytes: &[u8]) -> Vec<u8> {
    let operations = doc.kind().and_then(|kind| compact::fold(actor, kind, bytes));
    let operations = operations.filter(|stream| stream.len() <= FOLDED_BYTES_MAX);
    let frame = operations.and_then(|stream| compress(&stream));
    match frame.as_deref().and_then(|frame| frame.strip_prefix(&MAGIC)) {
        Some(content) => [&[FOLDED][..], content].concat(),
        None => pack(bytes),
    }
}

/// The bytes of a change by `actor` in this document, from its body.
///
/// # Errors
///
/// The body is damaged: it gives no change, or one with another hash.
pub(crate) fn unfold(body: &[u8], actor: Actor, doc: DocId, hash: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
    let Some((&FOLDED, content)) = body.split_first() else {
        let bytes = unpack(body)?;
        return if change_hash(&bytes) == *hash {
            Ok(bytes)
        } else {
            Err(UNREADABLE)
        };
    };
    let stream = expand(&[&MAGIC[..], content].concat()).ok_or(UNREADABLE)?;
    let kind = doc.kind().ok_or(UNREADABLE)?;
    let (bytes, found) = compact::unfold(actor, kind, &stream).map_err(|_| UNREADABLE)?;
    // A damaged stream may give another change that is well formed.
    if found == *hash {
        Ok(bytes)
    } else {
        Err(UNREADABLE)
    }
}

/// One run of a fuzzer: the bytes as the body of a change.
pub fn fuzz_one(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let kinds = records::ids::DocKind::ALL;
    let mut doc = DocId([0; 16]);
    doc.0[0] = kinds[usize::from(*first) % kinds.len()].byte();
    let actor = Actor {
        device: DeviceId([1; 8]),
        session: SessionId([2; 8]),
    };
    assert!(
        unfold(body, actor, doc, &[0; 32]).is_err(),
        "nothing has this hash"
    );
}

/// Compresses with the dictionary; each thread keeps what it works with.
fn compress(stream: &[u8]) -> Option<Vec<u8>> {
    static WITH: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    thread_local! {
        static WORKING: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    }
    WORKING.with_borrow_mut(|working| {
        if working.is_none() {
            let dictionary = WITH.get_or_init(|| EncoderDictionary::copy(WORDS, FOLDED_LEVEL));
            let mut made = Compressor::with_prepared_dictionary(dictionary).ok()?;
            // The form says which dictionary, the row's hash whether it is whole.
            made.set_parameter(CParameter::DictIdFlag(false)).ok()?;
            made.set_parameter(CParameter::ChecksumFlag(false)).ok()?;
            *working = Some(made);
        }
        working.as_mut()?.compress(stream).ok()
    })
}

fn expand(frame: &[u8]) -> Option<Vec<u8>> {
    static WITH: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    thread_local! {
        static WORKING: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    WORKING.with_borrow_mut(|working| {
        if working.is_none() {
            let dictionary = WITH.get_or_init(|| DecoderDictionary::copy(WORDS));
            *working = Some(Decompressor::with_prepared_dictionary(dictionary).ok()?);
        }
        working.as_mut()?.decompress(frame, FOLDED_BYTES_MAX).ok()
    })
}

/// Gives the operations of every change in the log of a folder, in their order: of what the dictionary is made.
///
/// # Errors
///
/// The database cannot be read, or a change in it.
pub fn each_stream(folder: &Path, each: &mut dyn FnMut(Vec<u8>)) -> Result<(), StoreError> {
    let sql = open_reader(&folder.join(folder::DATABASE))?;
    let mut rows = sql.prepare(
        "SELECT device, session, id, hash, body FROM log JOIN sessions USING(s) JOIN documents USING(d) ORDER BY k",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        let doc = DocId(row.get(2)?);
        let bytes = unfold(&row.get::<_, Vec<u8>>(4)?, actor, doc, &row.get(3)?)?;
        if let Some(stream) = doc.kind().and_then(|kind| compact::fold(actor, kind, &bytes)) {
            each(stream);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use records::ids::{DocKind, PatientId};
    use records::time::WallTime;
    use records::tree::Edit;
    use sync_core::document::{Change, Document, Origin};

    use super::*;
    use crate::workbench::{Bench, new_doc, on, write};

    const ACTOR: Actor = Actor {
        device: DeviceId([1; 8]),
        session: SessionId([2; 8]),
    };

    fn visit(complaint: &str) -> (DocId, Change) {
        let origin = Origin {
            device: ACTOR.device,
            session: ACTOR.session,
            n: 1,
        };
        let edits = [
            Edit::put(&["visit", "patient"], PatientId([3; 16]).0.to_vec()),
            Edit::put(&["note", "complaint"], complaint),
        ];
        let owner = "0017".parse().unwrap();
        let at = WallTime(1_760_000_000_000);
        let made = Document::create(DocKind::Encounter, &owner, origin, ACTOR, at, &edits).unwrap();
        (made.0.id(), made.1)
    }

    #[test]
    fn a_body_that_is_kept_whole_survives() {
        for content in [vec![], vec![7; 5], b"abc".repeat(400)] {
            assert_eq!(unpack(&pack(&content)).unwrap(), content);
        }
        assert!(pack(&b"abc".repeat(400)).len() < 100);
        assert!(unpack(&[9, 1, 2]).is_err());
        assert!(unpack(&[]).is_err());
    }

    #[test]
    fn a_change_comes_back_from_its_folded_body_and_from_bodies_of_before() {
        let (doc, change) = visit("咳嗽3天，无发热。");
        let body = fold(ACTOR, doc, &change.bytes);
        assert_eq!(body[0], FOLDED);
        assert!(
            body.len() * 2 < change.bytes.len(),
            "{} {}",
            body.len(),
            change.bytes.len()
        );
        for body in [body, pack(&change.bytes), [&[PLAIN], &change.bytes[..]].concat()] {
            assert_eq!(unfold(&body, ACTOR, doc, &change.hash).unwrap(), change.bytes);
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_is_kept_whole() {
        let (doc, change) = visit("x");
        for (doc, bytes) in [(doc, vec![1, 2, 3]), (DocId([0xee; 16]), change.bytes)] {
            let body = fold(ACTOR, doc, &bytes);
            assert_ne!(body[0], FOLDED);
            assert_eq!(unfold(&body, ACTOR, doc, &change_hash(&bytes)).unwrap(), bytes);
            assert!(unfold(&body, ACTOR, doc, &[0; 32]).is_err(), "another change");
        }
    }

    #[test]
    fn a_damaged_body_never_gives_another_change() {
        let (doc, change) = visit("咳嗽3天，无发热。");
        let body = fold(ACTOR, doc, &change.bytes);
        for at in 0..body.len() * 8 {
            let mut damaged = body.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            // A whole body says nothing of its hash; loading the document does.
            if let Ok(bytes) = unfold(&damaged, ACTOR, doc, &change.hash)
                && damaged[0] == FOLDED
            {
                assert_eq!(bytes, change.bytes, "bit {at}");
            }
            if at % 8 == 0 {
                let _ = unfold(&body[..at / 8], ACTOR, doc, &change.hash);
            }
        }
    }

    /// Logs that are held need exactly these words: another dictionary takes another number.
    #[test]
    fn the_dictionary_is_fixed() {
        let hash: String = blake3::hash(WORDS).to_hex().chars().take(16).collect();
        assert_eq!((WORDS.len(), hash.as_str()), (131_072, "da288ee7b0941520"));
    }

    #[tokio::test]
    async fn a_database_of_whole_bodies_is_read_and_written_on() {
        let bench = Bench::new();
        let store = bench.open();
        let edit = |phone: &str| vec![Edit::put(&["person", "phone"], phone)];
        let chart = write(&store, new_doc(DocKind::Chart, edit("13800000001")))
            .await
            .docs[0];
        write(&store, on(chart, edit("13800000002"))).await;
        let bodies = |sql: &crate::sql::Connection| {
            let mut find = sql.prepare("SELECT k, hash, body FROM log ORDER BY k")?;
            let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok::<_, StoreError>(rows.collect::<crate::sql::Result<Vec<(i64, [u8; 32], Vec<u8>)>>>()?)
        };
        let actor = store.actor();
        store
            .write(move |tx| {
                for (k, hash, body) in bodies(tx.sql)? {
                    assert_eq!(body[0], FOLDED);
                    let whole = pack(&unfold(&body, actor, chart, &hash)?);
                    tx.sql.execute(
                        "UPDATE log SET body = ?2 WHERE k = ?1",
                        crate::sql::params![k, whole],
                    )?;
                }
                Ok::<_, StoreError>(tx.sql.pragma_update("user_version", 1)?)
            })
            .await
            .unwrap();
        drop(store);
        let store = bench.open();
        write(&store, on(chart, edit("13800000003"))).await;
        let forms: Vec<bool> = store
            .read(bodies)
            .await
            .unwrap()
            .iter()
            .map(|(_, _, body)| body[0] == FOLDED)
            .collect();
        assert_eq!(forms, [false, false, true]);
        let found = store.verify(None, Box::new(|_, _| {})).await.unwrap();
        assert_eq!((found.changes, found.problems.as_slice()), (3, &[][..]));
        let version = store
            .read(|sql| Ok::<i64, StoreError>(sql.query_row("PRAGMA user_version", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(version, crate::schema::VERSION);
    }

    /// A body as this release writes it, read by every later one.
    #[test]
    fn a_body_of_the_first_release_is_read() {
        let (doc, change) = visit("头晕1周，血压高。");
        let body = hex::decode(
            "0220523d01008080e0bb8e17071003e9ab98e38082ff0007fc2464bd67d51ad084aac6a3e609b72e0cca62666b",
        );
        let body = body.unwrap();
        assert_eq!(unfold(&body, ACTOR, doc, &change.hash).unwrap(), change.bytes);
    }
}
