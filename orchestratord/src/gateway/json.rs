//! JSON from an agent, as a tree of our own: bounded while it is parsed, in the order it was written.
//!
//! Order matters although JSON says that it does not: a tool's schema and a tool's earlier input
//! are text to the model, and it writes its next call in the order it has seen. A key that stands
//! twice is an error, since we and the provider could read different ones.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserializer, Serialize, Serializer};

/// Nesting that is accepted.
const MAX_DEPTH: u32 = 64;
/// Values that are accepted; a long conversation has some ten thousand.
const MAX_VALUES: u32 = 500_000;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; no key stands twice.
    Object(Vec<(String, Json)>),
}

/// Why a body is not accepted.
#[derive(Debug, thiserror::Error)]
#[error("the body is not acceptable JSON")]
pub(crate) struct BadJson(#[from] serde_json::Error);

impl Json {
    /// Parses a whole text.
    ///
    /// # Errors
    /// Where it is no JSON, too deep, too large or has a key twice.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadJson> {
        let left = Cell::new(MAX_VALUES);
        let mut from = serde_json::Deserializer::from_slice(bytes);
        let value = Node {
            depth: MAX_DEPTH,
            left: &left,
        }
        .deserialize(&mut from)?;
        from.end()?;
        Ok(value)
    }

    /// The value as bytes.
    ///
    /// # Errors
    /// Never for a tree that was parsed; the type of the writer demands it.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, BadJson> {
        Ok(serde_json::to_vec(self)?)
    }

    /// A string.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The value under a key of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The value under a key of an object, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut()?
            .iter_mut()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Puts a value under a key of an object; nothing else has keys.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
        } else if let Some(entries) = self.entries_mut() {
            entries.push((key.to_owned(), value));
        }
    }

    /// Takes a key out of an object; whether it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.entries_mut().is_some_and(|entries| {
            let before = entries.len();
            entries.retain(|(name, _)| name != key);
            entries.len() < before
        })
    }

    /// The entries of an object.
    pub(crate) fn entries(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(entries) = self {
            Some(entries)
        } else {
            None
        }
    }

    /// The entries of an object, to be changed.
    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<(String, Self)>> {
        if let Self::Object(entries) = self {
            Some(entries)
        } else {
            None
        }
    }

    /// The values of an array, to be changed.
    pub(crate) fn list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::List(values) = self {
            Some(values)
        } else {
            None
        }
    }

    /// A string's text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The string under a key.
    pub(crate) fn str_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The whole number under a key.
    pub(crate) fn u64_of(&self, key: &str) -> Option<u64> {
        if let Self::Number(number) = self.get(key)? {
            number.as_u64()
        } else {
            None
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(number) => number.serialize(to),
            Self::Text(text) => to.serialize_str(text),
            Self::List(values) => {
                let mut list = to.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Object(entries) => {
                let mut object = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    object.serialize_entry(key, value)?;
                }
                object.end()
            }
        }
    }
}

/// Reads one value; shares the count of those that are left.
struct Node<'a> {
    depth: u32,
    left: &'a Cell<u32>,
}

impl Node<'_> {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom(format_args!("nested deeper than {MAX_DEPTH}")))?;
        Ok(Self {
            depth,
            left: self.left,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(
            left.ok_or_else(|| D::Error::custom(format_args!("more than {MAX_VALUES} values")))?,
        );
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(self.inner()?)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = from.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} stands twice"
                )));
            }
            entries.push((key, from.next_value_seed(self.inner()?)?));
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_in_the_order_it_came() {
        let text = r#"{"z":1,"a":[true,null,-2,0.5,"x\n"],"m":{"b":{},"a":[]}}"#;
        let written = Json::parse(text.as_bytes()).unwrap().to_bytes().unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let problem = Json::parse(br#"{"model":"cheap","model":"dear"}"#).unwrap_err();
        assert!(problem.0.to_string().contains("stands twice"));
    }

    #[test]
    fn bombs_are_refused_while_they_are_parsed() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        let wide = format!("[{}1]", "1,".repeat(500_001));
        for bomb in [deep, wide, "{} {}".to_owned(), "\u{0}".to_owned()] {
            assert!(Json::parse(bomb.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_key_is_put_replaced_and_removed() {
        let mut value = Json::parse(br#"{"a":1}"#).unwrap();
        value.set("a", Json::Null);
        value.set("b", Json::Bool(true));
        assert!(value.remove("a") && !value.remove("a"));
        assert_eq!(value.to_bytes().unwrap(), br#"{"b":true}"#);
    }
}
