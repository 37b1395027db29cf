//! Values of operations: scalars, and packed facts as their parts.

use records::packed;
use records::tree::{Node, Scalar};

use super::fields;
use super::tape::{Source, Tape};
use crate::wire::WireFault;

/// Longest text or bytes of one value.
const VALUE_MAX: usize = 256 * 1024;

const END: u8 = 0;
const LITERAL: u8 = 1;
/// Words follow from here; those that do not fit the byte are written as `MORE` and one byte.
const FIRST_WORD: u8 = 2;
const MORE: u8 = 255;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;
const LIST: u8 = 7;
const MAP: u8 = 8;
const LIST_END: u8 = 9;
const DECIMAL: u8 = 10;
const SMALL: u8 = 32;
/// Integers below this are their own tag.
const SMALL_MAX: i64 = 200;

fn put_word(tape: &mut Tape, field: u32, text: &str) {
    match packed::word_number(text) {
        Some(word) if u32::from(word) < u32::from(MORE - FIRST_WORD) => {
            tape.byte(field, word as u8 + FIRST_WORD)
        }
        Some(word) if u32::from(word) < 2 * u32::from(MORE - FIRST_WORD) => {
            tape.byte(field, MORE);
            tape.byte(field ^ 1, (word - u16::from(MORE - FIRST_WORD)) as u8);
        }
        Some(_) | None => {
            tape.byte(field, LITERAL);
            tape.text(field ^ 0x800_0000, text);
        }
    }
}

/// A word, a text, or the end of a map.
fn take_word(from: &mut impl Source, field: u32) -> Result<Option<String>, WireFault> {
    let number = match from.byte(field)? {
        END => return Ok(None),
        LITERAL => return from.text(field ^ 0x800_0000, VALUE_MAX).map(Some),
        MORE => u16::from(MORE - FIRST_WORD) + u16::from(from.byte(field ^ 1)?),
        word => u16::from(word - FIRST_WORD),
    };
    packed::word(number)
        .map(|word| Some(word.to_owned()))
        .ok_or(WireFault::BadValue("word"))
}

fn key_field(path: u32, key: &str) -> u32 {
    let word = packed::word_number(key).map_or(999, u32::from);
    (path.wrapping_mul(31).wrapping_add(word + 1)) & 0xffff
}

/// Writes the parts of a packed fact.
pub(super) fn put_node(tape: &mut Tape, path: u32, node: &Node) {
    let field = fields::PACKED + path * 2;
    match node {
        Node::Leaf(leaf) => put_scalar(tape, field, &leaf.winner),
        Node::List(items) => {
            tape.byte(field, LIST);
            let inner = path.wrapping_mul(31).wrapping_add(777) & 0xffff;
            items.iter().for_each(|item| put_node(tape, inner, item));
            tape.byte(fields::PACKED + inner * 2, LIST_END);
        }
        Node::Map(parts) => {
            tape.byte(field, MAP);
            let mut before = path;
            for (key, part) in parts {
                put_word(tape, fields::PACKED_KEY * 16 + before * 4, key);
                let inner = key_field(path, key);
                put_node(tape, inner, part);
                before = inner;
            }
            tape.byte(fields::PACKED_KEY * 16 + before * 4, END);
        }
    }
}

fn put_scalar(tape: &mut Tape, field: u32, value: &Scalar) {
    match value {
        Scalar::Null => tape.byte(field, NULL),
        Scalar::Bool(truth) => tape.byte(field, if *truth { TRUE } else { FALSE }),
        Scalar::Int(small @ 0..SMALL_MAX) => tape.byte(field, SMALL + *small as u8),
        Scalar::Int(number) => {
            tape.byte(field, INT);
            tape.signed(field ^ 1, *number);
        }
        Scalar::Float(number) => match packed::decimal(*number) {
            Some((digits, exponent)) => {
                tape.byte(field, DECIMAL + exponent);
                tape.signed(field ^ 1, digits);
            }
            None => {
                tape.byte(field, FLOAT);
                tape.array(field ^ 1, &number.to_bits().to_le_bytes());
            }
        },
        Scalar::Text(text) => {
            tape.byte(field, TEXT);
            put_word(tape, field ^ 1, text);
        }
        Scalar::Bytes(bytes) => {
            tape.byte(field, BYTES);
            tape.bytes(field ^ 1, bytes);
        }
    }
}

/// Reads the parts of a packed fact; `None` is the end of a list.
pub(super) fn take_node(from: &mut impl Source, path: u32, depth: usize) -> Result<Option<Node>, WireFault> {
    if depth > packed::PACKED_DEPTH_MAX {
        return Err(WireFault::TooLong("depth of a fact"));
    }
    let field = fields::PACKED + path * 2;
    let scalar = match from.byte(field)? {
        NULL => Scalar::Null,
        FALSE => Scalar::Bool(false),
        TRUE => Scalar::Bool(true),
        INT => Scalar::Int(from.signed(field ^ 1)?),
        FLOAT => Scalar::Float(f64::from_bits(u64::from_le_bytes(from.array(field ^ 1)?))),
        TEXT => Scalar::Text(take_word(from, field ^ 1)?.ok_or(WireFault::BadValue("text"))?),
        BYTES => Scalar::Bytes(from.bytes(field ^ 1, VALUE_MAX)?),
        LIST_END => return Ok(None),
        LIST => {
            let inner = path.wrapping_mul(31).wrapping_add(777) & 0xffff;
            let mut items = Vec::new();
            while let Some(item) = take_node(from, inner, depth + 1)? {
                items.push(item);
            }
            return Ok(Some(Node::List(items)));
        }
        MAP => {
            let mut parts = std::collections::BTreeMap::new();
            let mut before = path;
            while let Some(key) = take_word(from, fields::PACKED_KEY * 16 + before * 4)? {
                let inner = key_field(path, &key);
                let part = take_node(from, inner, depth + 1)?.ok_or(WireFault::BadValue("fact"))?;
                parts.insert(key, part);
                before = inner;
            }
            return Ok(Some(Node::Map(parts)));
        }
        tag @ DECIMAL..=14 => Scalar::Float(packed::from_decimal(from.signed(field ^ 1)?, tag - DECIMAL)),
        small if small >= SMALL => Scalar::Int(i64::from(small - SMALL)),
        _ => return Err(WireFault::BadValue("tag of a fact")),
    };
    Ok(Some(scalar.into()))
}
