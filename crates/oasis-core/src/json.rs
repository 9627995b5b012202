//! Parses JSON into a [`Value`] that keeps all digits of each number and all keys of each object.
//!
//! With the feature `arbitrary_precision`, serde_json represents a number internally as an object with a
//! private key. So serde_json's own parser reads an object that a client sends with this key as a number. If
//! the object does not contain a number, the parser refuses the whole text. A second private key marks raw
//! JSON: serde_json parses the text under this key as JSON. The parser in this file keeps objects with these
//! keys unchanged, with one exception: an object that has only the key for numbers, with the text of a
//! number, becomes this number.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::invalid::Invalid;

/// The private key of the object with which serde_json represents a number.
const NUMBER: &str = "$serde_json::private::Number";

/// The maximum length of a key in an error, in characters.
const MOST_SHOWN: usize = 64;

/// Parses a JSON text. If an object has a key more than once, the last value counts.
///
/// # Errors
/// When `json` is not valid JSON.
pub fn parse_json(json: &[u8]) -> Result<Value, serde_json::Error> {
    parse(json, AnyValue { repeated: None })
}

/// Parses a JSON text in which no object has a key more than once. Of such an object, one program would read
/// the first value, and another program the last value.
///
/// # Errors
/// When `json` is not valid JSON, or an object has a key more than once. The message names the key.
pub fn parse_unique_json(json: &[u8]) -> Result<Value, Invalid> {
    let repeated = Cell::new(None);
    parse(json, AnyValue { repeated: Some(&repeated) }).map_err(|error| match repeated.take() {
        Some(key) => {
            let key: String = key.chars().take(MOST_SHOWN).collect();
            Invalid::new(format!("`{}`: the key is given more than once", key.escape_debug()))
        }
        None => Invalid::new(format!("not JSON: {error}")),
    })
}

fn parse(json: &[u8], any: AnyValue<'_>) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = any.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct AnyValue<'a> {
    /// Takes the key that an object has more than once. `None` if such objects are accepted.
    repeated: Option<&'a Cell<Option<String>>>,
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(array.into())
    }

    /// serde_json also calls this function for a number that does not fit in 64 bits, or that has a point or
    /// an exponent. Such a number is represented as an object with the key [`NUMBER`].
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut key = entries.next_key::<String>()?;
        while let Some(present) = key {
            let value = entries.next_value_seed(self)?;
            key = entries.next_key()?;
            if present == NUMBER
                && key.is_none()
                && map.is_empty()
                && let Some(Ok(number)) = value.as_str().map(str::parse::<Number>)
            {
                return Ok(number.into());
            }
            match (map.entry(present), self.repeated) {
                (Entry::Vacant(entry), _) => {
                    entry.insert(value);
                }
                (Entry::Occupied(mut entry), None) => {
                    entry.insert(value);
                }
                (Entry::Occupied(entry), Some(repeated)) => {
                    repeated.set(Some(entry.key().clone()));
                    return Err(A::Error::custom("a key is given more than once"));
                }
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_keep_all_their_digits() {
        for number in [
            "0",
            "-1",
            "18446744073709551615",
            "123456789012345678901234567890",
            "-0.10",
            "1.5e-7",
            "1e+400000",
        ] {
            let value = parse_json(number.as_bytes()).unwrap();
            assert!(value.is_number(), "{number}");
            assert_eq!(value.to_string(), number);
        }
    }

    #[test]
    fn objects_with_private_keys_of_serde_json_are_not_changed() {
        for json in [
            r#"{"$serde_json::private::Number":"abc"}"#,
            r#"{"$serde_json::private::Number":1}"#,
            r#"{"$serde_json::private::Number":"1","b":2}"#,
            r#"{"$serde_json::private::RawValue":"[1"}"#,
            r#"[{"a":{"$serde_json::private::RawValue":"[1]"}}]"#,
        ] {
            assert_eq!(parse_json(json.as_bytes()).unwrap().to_string(), json);
        }
    }

    #[test]
    fn texts_that_are_not_valid_json_are_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in ["", "{", "[1,]", "1 2", "nul", "01", "\"\\ud800\"", "{1:2}", &deep] {
            assert!(parse_json(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse_json(b" [null, true, \"a\\n\"] ").unwrap(), json!([null, true, "a\n"]));
    }

    #[test]
    fn a_key_that_an_object_has_twice_is_refused_by_name_or_its_last_value_counts() {
        let deep = format!("{}{}{}", "[".repeat(99), r#"{"b":1,"b":2}"#, "]".repeat(99));
        for (json, key) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"b":2,"c":3,"\u0061":null}"#, "a"),
            (r#"[1,{"a":{"x":{},"b":[{"b":1,"a":0}],"x":{}}}]"#, "x"),
            (&deep, "b"),
            (r#"{"":1,"":2}"#, ""),
            (r#"{"\u0000\n":1,"\u0000\n":2}"#, "\\0\\n"),
            (
                r#"{"$serde_json::private::Number":"1","$serde_json::private::Number":"2"}"#,
                "$serde_json::private::Number",
            ),
        ] {
            let refused = parse_unique_json(json.as_bytes()).unwrap_err().to_string();
            assert_eq!(refused, format!("`{key}`: the key is given more than once"));
            assert!(parse_json(json.as_bytes()).is_ok(), "{json}");
        }
        assert_eq!(parse_json(br#"{"a":1,"a":{"b":2}}"#).unwrap(), json!({"a": {"b": 2}}));
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "é".repeat(9_000));
        assert_eq!(parse_unique_json(long.as_bytes()).unwrap_err().to_string().chars().count(), 64 + 35);
        // The keys of different objects may be equal.
        let fine = br#"[{"a":{"a":[{"a":1.10},{"a":1e-7}]}},{"a":1}]"#;
        assert_eq!(parse_unique_json(fine).unwrap(), parse_json(fine).unwrap());
        assert!(parse_unique_json(b"{\"a\":1,}").unwrap_err().to_string().starts_with("not JSON: "));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let number = "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,25})?(e[+-][0-9]{1,9})?";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            number.prop_map(|number| Value::Number(number.parse().unwrap())),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_printed_value_parses_to_the_same_value(value in any_value()) {
            prop_assert_eq!(&parse_json(value.to_string().as_bytes()).unwrap(), &value);
            prop_assert_eq!(parse_unique_json(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
