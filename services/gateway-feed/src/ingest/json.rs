//! Parses the JSON of requests. Decides which content types count as JSON.

use std::borrow::Cow;
use std::fmt;

use oasis_core::{parse_unique_json, repair_escapes};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fields::Refusal;

/// Whether a content type is JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Parses one event, which must be a JSON object.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match value(text)? {
        Value::Object(event) => Ok(event),
        _ => Err(Refusal::new("expected an event, which is a JSON object")),
    }
}

/// Parses a JSON value. If parsing fails, repairs the escapes in `text`, and parses the text again. Refuses
/// an object that has a key more than once.
pub(super) fn value(text: &[u8]) -> Result<Value, Refusal> {
    parse_unique_json(text)
        // A string that was cut may end with half of a character, which is not valid JSON.
        .or_else(|error| match repair_escapes(text) {
            Cow::Owned(repaired) => parse_unique_json(&repaired),
            Cow::Borrowed(_) => Err(error),
        })
        .map_err(|why| Refusal::new(why.to_string()))
}

/// Whether a text that may be JSON begins like an array.
pub(super) fn is_array(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"[")
}

/// Refuses an event of more than `most` bytes.
pub(super) fn check_size(text: &[u8], most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Refusal::new(format!("the event is too large: the limit is {most} bytes")))
}

/// The elements of an array of at most `MOST` elements, as slices of its text. An error about the data, and
/// not about the syntax, means that there are more. The rest is not read then: it may have millions of
/// elements.
pub(super) struct Elements<'a, const MOST: usize>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a, const MOST: usize> Deserialize<'de> for Elements<'a, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<const MOST: usize>;

        impl<'de, const MOST: usize> Visitor<'de> for InOrder<MOST> {
            type Value = Elements<'de, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MOST} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while let Some(element) = elements.next_element()? {
                    if first.len() == MOST {
                        return Err(A::Error::invalid_length(MOST + 1, &self));
                    }
                    first.push(element);
                }
                Ok(Elements(first))
            }
        }

        deserializer.deserialize_seq(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_an_array_are_slices_of_it_and_too_many_are_not_read() {
        let read = |text: &str| {
            let elements: Elements<'_, 2> = serde_json::from_str(text).map_err(|error| error.is_data())?;
            Ok(elements.0.iter().map(|one| one.get().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read(r#"[{"a":[1]}, 2]"#), Ok(vec!["{\"a\":[1]}".to_owned(), "2".to_owned()]));
        assert_eq!(read("[]"), Ok(vec![]));
        // Whether the rest is JSON does not matter.
        for many in ["[1,2,3]", "[1,2,3", "[1,2,[3,3],\"4\",x"] {
            assert_eq!(read(many), Err(true), "{many}");
        }
        for bad in ["[1,2", "[1,2,]", "[1,x]", "[1,2] 3", "[1,\"\\ud800\"", ""] {
            assert_eq!(read(bad), Err(false), "{bad}");
        }
    }
}
