//! Parses one JSON object into cells, and refuses what `serde_json` would silently change: it keeps the last of two equal keys,
//! and rounds a number that does not fit.
//!
//! A number with more digits than a float keeps becomes text, which is how values are sent. The feature `arbitrary_precision`
//! of `serde_json` would keep them too, but it applies to the whole program, and turns every number inside a tagged or
//! untagged enum, such as the core's `Value`, into a map.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use crate::core::decimal::{Decimal, PLAIN_DIGITS};

/// Maximum number of keys of the previous row that are skipped to find the current key.
const LOOKAHEAD: usize = 8;

/// The keys of a row with their values, in file order.
pub(super) type Cells = Vec<(Arc<str>, Value)>;

/// A reader of objects. It reuses the keys of the previous one, because most rows have the same keys.
#[derive(Debug, Default)]
pub(super) struct Object {
    keys: Vec<Arc<str>>,
    seen: Keys,
}

/// All keys of the rows of an input so far. Clones share their content.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    keys: HashSet<Arc<str>>,
    in_order: Vec<Arc<str>>,
}

impl Keys {
    /// Maximum number of keys, because keys may be data.
    const MOST: usize = 10_000;

    /// The keys, in order of appearance.
    pub(super) fn all(&self) -> Vec<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).in_order.clone()
    }

    fn add(&self, keys: &[Arc<str>]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if seen.in_order.len() < Self::MOST && seen.keys.insert(Arc::clone(key)) {
                seen.in_order.push(Arc::clone(key));
            }
        }
    }
}

/// Why a line is not a row.
#[derive(Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) column: Option<String>,
    pub(super) reason: String,
}

impl Object {
    /// A reader that adds the keys of rows to those of their input.
    pub(super) fn adding_to(seen: Keys) -> Self {
        Self { keys: Vec::new(), seen }
    }

    /// Reads one object that fills `text`, except for white space around it. A number that a float would not keep exactly is
    /// read as text.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<Cells, Flaw> {
        let (cells, has_float) = self.parse(text)?;
        if has_float && let Some(exact) = exact_numbers(text)? {
            return Ok(self.parse(&exact)?.0);
        }
        Ok(cells)
    }

    // The cells, and whether a number in them is a float.
    fn parse(&mut self, text: &[u8]) -> Result<(Cells, bool), Flaw> {
        let mut found = Findings::default();
        let mut parser = serde_json::Deserializer::from_slice(text);
        let top = Top { keys: &self.keys, found: &mut found };
        let read = top.deserialize(&mut parser).and_then(|cells| parser.end().map(|()| cells));
        let cells = read.map_err(|error| match found.twice.take() {
            Some(key) => twice(key),
            None => flaw(text, &error),
        })?;
        if found.new_keys {
            let mut keys = HashSet::with_capacity(cells.len());
            if let Some((key, _)) = cells.iter().find(|(key, _)| !keys.insert(key)) {
                return Err(twice(key.to_string()));
            }
            self.keys = cells.iter().map(|(key, _)| Arc::clone(key)).collect();
            self.seen.add(&self.keys);
        }
        Ok((cells, found.float))
    }
}

/// Properties of an object that are found while it is parsed.
#[derive(Debug, Default)]
struct Findings {
    /// A key that occurs twice in an object inside the row.
    twice: Option<String>,
    /// Whether a number is stored as a float.
    float: bool,
    /// Whether the row has other keys than the previous one, or another order.
    new_keys: bool,
}

/// The row itself.
struct Top<'a> {
    keys: &'a [Arc<str>],
    found: &'a mut Findings,
}

/// A key of the row: the one of the previous row if it is equal.
struct Key<'a> {
    keys: &'a [Arc<str>],
    next: &'a mut usize,
    found: &'a mut Findings,
}

/// A value anywhere in the row.
struct Inner<'a>(&'a mut Findings);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = Cells;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Cells;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = Vec::with_capacity(self.keys.len());
        let mut next = 0;
        while let Some(key) = map.next_key_seed(Key { keys: self.keys, next: &mut next, found: self.found })? {
            cells.push((key, map.next_value_seed(Inner(self.found))?));
        }
        Ok(cells)
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    // Keys are reused in the order of the previous row, so no two of them are equal.
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let lookahead = self.keys.iter().enumerate().skip(*self.next).take(LOOKAHEAD);
        for (at, known) in lookahead {
            if **known == *key {
                *self.next = at + 1;
                return Ok(Arc::clone(known));
            }
        }
        self.found.new_keys = true;
        Ok(Arc::from(key))
    }
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        self.0.float = true;
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Inner(&mut *self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Inner(&mut *self.0))?;
            if object.contains_key(&key) {
                self.0.twice = Some(key);
                return Err(A::Error::custom("a key occurs twice"));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

fn twice(key: String) -> Flaw {
    Flaw { column: Some(key), reason: "expected the key once in an object, found it twice".to_owned() }
}

// Messages about syntax are fixed. Messages about a wrong type repeat the value, and are not used.
fn flaw(text: &[u8], error: &serde_json::Error) -> Flaw {
    let reason = match error.classify() {
        Category::Data => format!("expected a JSON object, found {}", kind(text)),
        Category::Syntax | Category::Eof | Category::Io => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or("a syntax error");
            format!("expected a JSON object, found a fault at byte {}: {message}", error.column())
        }
    };
    Flaw { column: None, reason }
}

fn kind(text: &[u8]) -> &'static str {
    match text.trim_ascii_start().first() {
        Some(b'"') => "text",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

// The text with quotes around numbers that a float would round; `None` when there are none.
fn exact_numbers(text: &[u8]) -> Result<Option<Vec<u8>>, Flaw> {
    let (mut at, mut copied) = (0, 0);
    let mut exact = Vec::new();
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = after_string(text, at),
            b'-' | b'0'..=b'9' => {
                let end = at + text[at..].iter().take_while(|byte| is_number_byte(**byte)).count();
                let number = std::str::from_utf8(&text[at..end]).unwrap_or_default();
                if !is_kept(number) {
                    let plain = Decimal::of_json(number).and_then(|decimal| decimal.plain()).ok_or_else(|| Flaw {
                        column: None,
                        reason: format!(
                            "expected a number of at most {PLAIN_DIGITS} digits, found a longer one at byte {}",
                            at + 1
                        ),
                    })?;
                    exact.extend_from_slice(&text[copied..at]);
                    exact.extend_from_slice(format!("\"{plain}\"").as_bytes());
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    exact.extend_from_slice(&text[copied..]);
    Ok(Some(exact))
}

// Whether a number is kept with all its digits.
fn is_kept(number: &str) -> bool {
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    let float = number.parse::<f64>().ok().and_then(Number::from_f64);
    let kept = float.and_then(|float| Decimal::of_json(&float.to_string()));
    kept.is_some() && kept == Decimal::of_json(number)
}

/// The position after the string that begins at `start`; past the text if the string does not end.
fn after_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

const fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
}
