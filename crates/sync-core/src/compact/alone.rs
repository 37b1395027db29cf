//! One change by itself, as a log keeps it: its operations as a stream, without what the log's own columns say.
//!
//! The stream tells nothing that hangs on other records, so that each change is read again without them.

use records::ids::{DeviceId, DocId, DocKind, SessionId};

use super::scene::Scene;
use super::tape::{Tape, TapeReader};
use super::{Nothing, put_change, take_change, taken_apart};
use crate::identity::Actor;
use crate::wire::WireFault;

/// The operations of a change by `actor` in a document of this kind. `None` where its bytes would not come back as
/// they are: such a change is kept whole.
pub fn fold(actor: Actor, kind: DocKind, bytes: &[u8]) -> Option<Vec<u8>> {
    let (expanded, hash) = taken_apart(bytes)?;
    let mut scene = lasting(actor);
    let mut tape = Tape::default();
    put_change(&mut tape, &mut scene, any_of(kind), &expanded, hash);
    // Known by trying it: nothing else would say it of every change that there may be.
    let again = unfold(actor, kind, &tape.bytes).ok()?;
    (again.0 == bytes).then_some(tape.bytes)
}

/// The bytes of a change, and its hash, from its operations.
///
/// # Errors
///
/// The operations are damaged. Ones that were damaged into other well-formed ones come out under another hash.
pub fn unfold(actor: Actor, kind: DocKind, folded: &[u8]) -> Result<(Vec<u8>, [u8; 32]), WireFault> {
    let mut scene = lasting(actor);
    let mut from = TapeReader::of(folded);
    let change = take_change(&mut from, &mut scene, any_of(kind))?;
    if !from.is_at_end() {
        return Err(WireFault::BadValue("operations"));
    }
    Ok((change.raw_bytes().to_vec(), change.hash().0))
}

fn lasting(actor: Actor) -> Scene<'static> {
    let mut scene = Scene::new(&Nothing, actor);
    scene.lasting = true;
    scene
}

/// Of the document only its kind is looked at.
fn any_of(kind: DocKind) -> DocId {
    let mut id = [0; 16];
    id[0] = kind.byte();
    DocId(id)
}

/// One run of a fuzzer: the first byte names a kind of record, the others are taken for folded operations. What is
/// read must come out the same once more: a log that is written anew keeps each change byte for byte.
pub fn fuzz_one(data: &[u8]) {
    let Some((first, folded)) = data.split_first() else {
        return;
    };
    let kind = DocKind::ALL[usize::from(*first) % DocKind::ALL.len()];
    let actor = Actor {
        device: DeviceId([1; 8]),
        session: SessionId([2; 8]),
    };
    if let Ok((bytes, hash)) = unfold(actor, kind, folded)
        && let Some(again) = fold(actor, kind, &bytes)
    {
        assert_eq!(
            unfold(actor, kind, &again),
            Ok((bytes, hash)),
            "a change came back as another"
        );
    }
}
