//! One fact in one field: plain data as bytes.
//!
//! An allergy, a diagnosis or a reading is written once and never edited in parts; later acts (a refutation, a
//! withdrawal) stand beside it. So it takes one field of a document instead of a map of ten, which is what
//! documents of hundreds of thousands of visits weigh. Names of fields and frequent words are numbers of
//! `WORDS`, decimal fractions are digits and an exponent. Reading back gives equal data, bit for bit.
//!
//! Form: a tag byte, then by tag: an integer as zigzag LEB128; a decimal as its exponent and such an integer; a
//! float as 8 bytes, least first; a text as LEB128 of `2 * word` or of `2 * length + 1` and its UTF-8; bytes as
//! length and content; a list as its length and items; a map as its length and pairs of text and value.

use std::collections::BTreeMap;

use crate::tree::{Node, Scalar};

mod words;

use words::WORDS;

/// Longest packed fact, in bytes.
pub const PACKED_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting inside a fact.
pub const PACKED_DEPTH_MAX: usize = 16;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const DECIMAL: u8 = 5;
const TEXT: u8 = 6;
const BYTES: u8 = 7;
const LIST: u8 = 8;
const MAP: u8 = 9;
/// Tags from here on are the integers from 0 on themselves.
const SMALL_INT: u8 = 0x80;
/// Largest exponent of a decimal fraction.
const DECIMALS_MAX: u8 = 4;

/// Bytes that are no packed fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPacked {
    /// The bytes end too early.
    #[error("packed data ends too early")]
    Short,
    /// Bytes are left over.
    #[error("packed data goes on after its end")]
    Long,
    /// A tag, word or number that this release does not know.
    #[error("packed data of an unknown form")]
    Form,
    /// A text that is no UTF-8.
    #[error("packed text is not utf-8")]
    Utf8,
    /// Nested deeper, or more bytes, than allowed.
    #[error("packed data is too deep or too long")]
    Limit,
}

/// Packs plain data; of a clash only the winner. Nested too deep or too long is refused.
pub fn pack(node: &Node) -> Result<Vec<u8>, BadPacked> {
    let mut bytes = Vec::with_capacity(64);
    write(node, 0, &mut bytes)?;
    if bytes.len() > PACKED_BYTES_MAX {
        Err(BadPacked::Limit)
    } else {
        Ok(bytes)
    }
}

/// Reads packed data back.
pub fn unpack(bytes: &[u8]) -> Result<Node, BadPacked> {
    if bytes.len() > PACKED_BYTES_MAX {
        return Err(BadPacked::Limit);
    }
    let mut reader = Reader { rest: bytes };
    let node = reader.node(0)?;
    if reader.rest.is_empty() {
        Ok(node)
    } else {
        Err(BadPacked::Long)
    }
}

fn write(node: &Node, depth: usize, out: &mut Vec<u8>) -> Result<(), BadPacked> {
    if depth > PACKED_DEPTH_MAX {
        return Err(BadPacked::Limit);
    }
    match node {
        Node::Leaf(leaf) => write_scalar(&leaf.winner, out),
        Node::List(items) => {
            out.push(LIST);
            write_number(items.len() as u64, out);
            items.iter().try_for_each(|item| write(item, depth + 1, out))?;
        }
        Node::Map(parts) => {
            out.push(MAP);
            write_number(parts.len() as u64, out);
            for (key, part) in parts {
                write_text(key, out);
                write(part, depth + 1, out)?;
            }
        }
    }
    Ok(())
}

