//! Operations of one change: written as a tape and read back into Automerge's own bytes.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ObjType, ScalarValue};
use records::packed;
use records::tree::Node;

use super::fields;
use super::scene::Scene;
use super::tape::{Source, Tape};
use super::values;
use crate::wire::WireFault;

/// Most operations of one change on the wire.
const OPS_MAX: usize = crate::document::OPS_MAX;
/// Longest text or bytes of one value.
const VALUE_MAX: usize = 2 * 1024 * 1024;
/// Largest operation number: Automerge keeps them in 32 bits.
const COUNTER_MAX: u64 = u32::MAX as u64 / 2;

/// The names of fields that keys are written as numbers of. The list only ever grows at its end.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "n", "owner", "schema", "origin", "id", "rest", "patient", "name", "sex", "birth", "phone", "address",
    "clinic", "doctor", "kind", "opened", "closed", "complaint", "history", "past_history", "examination", "advice",
    "observations", "fields", "source", "edits", "problems", "allergies", "medications", "visit", "note", "person",
    "id_number", "ethnicity", "village", "town", "region", "household", "insurance", "number", "category", "blood",
    "month", "status", "at", "by", "text", "reason", "code", "agent", "since", "value", "settings", "bays", "staff",
    "stock", "plans", "doc", "ext", "heads", "signed", "state", "to", "from", "title", "content", "answer", "chosen",
    "phone2", "archive_no", "county", "group", "house", "householder", "relation", "rhesus", "contract_date", "care",
    "blob", "preview", "samples", "rate", "leads", "summary", "message", "call", "series", "triage", "urgency",
    "form", "login", "roles", "password", "pin", "device", "port", "label", "quantity", "unit", "price", "dose",
    "frequency", "route", "days", "spec", "drug", "onset", "severity", "reaction", "certainty", "diagnosis",
    "agents", "clock", "entered", "withdrawn", "refuted", "ended", "stopped", "replaced", "base", "hash", "length",
];

const END: u8 = 0;
const KEY_LITERAL: u8 = 0;
const KEY_NUMBER: u8 = 1;
const KEY_BYTES: u8 = 2;
const KEY_LINE: u8 = 3;
const KEY_LINE_PART: u8 = 4;
const KEY_DERIVED: u8 = 5;
const KEY_HEAD: u8 = 6;
const KEY_ELEMENT: u8 = 7;
const KEY_LAST: u8 = 8;
const KEY_TEXT_BYTES: u8 = 9;
const FIRST_KEY: u8 = 16;

/// How the object of an operation is told.
const SAME: u8 = 0;
const GENESIS: u8 = 1;
const ROOT: u8 = 2;
const MADE: u8 = 3;
const OTHER: u8 = 4;

const V_NULL: u8 = 0;
const V_FALSE: u8 = 1;
const V_TRUE: u8 = 2;
const V_INT: u8 = 3;
const V_UINT: u8 = 4;
const V_F64: u8 = 5;
const V_STR: u8 = 6;
const V_BYTES: u8 = 7;
const V_PACKED: u8 = 8;
const V_DOC: u8 = 9;
const V_TIME: u8 = 11;

/// What is remembered from operation to operation.
struct Place {
    object: ObjectId,
    /// Number of the object as the model's context: the container's, or of the key under which it was made.
    object_name: u32,
    before: u32,
    last_element: Option<u64>,
    derived: Option<[u8; 8]>,
}

impl Place {
    fn new() -> Self {
        Self {
            object: ObjectId::Root,
            object_name: 0,
            before: 0,
            last_element: None,
            derived: None,
        }
    }

    fn op_field(&self) -> u32 {
        fields::OP + ((self.object_name * 67 + self.before) & 0xfff)
    }

    fn key_field(&self) -> u32 {
        fields::KEY + ((self.object_name * 67 + self.before) & 0xfff)
    }
}

/// The actor of Automerge's genesis changes.
const GENESIS_ACTOR: [u8; 16] = [0; 16];

