//! JSON parts that never fail on a surprising type.
//!
//! Meta sends numbers where it documents strings, null or `""` where it documents absence, and changes both without
//! notice. A part of an unexpected type reads as absent here; whether it was needed is for the reader to say.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::bound::{cut, cut_owned};

/// One scalar of any type; arrays and objects read as absent.
#[derive(Debug)]
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Signed(i64),
    Unsigned(u64),
    Real(f64),
    Bool(bool),
    Absent,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text)))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(number))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Real(number))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A text; a number reads as its digits.
#[derive(Debug, Default, Clone)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// What it says, if it says anything.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The same, kept; cut to `bytes_max`.
    pub(crate) fn take(self, bytes_max: usize) -> Option<String> {
        self.0.filter(|text| !text.is_empty()).map(|text| cut_owned(text, bytes_max))
    }

    /// The text even if empty; `None` only if there was none.
    pub(crate) fn take_any(self, bytes_max: usize) -> Option<String> {
        self.0.map(|text| cut_owned(text, bytes_max))
    }

    /// The same, kept whole or not at all.
    pub(crate) fn take_whole(self, bytes_max: usize) -> Option<String> {
        self.0.filter(|text| !text.is_empty() && text.len() <= bytes_max).map(Cow::into_owned)
    }

    /// The whole of it, for further reading.
    pub(crate) fn into_inner(self) -> Option<Cow<'a, str>> {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Some(text),
            Scalar::Signed(number) => Some(number.to_string().into()),
            Scalar::Unsigned(number) => Some(number.to_string().into()),
            Scalar::Real(number) => Some(number.to_string().into()),
            Scalar::Bool(_) | Scalar::Absent => None,
        }))
    }
}

/// A whole number; a text of digits reads as its number.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Int(pub(crate) Option<i64>);

impl Int {
    /// The number, if it is one and not negative.
    pub(crate) fn unsigned(self) -> Option<u64> {
        self.0.and_then(|number| u64::try_from(number).ok())
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Signed(number) => Some(number),
            Scalar::Unsigned(number) => i64::try_from(number).ok(),
            // Exact up to 2^53, far beyond any time or count.
            Scalar::Real(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Some(number as i64),
            Scalar::Real(_) | Scalar::Bool(_) | Scalar::Absent => None,
        }))
    }
}

/// A finite number; a text reads as its number.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Real(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Signed(number) => Some(number as f64),
            Scalar::Unsigned(number) => Some(number as f64),
            Scalar::Real(number) => Some(number),
            Scalar::Bool(_) | Scalar::Absent => None,
        };
        Ok(Self(number.filter(|number| number.is_finite())))
    }
}

/// True only if it says so.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Bool(value) => value,
            Scalar::Text(text) => text == "true",
            _ => false,
        }))
    }
}

/// An object; anything else reads as absent.
#[derive(Debug, Clone)]
pub(crate) struct Obj<T>(pub(crate) Option<T>);

impl<T> Default for Obj<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjVisitor<T> {
    type Value = Obj<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(parts)).map(|inner| Obj(Some(inner)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Obj(None))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Obj<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjVisitor(PhantomData))
    }
}

/// An array; null reads as absent, and anything else is remembered as odd, so that it is not lost in silence.
#[derive(Debug, Clone, Default)]
pub(crate) enum List<T> {
    #[default]
    Absent,
    Items(Vec<T>),
    Odd,
}

impl<T> List<T> {
    /// How much is in it.
    pub(crate) fn len(&self) -> usize {
        if let Self::Items(items) = self { items.len() } else { 0 }
    }

    /// What is in it; nothing if it is none.
    pub(crate) fn into_items(self) -> Vec<T> {
        match self {
            Self::Items(items) => items,
            Self::Absent | Self::Odd => Vec::new(),
        }
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = elements.next_element()? {
            items.push(item);
        }
        Ok(List::Items(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        while parts.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List::Odd)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::Absent)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::Odd)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::Odd)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::Odd)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::Odd)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::Odd)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Bytes of a short text of a notice's summary.
const SHORT_BYTES_MAX: usize = 256;
/// Bytes of a long one.
const LONG_BYTES_MAX: usize = 4096;
/// Items of a list of one.
const ITEMS_MAX: usize = 32;

/// For `deserialize_with`: a short text, kept.
pub(crate) fn short<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Text::deserialize(deserializer)?.take(SHORT_BYTES_MAX))
}

/// For `deserialize_with`: a long text, kept.
pub(crate) fn long<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Text::deserialize(deserializer)?.take(LONG_BYTES_MAX))
}

/// For `deserialize_with`: a whole number.
pub(crate) fn int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Int::deserialize(deserializer)?.0)
}

/// For `deserialize_with`: an object of its own type.
pub(crate) fn obj<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Obj::deserialize(deserializer)?.0)
}

/// For `deserialize_with`: a short list.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut items = List::deserialize(deserializer)?.into_items();
    items.truncate(ITEMS_MAX);
    Ok(items)
}

/// For `deserialize_with`: a short list of short texts.
pub(crate) fn shorts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items: Vec<Text<'_>> = list(deserializer)?;
    Ok(items.iter().filter_map(|item| item.get().map(|text| cut(text, SHORT_BYTES_MAX).to_owned())).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ODD: [&str; 9] = ["null", "true", "1", "-1", "1.5", r#""x""#, r#""""#, "[1,[2]]", r#"{"a":{"b":1}}"#];

    #[test]
    fn no_type_fails_any_part() {
        for json in ODD {
            serde_json::from_str::<Text<'_>>(json).unwrap();
            serde_json::from_str::<Int>(json).unwrap();
            serde_json::from_str::<Real>(json).unwrap();
            serde_json::from_str::<Flag>(json).unwrap();
            serde_json::from_str::<Obj<std::collections::BTreeMap<String, IgnoredAny>>>(json).unwrap();
            serde_json::from_str::<List<IgnoredAny>>(json).unwrap();
        }
    }

    #[test]
    fn texts_and_numbers_stand_for_each_other() {
        let text = |json| serde_json::from_str::<Text<'_>>(json).unwrap().take(99);
        assert_eq!(text("16505551234").as_deref(), Some("16505551234"));
        assert_eq!(text(r#""""#), None);
        let int = |json| serde_json::from_str::<Int>(json).unwrap().0;
        assert_eq!(int(r#""1739321024""#), Some(1_739_321_024));
        assert_eq!(int("1739321024"), Some(1_739_321_024));
        assert_eq!(int("1739321024.0"), Some(1_739_321_024));
        assert_eq!(int("18446744073709551615"), None);
        assert_eq!(int(r#""soon""#), None);
        let real = |json| serde_json::from_str::<Real>(json).unwrap().0;
        assert_eq!(real(r#""52.5""#), Some(52.5));
        assert_eq!(real(r#""NaN""#), None);
    }

    #[test]
    fn plain_texts_are_not_copied() {
        let text = serde_json::from_str::<Text<'_>>(r#""plain""#).unwrap();
        assert!(matches!(text.0, Some(Cow::Borrowed("plain"))));
    }
}
