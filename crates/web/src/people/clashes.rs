//! Two records of one fact: shown as a clinical question, both kept until a named person chooses.

use maud::Markup;
use records::conflicts::Clash;
use records::patients::Sex;
use records::tree::Scalar;

use super::facts::sex_word;
use crate::checks::label;
use crate::fields::Fields;
use crate::panels;
use crate::texts::Lang;

/// The questions about these clashes, answered at an address.
pub fn questions(lang: Lang, clashes: &[Clash], action: &str) -> Vec<Markup> {
    let asked = clashes.iter().filter(|clash| clash.policy.needs_choice());
    asked
        .map(|clash| {
            let values: Vec<_> = clash
                .values
                .iter()
                .map(|value| (key(value), shown(lang, clash, value)))
                .collect();
            panels::clash(lang, &what(lang, clash), action, &clash.path.join("/"), &values)
        })
        .collect()
}

/// What a clash is about: the field, and for a field inside an entry the entry's kind.
fn what(lang: Lang, clash: &Clash) -> String {
    let field = clash.path.last().map(String::as_str).unwrap_or_default();
    label(lang, field)
}

fn shown(lang: Lang, clash: &Clash, value: &Scalar) -> String {
    let sex = clash.path.last().is_some_and(|field| field == "sex");
    match value {
        Scalar::Text(text) if sex => {
            Sex::from_word(text).map_or_else(|| text.clone(), |sex| sex_word(lang, sex))
        }
        Scalar::Text(text) if text.is_empty() => lang.t("clash-empty"),
        Scalar::Text(text) => text.clone(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(true) => lang.t("yes"),
        Scalar::Bool(false) => lang.t("no"),
        Scalar::Null => lang.t("clash-empty"),
        Scalar::Bytes(_) => lang.t("reading-not-read"),
    }
}

/// The sign by which a form names a value: the values of a field may be long, and lists move. FNV-1a, 64 bits.
fn key(value: &Scalar) -> String {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!(
        "{:016x}",
        format!("{value:?}").bytes().fold(0xcbf2_9ce4_8422_2325, fold)
    )
}

/// Whether a clash is about who the person is.
pub fn is_identity(clash: &Clash) -> bool {
    let field = clash.path.iter().map(String::as_str).collect::<Vec<_>>();
    clash.policy.needs_choice()
        && matches!(
            field.as_slice(),
            ["person", "name" | "birth" | "sex" | "id_number"]
        )
}

/// The clash and the value that a form chose; `None` where somebody has settled it.
pub fn chosen<'a>(clashes: &'a [Clash], fields: &Fields) -> Option<(&'a Clash, &'a Scalar)> {
    let clash = clashes
        .iter()
        .find(|clash| clash.path.join("/") == fields.get("field"))?;
    let value = clash
        .values
        .iter()
        .find(|value| key(value) == fields.get("choose"))?;
    Some((clash, value))
}

#[cfg(test)]
mod tests {
    use records::conflicts::Policy;

    use super::*;

    #[test]
    fn a_choice_names_a_value_and_a_settled_clash_is_none() {
        let clash = Clash {
            path: vec!["person".into(), "name".into()],
            values: vec![Scalar::from("王秀英"), Scalar::from("王秀瑛")],
            policy: Policy::Block,
        };
        let clashes = [clash];
        let fields = |choose: &str| {
            Fields::of(vec![
                ("field".into(), "person/name".into()),
                ("choose".into(), choose.into()),
            ])
            .unwrap()
        };
        let wanted = key(&Scalar::from("王秀瑛"));
        assert_eq!(
            chosen(&clashes, &fields(&wanted)).map(|(_, value)| value),
            Some(&Scalar::from("王秀瑛"))
        );
        assert!(chosen(&clashes, &fields("other")).is_none());
        assert!(chosen(&[], &fields(&wanted)).is_none());
        let drawn = questions(Lang::Zh, &clashes, "/x").pop().unwrap().into_string();
        assert!(drawn.contains("王秀英") && drawn.contains("王秀瑛") && drawn.contains("以哪个为准"));
    }
}
