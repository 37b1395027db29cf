//! JSON text as a tree of plain data, and back.

use records::tree::{Leaf, Node, Scalar};
use serde_json::{Map, Number, Value};

/// Deepest nesting of a line that is taken.
const DEPTH_MAX: usize = 14;

/// A parsed JSON value as a tree. `None` where it is nested too deep. Whole numbers stay whole numbers.
pub(crate) fn to_node(value: Value) -> Option<Node> {
    node(value, 0)
}

fn node(value: Value, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match value {
        Value::Null => Scalar::Null.into(),
        Value::Bool(truth) => Scalar::Bool(truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Scalar::Int(whole).into(),
            None => Scalar::Float(number.as_f64()?).into(),
        },
        Value::String(text) => Scalar::Text(text).into(),
        Value::Array(items) => Node::List(
            items
                .into_iter()
                .map(|item| node(item, depth + 1))
                .collect::<Option<_>>()?,
        ),
        Value::Object(parts) => {
            let parts = parts
                .into_iter()
                .map(|(key, part)| Some((key, node(part, depth + 1)?)));
            Node::Map(parts.collect::<Option<_>>()?)
        }
    })
}

/// A tree as JSON. Of a field with several values the winner stands under its name and all others in a list under
/// the name with `#others`; bytes are hexadecimal behind `hex:`.
pub(crate) fn from_node(node: &Node) -> Value {
    match node {
        Node::Leaf(leaf) => from_scalar(&leaf.winner),
        Node::List(items) => Value::Array(items.iter().map(from_node).collect()),
        Node::Map(parts) => {
            let mut object = Map::new();
            for (key, part) in parts {
                object.insert(key.clone(), from_node(part));
                if let Node::Leaf(Leaf { others, .. }) = part
                    && !others.is_empty()
                {
                    let others = others.iter().map(from_scalar).collect();
                    object.insert(format!("{key}#others"), Value::Array(others));
                }
            }
            Value::Object(object)
        }
    }
}

fn from_scalar(value: &Scalar) -> Value {
    match value {
        Scalar::Bool(truth) => Value::Bool(*truth),
        Scalar::Int(number) => Value::from(*number),
        Scalar::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Scalar::Text(text) => Value::from(text.as_str()),
        Scalar::Bytes(bytes) => Value::from(format!("hex:{}", hex::encode(bytes))),
        Scalar::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_way_through_a_tree() {
        let text = r#"{"a":1,"b":36.0,"c":[null,true,"x",{"d":-0.5}],"e":{}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let node = to_node(value.clone()).unwrap();
        assert_eq!(from_node(&node), value);
        assert_eq!(node.leaf(&["b"]).unwrap().winner, Scalar::Float(36.0));
    }

    #[test]
    fn a_line_nested_too_deep_is_refused() {
        let deep = "[".repeat(DEPTH_MAX + 2) + &"]".repeat(DEPTH_MAX + 2);
        assert_eq!(to_node(serde_json::from_str(&deep).unwrap()), None);
    }
}
