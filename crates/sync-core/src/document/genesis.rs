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
            "dc08f9b7f9429a8094938c94fbc569c193c6e39020a4b4271521a8467edd92b5",
            "567611c8adb46ab7964ecb30703b4cd24a31869e25af060eab1c02aad0bf5d98",
            "1aa98eecc963229aea11f34cde8ffeaf9510b7cee4f30d2ec0f62709790eedb7",
            "cc767dc30cab0b408e0b2ed480dc8361aeba3c83197435a95dd328db73e90075",
            "2e1715a127c2d51d1fad4cd8652461a68d376e73f33a23b6be36eab3354c588e",
            "89a42e64e47eb962bb8630dbaaa406b027e1f3732a44eaf77a39117a81eea2e0",
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
