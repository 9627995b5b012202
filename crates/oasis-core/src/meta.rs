//! The `meta` of an event: a bounded JSON object with the details that have no strict field.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::invalid::{Invalid, shown};
use crate::json::parse_json;

mod number;
mod text;

pub use text::cut_text;

/// A JSON object of at most 16 KiB. The limit applies to the text that Postgres prints for the object. The
/// object contains no NUL characters, because Postgres cannot store NUL characters. The object is kept as
/// text, because most code only passes the text on.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// The object as JSON text. Empty if the object has no entries.
    json: Vec<u8>,
    /// The parsed object. The first call of [`Meta::as_map`] parses `json`.
    map: OnceLock<Map<String, Value>>,
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json || self.as_map() == other.as_map()
    }
}

/// A value that [`Meta::with`] adds.
#[derive(Debug)]
pub enum MetaValue<'a> {
    /// A text. [`Meta::with`] cuts the text to [`Meta::MAX_TEXT`] bytes of JSON.
    Text(Cow<'a, str>),
    /// A number or a boolean.
    Plain(Value),
}

impl<'a> From<&'a str> for MetaValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for MetaValue<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

macro_rules! from_plain {
    ($($type:ty)*) => {$(
        impl From<$type> for MetaValue<'_> {
            fn from(value: $type) -> Self {
                Self::Plain(value.into())
            }
        }
    )*};
}

from_plain! { bool i32 i64 u64 usize }

impl Meta {
    /// The maximum size of an object, in bytes of JSON text.
    pub const MAX_BYTES: usize = 16 * 1_024;
    /// The maximum size of a string that [`Meta::with`] keeps, in bytes of JSON text.
    pub const MAX_TEXT: usize = 1_024;

    /// Makes a `Meta` from `map`, without cutting any string.
    ///
    /// # Errors
    /// When `map` is too large, or contains a NUL character or a number that alone is too large.
    pub fn new(map: Map<String, Value>) -> Result<Self, Invalid> {
        let mut size = 2;
        for (key, value) in &map {
            size += entry_size(key, value)?;
        }
        if size > Self::MAX_BYTES {
            let max = Self::MAX_BYTES;
            return Err(Invalid::new(format!("meta is too large: at most {max} bytes of JSON")));
        }
        Ok(Self::of(&map))
    }

    /// Makes a `Meta` that keeps only the text, because the parsed `map` can need a hundred times the
    /// memory of its text.
    fn of(map: &Map<String, Value>) -> Self {
        // Serialising a map with string keys to memory cannot fail.
        let json = if map.is_empty() { Vec::new() } else { serde_json::to_vec(map).unwrap_or_default() };
        Self { json, map: OnceLock::new() }
    }

    /// Makes a `Meta` from as much of `map` as fits. Each NUL character becomes U+FFFD. If the object is too
    /// large, its long numbers become strings. If it is still too large, its strings are cut to
    /// [`Meta::MAX_TEXT`] bytes. If it is still too large, its largest entries are left out, but none of
    /// [`KEPT`]. In all three cases, the object gets the entry `truncated`.
    pub fn cut(map: Map<String, Value>) -> Self {
        Self::fit(map).0
    }

    /// Makes a `Meta` as [`Meta::cut`] does, and returns whether it was cut.
    pub fn fit(mut map: Map<String, Value>) -> (Self, bool) {
        replace_nul(&mut map);
        let size = |(key, value): (&String, &Value)| entry_size(key, value).unwrap_or(Self::MAX_BYTES);
        let size_of = |map: &Map<String, Value>| 2 + map.iter().map(size).sum::<usize>();
        if size_of(&map) <= Self::MAX_BYTES {
            return (Self::of(&map), false);
        }
        map.insert(TRUNCATED.to_owned(), Value::Bool(true));
        for shorten in [long_numbers_to_text, cut_strings] {
            map.values_mut().for_each(shorten);
            if size_of(&map) <= Self::MAX_BYTES {
                return (Self::of(&map), true);
            }
        }
        let others = map.iter().filter(|(key, _)| !KEPT.contains(&key.as_str()));
        let mut sizes: Vec<(usize, String)> =
            others.map(|(key, value)| (size((key, value)), key.clone())).collect();
        sizes.sort_unstable();
        let mut total = size_of(&map);
        while total > Self::MAX_BYTES
            && let Some((size, largest)) = sizes.pop()
        {
            map.remove(&largest);
            total -= size;
        }
        (Self::of(&map), true)
    }

    /// Adds or replaces an entry. If the object becomes too large, it is cut as in [`Meta::cut`].
    #[must_use]
    pub fn adding(self, key: &str, value: impl Into<Value>) -> Self {
        let mut map = self.as_map().clone();
        map.insert(key.to_owned(), value.into());
        Self::cut(map)
    }

    /// Makes a `Meta` from a JSON object that was read from the table. The text is not checked.
    pub fn stored(text: String) -> Self {
        Self { json: text.into_bytes(), map: OnceLock::new() }
    }

