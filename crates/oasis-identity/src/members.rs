//! JSON objects in which no two members have the same name.
//!
//! If two members have the same name, one program may use the first of them, and another program the last.
//! So a token with such an object is refused.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object, each with its value as JSON.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// The usual maximum number of members in a header and in claims.
const FEW: usize = 16;

/// Why a text is not accepted as an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadObject {
    /// The text is not a JSON object.
    NotAnObject,
    /// Two members have the same name.
    Duplicate,
}

impl<'a> Members<'a> {
    /// Parses an object, and compares the names of its members. Objects in the values are not checked.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, BadObject> {
        let json = std::str::from_utf8(json).map_err(|_| BadObject::NotAnObject)?;
        let members: Self = serde_json::from_str(json).map_err(|_| BadObject::NotAnObject)?;
        if members.differ() { Ok(members) } else { Err(BadObject::Duplicate) }
    }

    /// The value of a member.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.iter().find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    /// Whether no two names are the same.
    fn differ(&self) -> bool {
        if self.0.len() > FEW {
            return differ(self.0.iter().map(|(name, _)| name.as_ref()));
        }
        // For a few names, this is faster than sorting, and it allocates nothing.
        let twice = |(place, (name, _)): (usize, &(Cow<'_, str>, _))| {
            self.0.iter().take(place).any(|(other, _)| other == name)
        };
        !self.0.iter().enumerate().any(twice)
    }

    /// All members.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

/// The value as a string. `None` if the value is not a string.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))?;
    // The value is valid JSON, so a string without an escape is its text between the quotation marks.
    if !inner.as_bytes().contains(&b'\\') {
        return Some(inner.into());
    }
    serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0)
}

/// The value as a list of strings. `None` if the value is something else.
pub(crate) fn texts(value: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    let list: Vec<Text<'_>> = serde_json::from_str(value.get()).ok()?;
    Some(list.into_iter().map(|text| text.0).collect())
}

/// The value as a number. `None` if the value is not a number, or is too large.
pub(crate) fn number(value: &RawValue) -> Option<f64> {
    // Of all JSON values, only numbers begin with one of these characters.
    let is_number = value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
    value.get().parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

/// Whether no object in the value, at any depth, has two members with the same name. Also false if the value
/// is nested more deeply than serde_json allows.
pub(crate) fn has_only_different_names(value: &RawValue) -> bool {
    let is_nested = value.get().starts_with(['{', '[']);
    !is_nested || serde_json::from_str::<Different>(value.get()).is_ok()
}

/// Whether no two names are the same. Sorting keeps this fast, even for a hostile object with many names.
fn differ<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.is_sorted_by(|one, next| one != next)
}

/// A string. It is copied only if it contains escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(FEW);
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Any JSON value in which no object has two members with the same name.
struct Different;

impl<'de> Deserialize<'de> for Different {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AtAnyDepth;

        impl<'de> Visitor<'de> for AtAnyDepth {
            type Value = Different;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value in which no object has two members with the same name")
            }

            fn visit_unit<E: Error>(self) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Different, E> {
                Ok(Different)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Different, A::Error> {
                while let Some(Different) = items.next_element()? {}
                Ok(Different)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Different, A::Error> {
                let mut names: Vec<String> = Vec::new();
                while let Some((name, Different)) = map.next_entry()? {
                    names.push(name);
                }
                if differ(names.iter().map(String::as_str)) {
                    Ok(Different)
                } else {
                    Err(A::Error::custom("two members have the same name"))
                }
            }
        }

        deserializer.deserialize_any(AtAnyDepth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_two_members_of_one_name_is_refused() {
        let members = Members::parse(br#" {"a": [1, {"b": 2}], "\u0062": "x"} "#).unwrap();
        assert_eq!(members.get("a").unwrap().get(), r#"[1, {"b": 2}]"#);
        assert_eq!(members.get("b").and_then(text).unwrap(), "x");
        assert!(members.get("c").is_none());
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":1,"\u0061":2}"#, r#"{"":1,"":2}"#] {
            assert_eq!(Members::parse(twice.as_bytes()).unwrap_err(), BadObject::Duplicate, "{twice}");
        }
        // A name that occurs twice is found in a small object and in a large one, at every place.
        for (count, twice) in
            [2, FEW, FEW + 1, 5 * FEW].into_iter().flat_map(|n| (1..n).map(move |at| (n, at)))
        {
            let name = |at: usize| if at == twice { 0 } else { at };
            let members: Vec<String> = (0..count).map(|at| format!(r#""{}":1"#, name(at))).collect();
            let json = format!("{{{}}}", members.join(","));
            assert_eq!(Members::parse(json.as_bytes()).unwrap_err(), BadObject::Duplicate, "{json}");
            let good = json.replace(r#""0":1"#, "").replace(",,", ",").replace("{,", "{").replace(",}", "}");
            assert!(Members::parse(good.as_bytes()).is_ok(), "{good}");
        }
        let bad: [&[u8]; 9] =
            [b"", b"[]", b"null", b"{", b"{}x", b"{\"a\":1,}", b"{\"a\":\xff}", b"\"a\"", b"{\"\\ud800\":1}"];
        for bad in bad {
            assert_eq!(Members::parse(bad).unwrap_err(), BadObject::NotAnObject, "{bad:?}");
        }
    }

    #[test]
    fn names_are_compared_at_any_depth() {
        let differ = |json: &str| has_only_different_names(&RawValue::from_string(json.to_owned()).unwrap());
        for good in [r#"{"a":{"a":[{"a":1},{"a":-2.5}]},"b":null}"#, "true", "\"x\"", "1e400", "[]"] {
            assert!(differ(good), "{good}");
        }
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":1}}]"#] {
            assert!(!differ(bad), "{bad}");
        }
        // serde_json refuses values deeper than 128 levels, so a deep value cannot exhaust the stack.
        assert!(!differ(&format!("{}{}", "[".repeat(4_000), "]".repeat(4_000))));
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        let read = |json: &str| number(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!([read("1"), read("-1.5"), read("1e3")], [Some(1.0), Some(-1.5), Some(1_000.0)]);
        for bad in ["1e400", "-1e400", "\"1\"", "null", "true", "[1]", "{}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