fn action_number(op: &Op) -> u8 {
    match &op.action {
        OpType::Put(_) => 1,
        OpType::Make(ObjType::Map) => 2,
        OpType::Make(ObjType::List) => 3,
        OpType::Make(ObjType::Text) => 4,
        OpType::Make(ObjType::Table) => 5,
        OpType::Delete => 6,
        OpType::Increment(_) => 7,
        OpType::MarkBegin(_) | OpType::MarkEnd(_) => 0,
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| match pair[at] {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = digit(0)? * 16 + digit(1)?;
    }
    Some(bytes)
}

fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of an imported line that is a key of this change.
pub(super) fn line_of(operations: &[Op]) -> Option<[u8; 16]> {
    operations.iter().find_map(|op| match &op.key {
        Key::Map(key) => hex(key),
        Key::Seq(_) => None,
    })
}

/// Whether all operations are of kinds that a stream has words for; others travel raw.
pub(super) fn fit(operations: &[Op]) -> bool {
    operations.len() <= OPS_MAX
        && operations.iter().all(|op| {
            let value = match &op.action {
                OpType::Put(value) => !matches!(value, ScalarValue::Counter(_) | ScalarValue::Unknown { .. }),
                OpType::Make(_) | OpType::Delete | OpType::Increment(_) => true,
                OpType::MarkBegin(_) | OpType::MarkEnd(_) => false,
            };
            value && op.pred.iter().all(|pred| pred.0 <= COUNTER_MAX)
        })
}

/// Writes operations that [`fit`].
pub(super) fn put_ops(
    tape: &mut Tape,
    scene: &mut Scene,
    own: &ActorId,
    start: u64,
    line: Option<[u8; 16]>,
    operations: &[Op],
) {
    let mut place = Place::new();
    for (op, number) in operations.iter().zip(start..) {
        let action = action_number(op);
        let object = object_way(own, &place, &op.obj, number);
        let head = action + 8 * object + 64 * u8::from(op.insert) + 128 * u8::from(!op.pred.is_empty());
        tape.byte(place.op_field(), head);
        put_object(tape, scene, own, &mut place, &op.obj, object, number);
        put_key(tape, scene, own, &mut place, op, line);
        if !op.pred.is_empty() {
            tape.number(fields::PREDS, op.pred.len() as u64);
            for pred in op.pred.iter() {
                put_op_id(tape, scene, fields::PRED, pred);
            }
        }
        match &op.action {
            OpType::Put(value) => put_value(tape, scene, &place, value),
            OpType::Increment(by) => tape.signed(fields::VALUE + 1, *by),
            OpType::Make(_) | OpType::Delete | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {}
        }
        if op.insert {
            place.last_element = Some(number);
        }
    }
    tape.byte(place.op_field(), END);
}

fn object_way(own: &ActorId, place: &Place, object: &ObjectId, number: u64) -> u8 {
    if *object == place.object && place.before > 0 {
        return SAME;
    }
    match object {
        ObjectId::Root => ROOT,
        ObjectId::Id(OpId(counter, actor)) if actor.to_bytes() == GENESIS_ACTOR && *counter < 128 => GENESIS,
        ObjectId::Id(OpId(counter, actor)) if actor == own && *counter < number => MADE,
        ObjectId::Id(_) => OTHER,
    }
}

fn put_object(
    tape: &mut Tape,
    scene: &mut Scene,
    own: &ActorId,
    place: &mut Place,
    object: &ObjectId,
    way: u8,
    number: u64,
) {
    if way == SAME {
        return;
    }
    place.object = object.clone();
    place.last_element = None;
    match object {
        ObjectId::Root => place.object_name = 0,
        ObjectId::Id(OpId(counter, _)) if way == GENESIS => {
            place.object_name = 1 + *counter as u32;
            tape.byte(fields::OBJECT + (place.before << 8), *counter as u8);
        }
        ObjectId::Id(OpId(counter, actor)) if way == MADE => {
            debug_assert!(actor == own);
            place.object_name = 200;
            tape.number(fields::OBJECT ^ 0x80_0000, number - counter);
        }
        ObjectId::Id(id) => {
            place.object_name = 201;
            put_op_id(tape, scene, fields::OBJECT ^ 0x81_0000, id);
        }
    }
}

fn put_op_id(tape: &mut Tape, scene: &mut Scene, field: u32, id: &OpId) {
    scene.put_actor(tape, field ^ 0x100_0000, id.1.to_bytes());
    tape.number(field, id.0);
}

fn take_op_id(from: &mut impl Source, scene: &mut Scene, field: u32) -> Result<OpId, WireFault> {
    let actor = scene.take_actor(from, field ^ 0x100_0000)?;
    let counter = from.number(field)?;
    if counter == 0 || counter > COUNTER_MAX {
        return Err(WireFault::BadValue("operation number"));
    }
    Ok(OpId(counter, ActorId::from(&actor[..])))
}

fn key_name(key: &str) -> u32 {
    let known = KEYS.iter().zip(1u32..).find(|(name, _)| **name == key);
    known.map_or(1022, |(_, number)| number)
}

fn put_key(
    tape: &mut Tape,
    scene: &mut Scene,
    own: &ActorId,
    place: &mut Place,
    op: &Op,
    line: Option<[u8; 16]>,
) {
    let field = place.key_field();
    place.derived = None;
    let key = match &op.key {
        Key::Map(key) => key.as_str(),
        Key::Seq(ElementId::Head) => {
            tape.byte(field, KEY_HEAD);
            place.before = 1020;
            return;
        }
        Key::Seq(ElementId::Id(id)) => {
            if Some(id.0) == place.last_element && id.1 == *own {
                tape.byte(field, KEY_LAST);
            } else {
                tape.byte(field, KEY_ELEMENT);
                put_op_id(tape, scene, fields::ELEMENT, id);
            }
            place.before = 1021;
            return;
        }
    };
    let name = key_name(key);
    place.before = name;
    if name < 200 {
        tape.byte(field, FIRST_KEY + name as u8);
        return;
    }
    place.before = 900;
    if let Some(bytes) = hex::<8>(key) {
        let number = u64::from_be_bytes(bytes);
        if number < 128 {
            tape.byte(field, KEY_NUMBER);
            tape.byte(fields::KEY_NUMBER + (place.object_name << 8), number as u8);
        } else if line.is_some_and(|line| bytes[3..] == line[..5]) {
            tape.byte(field, KEY_LINE_PART);
            tape.array(fields::KEY_PLACE, &bytes[..3]);
        } else if derived_key(&op.action) == Some(bytes) {
            tape.byte(field, KEY_DERIVED);
        } else {
            tape.byte(field, KEY_BYTES);
            tape.array(fields::KEY_BYTES, &bytes);
        }
    } else if let Some(bytes) = hex::<16>(key) {
        if Some(bytes) == line {
            tape.byte(field, KEY_LINE);
        } else {
            tape.byte(field, KEY_TEXT_BYTES);
            tape.array(fields::KEY_BYTES, &bytes);
        }
    } else {
        tape.byte(field, KEY_LITERAL);
        tape.text(fields::KEY_TEXT + (place.object_name << 8), key);
    }
}

/// The key of an imported reading: made of the id in its packed line.
fn derived_key(action: &OpType) -> Option<[u8; 8]> {
    let OpType::Put(ScalarValue::Bytes(bytes)) = action else {
        return None;
    };
    packed::unpack(bytes).ok().as_ref().and_then(key_of_fact)
}

fn key_of_fact(fact: &Node) -> Option<[u8; 8]> {
    let Node::Map(parts) = fact else { return None };
    let (_, line) = parts.first_key_value()?;
    line.text(&["id"]).map(records::imports::key_of)
}

fn put_value(tape: &mut Tape, scene: &mut Scene, place: &Place, value: &ScalarValue) {
    let name = if place.before == 900 {
        900 + place.object_name
    } else {
        place.before
    };
    let field = fields::VALUE + name * 8;
    match value {
        ScalarValue::Null => tape.byte(field, V_NULL),
        ScalarValue::Boolean(truth) => tape.byte(field, if *truth { V_TRUE } else { V_FALSE }),
        ScalarValue::Int(number) => {
            tape.byte(field, V_INT);
            if name == 1 {
                // Number in the origin: its position, nearly always.
                tape.signed(field ^ 1, number.wrapping_sub(scene.seq_now()));
            } else {
                tape.signed(field ^ 1, *number);
            }
        }
        ScalarValue::Uint(number) => {
            tape.byte(field, V_UINT);
            tape.number(field ^ 1, *number);
        }
        ScalarValue::F64(number) => {
            tape.byte(field, V_F64);
            tape.array(field ^ 1, &number.to_bits().to_le_bytes());
        }
        ScalarValue::Str(text) => {
            tape.byte(field, V_STR);
            tape.text(field ^ 2, text);
        }
        ScalarValue::Timestamp(at) => {
            tape.byte(field, V_TIME);
            tape.signed(field ^ 1, *at);
        }
        ScalarValue::Bytes(bytes) => {
            if let Some((doc, origin)) = scene.known_document(bytes) {
                tape.byte(field, V_DOC);
                scene.put_origin(tape, doc, &origin);
            } else if let Some(node) = as_fact(bytes).filter(|_| !scene.lasting) {
                tape.byte(field, V_PACKED);
                values::put_node(tape, name & 0xffff, &node);
            } else {
                tape.byte(field, V_BYTES);
                tape.bytes(field ^ 3, bytes);
            }
        }
        // Told apart before: changes with these travel raw.
        ScalarValue::Counter(_) | ScalarValue::Unknown { .. } => {}
    }
}

/// The fact that these bytes pack, where packing it again gives the same bytes. A later release may know more words
/// and pack it otherwise, so that a stream which is kept holds the bytes themselves.
fn as_fact(bytes: &[u8]) -> Option<Node> {
    let node = packed::unpack(bytes).ok()?;
    (packed::pack(&node).ok()? == bytes && !matches!(node, Node::Leaf(_) if bytes.len() < 2)).then_some(node)
}

/// Reads operations back.
pub(super) fn take_ops(
    from: &mut impl Source,
    scene: &mut Scene,
    own: &ActorId,
    start: u64,
    line: Option<[u8; 16]>,
) -> Result<Vec<Op>, WireFault> {
    let mut place = Place::new();
    let mut operations = Vec::new();
    loop {
        let head = from.byte(place.op_field())?;
        if head == END {
            return Ok(operations);
        }
        if operations.len() >= OPS_MAX {
            return Err(WireFault::TooLong("operations"));
        }
        let number = start + operations.len() as u64;
        let (action, object, insert, preds) = (head & 7, (head >> 3) & 7, head & 64 > 0, head & 128 > 0);
        take_object(from, scene, own, &mut place, object, number)?;
        let key = take_key(from, scene, own, &mut place, line)?;
        let mut pred = Vec::new();
        if preds {
            let count = from.number(fields::PREDS)?;
            if count > OPS_MAX as u64 {
                return Err(WireFault::TooLong("predecessors"));
            }
            for _ in 0..count {
                pred.push(take_op_id(from, scene, fields::PRED)?);
            }
        }
        let action = match action {
            1 => OpType::Put(take_value(from, scene, &mut place)?),
            2 => OpType::Make(ObjType::Map),
            3 => OpType::Make(ObjType::List),
            4 => OpType::Make(ObjType::Text),
            5 => OpType::Make(ObjType::Table),
            6 => OpType::Delete,
            7 => OpType::Increment(from.signed(fields::VALUE + 1)?),
            _ => return Err(WireFault::BadValue("operation")),
        };
        let key = match key {
            Some(key) => key,
            None => Key::Map(
                text_of(&place.derived.ok_or(WireFault::BadValue("key"))?)
                    .as_str()
                    .into(),
            ),
        };
        if insert {
            place.last_element = Some(number);
        }
        operations.push(Op {
            action,
            obj: place.object.clone(),
            key,
            pred: pred.into(),
            insert,
        });
    }
}

fn take_object(
    from: &mut impl Source,
    scene: &mut Scene,
    own: &ActorId,
    place: &mut Place,
    way: u8,
    number: u64,
) -> Result<(), WireFault> {
    if way == SAME {
        return Ok(());
    }
    place.last_element = None;
    (place.object, place.object_name) = match way {
        ROOT => (ObjectId::Root, 0),
        GENESIS => {
            let counter = from.byte(fields::OBJECT + (place.before << 8))?;
            let id = OpId(counter.into(), ActorId::from(&GENESIS_ACTOR[..]));
            (ObjectId::Id(id), 1 + u32::from(counter))
        }
        MADE => {
            let back = from.number(fields::OBJECT ^ 0x80_0000)?;
            let counter = number.checked_sub(back).filter(|counter| *counter > 0);
            let counter = counter.ok_or(WireFault::BadValue("object"))?;
            (ObjectId::Id(OpId(counter, own.clone())), 200)
        }
        OTHER => (
            ObjectId::Id(take_op_id(from, scene, fields::OBJECT ^ 0x81_0000)?),
            201,
        ),
        _ => return Err(WireFault::BadValue("object")),
    };
    Ok(())
}

/// The key, or `None` where it is made of the value that follows.
fn take_key(
    from: &mut impl Source,
    scene: &mut Scene,
    own: &ActorId,
    place: &mut Place,
    line: Option<[u8; 16]>,
) -> Result<Option<Key>, WireFault> {
    let field = place.key_field();
    place.derived = None;
    let tag = from.byte(field)?;
    if tag >= FIRST_KEY {
        let key = KEYS
            .get(usize::from(tag - FIRST_KEY).wrapping_sub(1))
            .ok_or(WireFault::BadValue("key"))?;
        place.before = u32::from(tag - FIRST_KEY);
        return Ok(Some(Key::Map((*key).into())));
    }
    place.before = match tag {
        KEY_HEAD => 1020,
        KEY_LAST | KEY_ELEMENT => 1021,
        _ => 900,
    };
    let text = match tag {
        KEY_HEAD => return Ok(Some(Key::Seq(ElementId::Head))),
        KEY_LAST => {
            let last = place.last_element.ok_or(WireFault::BadValue("key"))?;
            return Ok(Some(Key::Seq(ElementId::Id(OpId(last, own.clone())))));
        }
        KEY_ELEMENT => {
            return Ok(Some(Key::Seq(ElementId::Id(take_op_id(
                from,
                scene,
                fields::ELEMENT,
            )?))));
        }
        KEY_DERIVED => return Ok(None),
        KEY_NUMBER => {
            let number = from.byte(fields::KEY_NUMBER + (place.object_name << 8))?;
            text_of(&u64::from(number).to_be_bytes())
        }
        KEY_LINE => text_of(&line.ok_or(WireFault::BadValue("key"))?),
        KEY_LINE_PART => {
            let line = line.ok_or(WireFault::BadValue("key"))?;
            let place = from.array::<3>(fields::KEY_PLACE)?;
            text_of(&[&place[..], &line[..5]].concat())
        }
        KEY_BYTES => text_of(&from.array::<8>(fields::KEY_BYTES)?),
        KEY_TEXT_BYTES => text_of(&from.array::<16>(fields::KEY_BYTES)?),
        KEY_LITERAL => from.text(fields::KEY_TEXT + (place.object_name << 8), VALUE_MAX)?,
        _ => return Err(WireFault::BadValue("key")),
    };
    Ok(Some(Key::Map(text.as_str().into())))
}

fn take_value(
    from: &mut impl Source,
    scene: &mut Scene,
    place: &mut Place,
) -> Result<ScalarValue, WireFault> {
    let name = if place.before == 900 {
        900 + place.object_name
    } else {
        place.before
    };
    let field = fields::VALUE + name * 8;
    Ok(match from.byte(field)? {
        V_NULL => ScalarValue::Null,
        V_FALSE => ScalarValue::Boolean(false),
        V_TRUE => ScalarValue::Boolean(true),
        V_INT if name == 1 => ScalarValue::Int(from.signed(field ^ 1)?.wrapping_add(scene.seq_now())),
        V_INT => ScalarValue::Int(from.signed(field ^ 1)?),
        V_UINT => ScalarValue::Uint(from.number(field ^ 1)?),
        V_F64 => ScalarValue::F64(f64::from_bits(u64::from_le_bytes(from.array(field ^ 1)?))),
        V_STR => ScalarValue::Str(from.text(field ^ 2, VALUE_MAX)?.as_str().into()),
        V_TIME => ScalarValue::Timestamp(from.signed(field ^ 1)?),
        V_BYTES => {
            let bytes = from.bytes(field ^ 3, VALUE_MAX)?;
            place.derived = packed::unpack(&bytes).ok().as_ref().and_then(key_of_fact);
            ScalarValue::Bytes(bytes)
        }
        V_DOC => ScalarValue::Bytes(scene.take_origin(from)?.0.0.to_vec()),
        V_PACKED => {
            let node = values::take_node(from, name & 0xffff, 0)?.ok_or(WireFault::BadValue("fact"))?;
            place.derived = key_of_fact(&node);
            ScalarValue::Bytes(packed::pack(&node).map_err(|_| WireFault::TooLong("fact"))?)
        }
        _ => return Err(WireFault::BadValue("value")),
    })
}
