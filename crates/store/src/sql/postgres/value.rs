//! Values on their way to PostgreSQL and back.

use std::error::Error as StdError;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::{Error, Result, ValueRef};

/// The kind under which a value is bound. One that is missing is not in the text.
pub(super) fn kind(value: &ValueRef<'_>) -> Type {
    match value {
        ValueRef::Null => Type::TEXT,
        ValueRef::Integer(_) => Type::INT8,
        ValueRef::Real(_) => Type::FLOAT8,
        ValueRef::Text(_) => Type::TEXT,
        ValueRef::Blob(_) => Type::BYTEA,
    }
}

impl ToSql for ValueRef<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match *self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Real(number) => number.to_sql(kind, out),
            Self::Text(text) if text.contains('\0') => Err("text holds a zero character".into()),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column as it stands in its row.
struct Raw<'a>(ValueRef<'a>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *kind {
            Type::BOOL => ValueRef::Integer(bool::from_sql(kind, raw)?.into()),
            Type::INT2 => ValueRef::Integer(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => ValueRef::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => ValueRef::Integer(i64::from_sql(kind, raw)?),
            Type::NUMERIC => ValueRef::Integer(whole(raw).ok_or("a sum is no whole number of 64 bits")?),
            Type::FLOAT8 => ValueRef::Real(f64::from_sql(kind, raw)?),
            Type::BYTEA => ValueRef::Blob(raw),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                ValueRef::Text(std::str::from_utf8(raw)?)
            }
            _ => return Err("a column is of a kind that the store does not use".into()),
        }))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A whole number from PostgreSQL's `numeric`, the kind of its sums: a count of digits to the base of 10,000, the
/// weight of the first, the sign, the digits behind the point, and the digits, each of 16 bits.
fn whole(raw: &[u8]) -> Option<i64> {
    let (words, []) = raw.as_chunks::<2>() else {
        return None;
    };
    let mut words = words.iter().map(|word| i16::from_be_bytes(*word));
    let (count, weight, sign, _scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut number = 0i64;
    for place in 0..=weight {
        let digit = if place < count { words.next()? } else { 0 };
        number = number.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    match sign {
        0 => Some(number),
        0x4000 => Some(-number),
        _ => None,
    }
    .filter(|_| words.all(|fraction| fraction == 0))
}

/// A column of a row, read in place.
pub(crate) fn column(row: &tokio_postgres::Row, column: usize) -> Result<ValueRef<'_>> {
    let Raw(value) = row.try_get(column).map_err(|_| Error::Column(column))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_from_their_digits() {
        let numeric = |words: &[i16]| {
            words
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect::<Vec<u8>>()
        };
        assert_eq!(whole(&numeric(&[0, 0, 0, 0])), Some(0));
        assert_eq!(whole(&numeric(&[1, 0, 0, 0, 7])), Some(7));
        assert_eq!(whole(&numeric(&[2, 1, 0x4000, 0, 12, 3456])), Some(-123_456));
        assert_eq!(whole(&numeric(&[1, 2, 0, 0, 3])), Some(300_000_000));
        assert_eq!(whole(&numeric(&[2, 0, 0, 1, 1, 5000])), None, "a fraction");
        assert_eq!(whole(&numeric(&[1, 9, 0, 0, 9999])), None, "too large");
        assert_eq!(whole(&[0, 1, 2]), None);
    }
}
