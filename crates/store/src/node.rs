//! A tree of plain data as compact bytes, for columns of derived tables. The same tree gives the same bytes.

use std::collections::BTreeMap;

use records::tree::{Leaf, Node, Scalar};

const MAP: u8 = 1;
const LIST: u8 = 2;
const LEAF: u8 = 3;
const CLASH: u8 = 4;
const FALSE: u8 = 0;
const TRUE: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;
const BYTES: u8 = 5;
const NULL: u8 = 6;

/// The bytes of a tree.
pub(crate) fn encode(node: &Node) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(node, &mut out);
    out
}

fn write(node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::Map(parts) => {
            out.push(MAP);
            number(parts.len() as u64, out);
            for (key, part) in parts {
                bytes(key.as_bytes(), out);
                write(part, out);
            }
        }
        Node::List(items) => {
            out.push(LIST);
            number(items.len() as u64, out);
            items.iter().for_each(|item| write(item, out));
        }
        Node::Leaf(leaf) if leaf.others.is_empty() => {
            out.push(LEAF);
            scalar(&leaf.winner, out);
        }
        Node::Leaf(leaf) => {
            out.push(CLASH);
            scalar(&leaf.winner, out);
            number(leaf.others.len() as u64, out);
            leaf.others.iter().for_each(|other| scalar(other, out));
        }
    }
}

fn scalar(value: &Scalar, out: &mut Vec<u8>) {
    match value {
        Scalar::Bool(false) => out.push(FALSE),
        Scalar::Bool(true) => out.push(TRUE),
        Scalar::Int(value) => {
            out.push(INT);
            // Zigzag: small numbers of either sign are short.
            number(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
        }
        Scalar::Float(value) => {
            out.push(FLOAT);
            out.extend_from_slice(&value.to_bits().to_be_bytes());
        }
        Scalar::Text(text) => {
            out.push(TEXT);
            bytes(text.as_bytes(), out);
        }
        Scalar::Bytes(content) => {
            out.push(BYTES);
            bytes(content, out);
        }
        Scalar::Null => out.push(NULL),
    }
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(content: &[u8], out: &mut Vec<u8>) {
    number(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// The tree of these bytes; `None` where they are no tree.
pub(crate) fn decode(bytes: &[u8]) -> Option<Node> {
    let mut input = Input { rest: bytes };
    let node = input.node(0)?;
    input.rest.is_empty().then_some(node)
}

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (content, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(content)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.byte()? {
            MAP => {
                let mut parts = BTreeMap::new();
                for _ in 0..self.number()? {
                    let key = self.text()?;
                    parts.insert(key, self.node(depth + 1)?);
                }
                Some(Node::Map(parts))
            }
            LIST => {
                let count = self.number()?;
                (0..count)
                    .map(|_| self.node(depth + 1))
                    .collect::<Option<Vec<_>>>()
                    .map(Node::List)
            }
            LEAF => Some(Node::Leaf(Leaf {
                winner: self.scalar()?,
                others: Vec::new(),
            })),
            CLASH => {
                let winner = self.scalar()?;
                let count = self.number()?;
                let others = (0..count).map(|_| self.scalar()).collect::<Option<Vec<_>>>()?;
                Some(Node::Leaf(Leaf { winner, others }))
            }
            _ => None,
        }
    }

    fn scalar(&mut self) -> Option<Scalar> {
        match self.byte()? {
            FALSE => Some(Scalar::Bool(false)),
            TRUE => Some(Scalar::Bool(true)),
            INT => {
                let folded = self.number()?;
                Some(Scalar::Int(
                    (folded >> 1).cast_signed() ^ -((folded & 1).cast_signed()),
                ))
            }
            FLOAT => {
                let (bits, rest) = self.rest.split_first_chunk::<8>()?;
                self.rest = rest;
                Some(Scalar::Float(f64::from_bits(u64::from_be_bytes(*bits))))
            }
            TEXT => self.text().map(Scalar::Text),
            BYTES => self.bytes().map(|content| Scalar::Bytes(content.to_vec())),
            NULL => Some(Scalar::Null),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            (-1e9f64..1e9).prop_map(Scalar::Float),
            ".{0,8}".prop_map(Scalar::Text),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(Scalar::Bytes),
            Just(Scalar::Null),
        ]
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = (any_scalar(), prop::collection::vec(any_scalar(), 0..3))
            .prop_map(|(winner, others)| Node::Leaf(Leaf { winner, others }));
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::btree_map(".{0,4}", inner.clone(), 0..4).prop_map(Node::Map),
                prop::collection::vec(inner, 0..4).prop_map(Node::List),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_tree_survives_its_bytes(node in any_node()) {
            prop_assert_eq!(decode(&encode(&node)), Some(node));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
