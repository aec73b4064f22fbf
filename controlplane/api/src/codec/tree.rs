//! Text to a JSON value, with the paths of keys that came twice. Knows no message.
//!
//! A duplicate key's last value wins, as in Kubernetes; whether it may be there at all is the
//! caller's question. Nesting is bounded by the parsers, to what a thread's stack bears: 128 in
//! JSON, 64 in YAML.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::COMPLAINTS_MAX;

/// What a YAML body's aliases may unfold into.
const ALIAS_EVENTS_MAX: usize = 100_000;

/// A parsed body.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) value: Value,
    /// Paths like `spec.ports[0].name`.
    pub(super) duplicates: Vec<String>,
}

pub(super) fn from_json(body: &[u8]) -> Result<Parsed, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = Parsed::deserialize(&mut deserializer).map_err(|why| why.to_string())?;
    deserializer.end().map_err(|why| why.to_string())?;
    Ok(parsed)
}

pub(super) fn from_yaml(body: &[u8]) -> Result<Parsed, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_EVENTS_MAX,
        },
    };
    serde_saphyr::from_slice_with_options(body, options).map_err(|why| why.to_string())
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut path = String::new();
        let mut duplicates = Vec::new();
        let tree = Tree { path: &mut path, duplicates: &mut duplicates };
        let value = tree.deserialize(deserializer)?;
        Ok(Self { value, duplicates })
    }
}

/// Builds the value at `path`.
struct Tree<'a> {
    path: &'a mut String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // Infinite and not-a-number exist in YAML only.
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let end = self.path.len();
        loop {
            write!(self.path, "[{}]", list.len()).expect("writing to a String cannot fail");
            let seed = Tree { path: self.path, duplicates: self.duplicates };
            let next = access.next_element_seed(seed)?;
            self.path.truncate(end);
            match next {
                Some(element) => list.push(element),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let end = self.path.len();
        while let Some(key) = access.next_key::<String>()? {
            if end > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            let is_news = || !self.duplicates.contains(self.path);
            if object.contains_key(&key) && self.duplicates.len() < COMPLAINTS_MAX && is_news() {
                self.duplicates.push(self.path.clone());
            }
            let seed = Tree { path: self.path, duplicates: self.duplicates };
            let value = access.next_value_seed(seed)?;
            self.path.truncate(end);
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
