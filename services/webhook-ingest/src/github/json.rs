//! Parses GitHub's JSON: strings that borrow from the body, times in all formats that GitHub uses, and the
//! objects that occur in several events.
//!
//! The structs in this folder have only the fields that are used. If a struct has fields of type [`Text`],
//! the first of these fields has the attribute `#[serde(borrow)]`. The attribute lets all of these fields
//! borrow from the body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use oasis_core::Ts;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::error::Category;

/// The payload does not have GitHub's format. The message names the position and never quotes the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload cannot be read: {0}")]
pub struct Unreadable(String);

/// Parses all of `payload`, which must be one JSON object.
pub(super) fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice::<Root<T>>(payload).map(|Root(value)| value).map_err(|error| {
        let message = error.to_string();
        // For a wrong type, serde's message quotes the value, and then names the expected type. Keep only the
        // expected type.
        let unquoted = match error.classify() {
            Category::Data => message.rfind(", expected ").map(|at| &message[at + 2..]),
            Category::Io | Category::Syntax | Category::Eof => None,
        };
        Unreadable(unquoted.unwrap_or(&message).to_owned())
    })
}

/// Any object, for events whose fields are not read.
#[derive(Deserialize)]
pub(super) struct Object {}

/// Accepts only an object. Without this type, serde would also accept an array for a struct.
struct Root<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Root<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Map(std::marker::PhantomData)).map(Self)
    }
}

/// A string without a NUL. It is borrowed from the payload, unless it contains an escape. serde's own
/// `Option<Cow<str>>` never borrows.
#[derive(Debug, Clone)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;

        impl<'de> Visitor<'de> for Str {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                // JSON writes a NUL as an escape, so a borrowed string never contains one.
                if text.contains('\0') {
                    Err(E::custom("a string contains a NUL"))
                } else {
                    Ok(Cow::Owned(text.to_owned()))
                }
            }
        }

        deserializer.deserialize_str(Str).map(Self)
    }
}

/// A time in one of GitHub's formats. Most times are in RFC 3339. The repository in a push event contains
/// times in whole seconds of Unix time. A time is usable if it can be parsed and is after the start of 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Option<Ts>);

impl Moment {
    /// Returns the first usable time of `candidates`.
    pub(super) fn first<const N: usize>(candidates: [Option<Self>; N]) -> Option<Ts> {
        candidates.into_iter().flatten().find_map(|moment| moment.0)
    }

    /// Returns the latest usable time of `candidates`.
    pub(super) fn latest<const N: usize>(candidates: [Option<Self>; N]) -> Option<Ts> {
        candidates.into_iter().flatten().filter_map(|moment| moment.0).max()
    }

    fn of(ts: Option<Ts>) -> Self {
        Self(ts.filter(|ts| ts.instant().as_millisecond() > 0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Time;

        impl Visitor<'_> for Time {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time: a string or whole seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Ok(Moment::of(text.parse().ok()))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Moment, E> {
                Ok(Moment::of(Ts::from_unix_seconds(seconds).ok()))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
                i64::try_from(seconds).map_or(Ok(Moment(None)), |seconds| self.visit_i64(seconds))
            }
        }

        deserializer.deserialize_any(Time)
    }
}

/// The repository of a delivery. The deliveries of an organisation's hook may have no repository.
#[derive(Debug, Deserialize)]
pub(super) struct Repository<'a> {
    #[serde(borrow)]
    pub(super) full_name: Option<Text<'a>>,
    pub(super) html_url: Option<Text<'a>>,
    pub(super) pushed_at: Option<Moment>,
    pub(super) updated_at: Option<Moment>,
}

/// The workflow of a run, or of a deployment.
#[derive(Debug, Deserialize)]
pub(super) struct Workflow<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    pub(super) path: Option<Text<'a>>,
}

/// An account.
#[derive(Debug, Deserialize)]
pub(super) struct Login<'a> {
    #[serde(borrow)]
    pub(super) login: Option<Text<'a>>,
}

/// A commit.
#[derive(Debug, Deserialize)]
pub(super) struct Commit<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) message: Option<Text<'a>>,
    pub(super) timestamp: Option<Moment>,
}

/// A pull request in a list. Only the number is used.
#[derive(Debug, Deserialize)]
pub(super) struct Numbered {
    pub(super) number: Option<u64>,
}

/// Returns the URL of the page of `repository`. An event that has no page gets this URL as its link.
pub(super) fn page<'t>(repository: Option<&'t Repository<'_>>) -> Option<&'t str> {
    repository.and_then(|repository| repository.html_url.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Example<'a> {
        #[serde(borrow)]
        first: Option<Text<'a>>,
        second: Option<Text<'a>>,
        count: Option<u64>,
        at: Option<Moment>,
    }

    #[test]
    fn text_borrows_unless_it_contains_an_escape() {
        let example: Example =
            parse(br#"{"first":"plain","second":"a\nb","other":["\ud800", 1e999]}"#).unwrap();
        assert!(matches!(example.first.unwrap().0, Cow::Borrowed("plain")));
        assert!(matches!(example.second.unwrap().0, Cow::Owned(text) if text == "a\nb"));
        assert_eq!(example.count, None);
    }

    #[test]
    fn messages_name_the_position_and_never_quote_the_payload() {
        for (payload, message) in [
            (r#"{"first":7}"#, "expected a string"),
            (r#"{"first":["private"]}"#, "expected a string"),
            (r#"{"count":"private, expected to be"}"#, "expected u64"),
            (r#"{"at":{"private":1}}"#, "expected a time: a string or whole seconds"),
            (r#"{"at":true}"#, "expected a time: a string or whole seconds"),
            (r#"{"second":"a\u0000b"}"#, "a string contains a NUL"),
            (r#"{"second":"\ud800"}"#, "unexpected end of hex escape"),
            (r#""private""#, "expected a JSON object"),
            (r#"["private"]"#, "expected a JSON object"),
            ("null", "expected a JSON object"),
            ("", "EOF while parsing a value"),
            ("{} {}", "trailing characters"),
            (r#"{"first":"private"#, "EOF while parsing a string"),
        ] {
            let error = parse::<Example>(payload.as_bytes()).unwrap_err().0;
            assert!(error.starts_with(&format!("{message} at line 1 column ")), "{payload}: {error}");
            assert!(!error.contains("private"), "{error}");
        }
        assert!(parse::<Example>(b"{\"first\":\"\xff\"}").is_err());
    }

    #[test]
    fn times_that_are_not_usable_are_skipped() {
        for (json, printed) in [
            (r#""2026-01-02T03:04:05.678+01:00""#, Some("2026-01-02T02:04:05.678Z")),
            ("1557933657", Some("2019-05-15T15:20:57.000Z")),
            ("null", None),
            (r#""""#, None),
            (r#""yesterday""#, None),
            (r#""0001-01-01T00:00:00Z""#, None),
            ("0", None),
            ("-5", None),
            ("9223372036854775807", None),
            ("18446744073709551615", None),
        ] {
            let payload = format!(r#"{{"at":{json}}}"#);
            let example: Example = parse(payload.as_bytes()).unwrap();
            let ts = Moment::first([example.at]).map(|ts| ts.to_string());
            assert_eq!(ts.as_deref(), printed, "{json}");
        }
    }
}
