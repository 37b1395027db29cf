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
    let planned = records::layout::containers(kind).iter().copied();
    for name in [SELF_KEY].into_iter().chain(planned).chain([EXTENSION_KEY]) {
        // A put into the root of a fresh document has nothing that it could fail on.
        let made = transaction.put_object(ROOT, name, ObjType::Map);
        debug_assert!(made.is_ok());
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    let hash = document
        .get_heads()
        .first()
        .map(|head| head.0)
        .unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a genesis may never change: documents of older releases would be orphans.
    #[test]
    fn genesis_bytes_are_fixed() {
        let hashes: Vec<String> = DocKind::ALL
            .into_iter()
            .map(|kind| {
                genesis_hash(kind)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            })
            .collect();
        let fixed = [
            "59e31cb9e35734764595ff474f461eb95c77d7ee31eb5143f93adb41b8ad76d5",
            "34dddaacdba5eec8311b5061aa239f52fbb71248a151923c3ea3fa2a3dd4a5bd",
            "cfd7d9ee2e8bcb981b0e4ab10aa11dd411969396a3a4d85f1a1238ef40227d6f",
            "aba71ed0ae188503022e7b8885e814c4ce16e0d63d123a5ab46c19f7373e6992",
            "2e1715a127c2d51d1fad4cd8652461a68d376e73f33a23b6be36eab3354c588e",
            "2af0e58bb3932f7e9c90acb78e83441c9908c2d933ad859456a52b93580bca97",
        ];
        assert_eq!(hashes, fixed);
    }

    #[test]
    fn every_planned_container_is_there_from_the_start() {
        use automerge::ReadDoc;
        for kind in DocKind::ALL {
            let mut found: Vec<String> = genesis(kind).keys(ROOT).collect();
            found.sort();
            let mut planned: Vec<String> = records::layout::containers(kind)
                .iter()
                .map(|name| (*name).to_owned())
                .collect();
            planned.extend([SELF_KEY.to_owned(), EXTENSION_KEY.to_owned()]);
            planned.sort();
            assert_eq!(found, planned);
        }
    }
}