    /// Adds an entry. A string is cut to [`Meta::MAX_TEXT`] bytes of JSON, and each NUL character in it
    /// becomes U+FFFD. Adds nothing for `None` or for an empty string.
    ///
    /// This function is for the services of this workspace. The caller must add each key only once, and all
    /// entries must fit into [`Meta::MAX_BYTES`]. The function does not check these two rules.
    #[must_use]
    pub fn with<'v>(mut self, key: &str, value: Option<impl Into<MetaValue<'v>>>) -> Self {
        let Some(value) = value.map(Into::into) else { return self };
        let value = match value {
            MetaValue::Text(text) if text.is_empty() => return self,
            MetaValue::Text(text) if text.contains('\0') => {
                MetaValue::Text(Cow::Owned(text.replace('\0', "\u{fffd}")))
            }
            value => value,
        };
        self.map.take();
        match self.json.pop() {
            Some(_) => self.json.push(b','),
            None => {
                self.json.reserve(512);
                self.json.push(b'{');
            }
        }
        // Serialising text, a number or a boolean to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.json, key);
        self.json.push(b':');
        let _ = match &value {
            MetaValue::Text(text) => serde_json::to_writer(&mut self.json, cut_text(text, Self::MAX_TEXT)),
            MetaValue::Plain(value) => serde_json::to_writer(&mut self.json, value),
        };
        self.json.push(b'}');
        self
    }

    /// Returns the object. The first call parses the text.
    pub fn as_map(&self) -> &Map<String, Value> {
        self.map.get_or_init(|| match parse_json(&self.json) {
            Ok(Value::Object(map)) => map,
            Ok(_) | Err(_) => Map::new(),
        })
    }

    /// The object as JSON text.
    pub fn as_json(&self) -> &str {
        match std::str::from_utf8(&self.json) {
            Ok("") | Err(_) => "{}",
            Ok(json) => json,
        }
    }

    /// The object as owned JSON text.
    pub fn to_json(&self) -> String {
        self.as_json().to_owned()
    }
}

/// The name of the entry that marks an object that was cut.
pub(crate) const TRUNCATED: &str = "truncated";
/// The name of the entry that names the token with which an event was sent.
pub const VIA: &str = "via";
/// The name of the entry that identifies the run of the agent that sent a ping.
pub const INSTANCE: &str = "instance";
/// The entries that are never left out of an object that is cut. Gateways add them, and rely on them: [`VIA`]
/// and [`INSTANCE`] say who sent a ping.
const KEPT: [&str; 3] = [TRUNCATED, VIA, INSTANCE];

fn entry_size(key: &str, value: &Value) -> Result<usize, Invalid> {
    let mut size = key_size(key)?;
    add_size(key, value, &mut size)?;
    Ok(size)
}

/// Replaces each NUL character in the keys and values with U+FFFD.
fn replace_nul(map: &mut Map<String, Value>) {
    fn in_value(value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => in_text(text),
            Value::Array(items) => items.iter_mut().for_each(in_value),
            Value::Object(map) => replace_nul(map),
        }
    }
    fn in_text(text: &mut String) {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    if map.keys().any(|key| key.contains('\0')) {
        let renamed = std::mem::take(map).into_iter().map(|(mut key, value)| {
            in_text(&mut key);
            (key, value)
        });
        *map = renamed.collect();
    }
    map.values_mut().for_each(in_value);
}

/// Replaces each number in `value` that needs more than [`Meta::MAX_TEXT`] bytes with its text. The text is
/// short if the number has a large exponent.
fn long_numbers_to_text(value: &mut Value) {
    match value {
        Value::Number(number) if number::printed_size(number) > Meta::MAX_TEXT => {
            *value = Value::String(number.to_string());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter_mut().for_each(long_numbers_to_text),
        Value::Object(map) => map.values_mut().for_each(long_numbers_to_text),
    }
}

/// Cuts each string in `value` to [`Meta::MAX_TEXT`] bytes.
fn cut_strings(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => text.truncate(text.floor_char_boundary(Meta::MAX_TEXT)),
        Value::Array(items) => items.iter_mut().for_each(cut_strings),
        Value::Object(map) => map.values_mut().for_each(cut_strings),
    }
}

/// Adds to `size` the maximum number of bytes that Postgres prints for `value`. Postgres prints a space after
/// each comma and colon. `key` is the key of the entry that contains the value.
fn add_size(key: &str, value: &Value, size: &mut usize) -> Result<(), Invalid> {
    match value {
        Value::Null | Value::Bool(_) => *size += 5,
        Value::Number(number) => match number::printed_size(number) {
            printed if printed <= Meta::MAX_BYTES => *size += printed,
            _ => {
                let key = key[..key.floor_char_boundary(64)].escape_debug();
                let (number, max) = (shown(number.as_str()), Meta::MAX_BYTES);
                return Err(Invalid::new(format!(
                    "the number `{key}` is too large: written out, {number} has more than {max} digits"
                )));
            }
        },
        Value::String(text) => *size += text_size(text)?,
        Value::Array(items) => {
            *size += 2;
            for item in items {
                *size += 2;
                add_size(key, item, size)?;
            }
        }
        Value::Object(map) => {
            *size += 2;
            for (key, value) in map {
                *size += key_size(key)?;
                add_size(key, value, size)?;
            }
        }
    }
    Ok(())
}

fn key_size(key: &str) -> Result<usize, Invalid> {
    Ok(text_size(key)? + 4)
}

fn text_size(text: &str) -> Result<usize, Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new("meta contains a NUL character (\\u0000), which cannot be stored"));
    }
    Ok(text::printed_size(text))
}

#[cfg(test)]
mod tests;
