//! The first change of every document: the same bytes everywhere for one kind.

use std::sync::OnceLock;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ObjType, ROOT};
use records::ids::DocKind;

use super::{EXTENSION_KEY, SELF_KEY};

/// Actor of every genesis: no device has this id, since nobody owns a key that hashes to it.
const GENESIS_ACTOR: [u8; 16] = [0; 16];

struct Genesis {
    document: Automerge,
    hash: [u8; 32],
}

fn of(kind: DocKind) -> &'static Genesis {
    static ALL: OnceLock<Vec<Genesis>> = OnceLock::new();
    let all = ALL.get_or_init(|| DocKind::ALL.into_iter().map(make).collect());
    &all[usize::from(kind.byte() - 1)]
}

fn make(kind: DocKind) -> Genesis {
    let mut document = Automerge::new();
    document.set_actor(ActorId::from(&GENESIS_ACTOR[..]));
    let mut transaction = document.transaction();
    let planned = containers(kind).iter().copied();
    for name in [SELF_KEY].into_iter().chain(planned).chain([EXTENSION_KEY]) {
        // A put into the root of a fresh document has nothing that it could fail on.
        let made = transaction.put_object(ROOT, name, ObjType::Map);
        debug_assert!(made.is_ok());
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    let hash = document.get_heads().first().map(|head| head.0).unwrap_or_default();
    Genesis { document, hash }
}

/// A document of this kind that holds its genesis and nothing else.
pub(crate) fn genesis(kind: DocKind) -> Automerge {
    of(kind).document.clone()
}

/// The hash of the genesis of this kind.
pub fn genesis_hash(kind: DocKind) -> [u8; 32] {
    of(kind).hash
}

fn containers(kind: DocKind) -> &'static [&'static str] {
    match kind {
        DocKind::Chart => &["who", "allergies", "problems", "medications", "imported"],
        _ => &["observations", "ecgs", "amendments", "imported"],
    }
}
