//! Values on their way into a statement and out of a row.

use std::borrow::Cow;

/// A value, borrowed from whoever binds it or from the row that it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ValueRef<'a> {
    /// No value.
    Null,
    /// A whole number; truth is 1 and 0.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// The bytes, where the value is bytes.
    pub(crate) fn as_blob(self) -> Option<&'a [u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Text(_) => None,
        }
    }
}

/// A value of any kind that stands by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// No value.
    Null,
    /// A whole number; truth is 1 and 0.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl ToSql for Value {
    fn to_sql(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

impl FromSql for Value {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        Some(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(text.to_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        })
    }
}

/// What can be bound to a place of a statement.
pub(crate) trait ToSql {
    /// The value as it is bound.
    fn to_sql(&self) -> ValueRef<'_>;
}

/// What can be read from a column.
pub(crate) trait FromSql: Sized {
    /// The value of a column; `None` where the column holds another kind.
    fn from_sql(value: ValueRef<'_>) -> Option<Self>;
}

impl ToSql for ValueRef<'_> {
    fn to_sql(&self) -> ValueRef<'_> {
        *self
    }
}

impl<T: ToSql + ?Sized> ToSql for &T {
    fn to_sql(&self) -> ValueRef<'_> {
        (**self).to_sql()
    }
}

impl<T: ToSql> ToSql for Option<T> {
    fn to_sql(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, ToSql::to_sql)
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            other => T::from_sql(other).map(Some),
        }
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),*) => {$(
        impl ToSql for $kind {
            fn to_sql(&self) -> ValueRef<'_> {
                ValueRef::Integer(i64::from(*self))
            }
        }

        impl FromSql for $kind {
            fn from_sql(value: ValueRef<'_>) -> Option<Self> {
                i64::from_sql(value)?.try_into().ok()
            }
        }
    )*};
}

whole_numbers!(i32, u8, u16, u32);

impl ToSql for i64 {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Integer(*self)
    }
}

impl FromSql for i64 {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(number) => Some(number),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl ToSql for bool {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Integer(i64::from(*self))
    }
}

impl FromSql for bool {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        i64::from_sql(value).map(|number| number != 0)
    }
}

impl ToSql for f64 {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Real(*self)
    }
}

impl FromSql for f64 {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Real(number) => Some(number),
            ValueRef::Integer(number) => Some(number as Self),
            ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl ToSql for str {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToSql for String {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToSql for Cow<'_, str> {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl FromSql for String {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Text(text) => Some(text.to_owned()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl ToSql for [u8] {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl ToSql for Vec<u8> {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl FromSql for Vec<u8> {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().map(<[u8]>::to_vec)
    }
}

impl<const N: usize> ToSql for [u8; N] {
    fn to_sql(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl<const N: usize> FromSql for [u8; N] {
    fn from_sql(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob()?.try_into().ok()
    }
}

/// The values for all places of a statement, the first for `?1`.
pub(crate) trait Params {
    /// Gives the values to whoever binds them.
    fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R;
}

impl Params for [ValueRef<'_>; 0] {
    fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R {
        bind(&[])
    }
}

/// One by one and not for every length: an empty list of no kind must be one of values.
macro_rules! lists {
    ($($length:literal)*) => {$(
        impl<T: ToSql> Params for [T; $length] {
            fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R {
                bind(&self.each_ref().map(ToSql::to_sql))
            }
        }
    )*};
}

lists!(1 2 3 4 5 6 7 8);

impl<T: ToSql> Params for &[T] {
    fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R {
        bind(&self.iter().map(ToSql::to_sql).collect::<Vec<_>>())
    }
}

impl<const N: usize> Params for &[&dyn ToSql; N] {
    fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R {
        bind(&self.map(ToSql::to_sql))
    }
}

macro_rules! tuples {
    ($(($($kind:ident $place:tt),*))*) => {$(
        impl<$($kind: ToSql),*> Params for ($($kind,)*) {
            fn with<R>(&self, bind: impl FnOnce(&[ValueRef<'_>]) -> R) -> R {
                bind(&[$(self.$place.to_sql()),*])
            }
        }
    )*};
}

tuples!((A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3));

/// Values of different kinds for the places of a statement.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::sql::ToSql),*]
    };
}

pub(crate) use params;