fn write_scalar(value: &Scalar, out: &mut Vec<u8>) {
    match value {
        Scalar::Null => out.push(NULL),
        Scalar::Bool(truth) => out.push(if *truth { TRUE } else { FALSE }),
        Scalar::Int(number) => match u8::try_from(*number) {
            Ok(small) if small < SMALL_INT => out.push(SMALL_INT | small),
            Ok(_) | Err(_) => {
                out.push(INT);
                write_number(zigzag(*number), out);
            }
        },
        Scalar::Float(number) => match decimal(*number) {
            Some((digits, exponent)) => {
                out.extend([DECIMAL, exponent]);
                write_number(zigzag(digits), out);
            }
            None => {
                out.push(FLOAT);
                out.extend(number.to_bits().to_le_bytes());
            }
        },
        Scalar::Text(text) => {
            out.push(TEXT);
            write_text(text, out);
        }
        Scalar::Bytes(bytes) => {
            out.push(BYTES);
            write_number(bytes.len() as u64, out);
            out.extend(bytes);
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    match words::number_of(text) {
        Some(word) => write_number(u64::from(word) << 1, out),
        None => {
            write_number(((text.len() as u64) << 1) | 1, out);
            out.extend(text.as_bytes());
        }
    }
}

/// LEB128: seven bits a byte, least first.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The number of a frequent word or field name, if it has one. Numbers never change.
pub fn word_number(text: &str) -> Option<u16> {
    words::number_of(text)
}

/// The word with this number.
pub fn word(number: u16) -> Option<&'static str> {
    WORDS.get(usize::from(number)).copied()
}

/// Digits and exponent (0 to 4) of a fraction that stands for exactly this float; `None` where there is none.
pub fn decimal(number: f64) -> Option<(i64, u8)> {
    (0..=DECIMALS_MAX).find_map(|exponent| {
        let digits = (number * 10f64.powi(i32::from(exponent))).round();
        let fits = digits.abs() < 1e15;
        let digits = if fits { digits as i64 } else { return None };
        (from_decimal(digits, exponent).to_bits() == number.to_bits()).then_some((digits, exponent))
    })
}

/// The float that these digits and this exponent stand for.
pub fn from_decimal(digits: i64, exponent: u8) -> f64 {
    digits as f64 / 10f64.powi(i32::from(exponent))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BadPacked> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(BadPacked::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, BadPacked> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Result<u64, BadPacked> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(BadPacked::Form);
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(BadPacked::Form)
    }

    fn signed(&mut self) -> Result<i64, BadPacked> {
        let number = self.number()?;
        Ok(((number >> 1) as i64) ^ -((number & 1) as i64))
    }

    /// A number of parts that follow; each takes a byte at least.
    fn count(&mut self) -> Result<usize, BadPacked> {
        let count = usize::try_from(self.number()?).map_err(|_| BadPacked::Limit)?;
        if count > self.rest.len() {
            Err(BadPacked::Short)
        } else {
            Ok(count)
        }
    }

    fn text(&mut self) -> Result<String, BadPacked> {
        let code = self.number()?;
        if code & 1 == 0 {
            let word = usize::try_from(code >> 1).ok().and_then(|word| WORDS.get(word));
            return word.map(|word| (*word).to_owned()).ok_or(BadPacked::Form);
        }
        let length = usize::try_from(code >> 1).map_err(|_| BadPacked::Limit)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| BadPacked::Utf8)
    }

    fn node(&mut self, depth: usize) -> Result<Node, BadPacked> {
        if depth > PACKED_DEPTH_MAX {
            return Err(BadPacked::Limit);
        }
        let value = match self.byte()? {
            NULL => Scalar::Null,
            FALSE => Scalar::Bool(false),
            TRUE => Scalar::Bool(true),
            INT => Scalar::Int(self.signed()?),
            FLOAT => {
                let bytes = self.take(8)?.try_into().map_err(|_| BadPacked::Short)?;
                Scalar::Float(f64::from_bits(u64::from_le_bytes(bytes)))
            }
            DECIMAL => {
                let exponent = self.byte()?;
                if exponent > DECIMALS_MAX {
                    return Err(BadPacked::Form);
                }
                Scalar::Float(from_decimal(self.signed()?, exponent))
            }
            TEXT => Scalar::Text(self.text()?),
            BYTES => {
                let length = self.count()?;
                Scalar::Bytes(self.take(length)?.to_vec())
            }
            LIST => {
                let count = self.count()?;
                let items: Result<Vec<_>, _> = (0..count).map(|_| self.node(depth + 1)).collect();
                return items.map(Node::List);
            }
            MAP => {
                let mut parts = BTreeMap::new();
                for _ in 0..self.count()? {
                    let key = self.text()?;
                    parts.insert(key, self.node(depth + 1)?);
                }
                return Ok(Node::Map(parts));
            }
            small if small >= SMALL_INT => Scalar::Int(i64::from(small & 0x7f)),
            _ => return Err(BadPacked::Form),
        };
        Ok(value.into())
    }
}

/// Entry for fuzzing: whatever the bytes are, reading does not panic, and what is read can be written again.
pub fn fuzz_one(bytes: &[u8]) {
    if let Ok(node) = unpack(bytes) {
        let again = pack(&node).and_then(|bytes| unpack(&bytes));
        assert!(
            again.is_ok() || again == Err(BadPacked::Limit),
            "what was read could not be written"
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_node() -> impl Strategy<Value = Node> {
        let value = prop_oneof![
            Just(Scalar::Null),
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            (0i64..300).prop_map(Scalar::Int),
            any::<f64>()
                .prop_filter("compared by value", |f| !f.is_nan())
                .prop_map(Scalar::Float),
            (-5000i32..5000, 0u8..5).prop_map(|(d, e)| Scalar::Float(f64::from(d) / 10f64.powi(e.into()))),
            "\\PC{0,12}".prop_map(Scalar::Text),
            prop::sample::select(WORDS).prop_map(|word| Scalar::Text(word.to_owned())),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(Scalar::Bytes),
        ];
        value.prop_map(Node::from).prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Node::List),
                prop::collection::btree_map("\\PC{0,8}", inner, 0..6).prop_map(Node::Map),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn packed_data_comes_back_equal(node in any_node()) {
            prop_assert_eq!(unpack(&pack(&node).unwrap()).unwrap(), node);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            fuzz_one(&bytes);
        }
    }

    #[test]
    fn fractions_take_few_bytes_and_minus_zero_survives() {
        assert_eq!(pack(&Scalar::Float(36.6).into()).unwrap().len(), 4);
        let minus_zero = unpack(&pack(&Scalar::Float(-0.0).into()).unwrap()).unwrap();
        let Node::Leaf(leaf) = minus_zero else {
            panic!("no value")
        };
        assert!(matches!(leaf.winner, Scalar::Float(zero) if zero.is_sign_negative()));
    }

    #[test]
    fn too_deep_is_refused_both_ways() {
        let mut node = Node::from(Scalar::Null);
        let mut bytes = vec![NULL];
        for _ in 0..=PACKED_DEPTH_MAX {
            node = Node::List(vec![node]);
            bytes.splice(0..0, [LIST, 1]);
        }
        assert_eq!(pack(&node), Err(BadPacked::Limit));
        assert_eq!(unpack(&bytes), Err(BadPacked::Limit));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(
            unpack(&[LIST, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Err(BadPacked::Short)
        );
        assert_eq!(unpack(&[]), Err(BadPacked::Short));
        assert_eq!(unpack(&[NULL, NULL]), Err(BadPacked::Long));
    }
}
