//! Parses the JSON of requests. Decides which content types count as JSON.

use std::borrow::Cow;
use std::fmt;

use oasis_core::{parse_unique_json, repair_escapes};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
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

/// Refuses an event of more than `most` bytes.
pub(super) fn check_size(text: &[u8], most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Refusal::new(format!("the event is too large: the limit is {most} bytes")))
}

/// The elements of an array, as slices of its text. Only the first `MOST` of them are kept, because the
/// slices of an array with many small elements need a multiple of the memory of its text.
pub(crate) struct Elements<'a, const MOST: usize> {
    /// The first elements.
    pub(crate) first: Vec<&'a RawValue>,
    /// The number of all elements.
    pub(crate) number: usize,
}

impl<'de: 'a, 'a, const MOST: usize> Deserialize<'de> for Elements<'a, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<const MOST: usize>;

        impl<'de, const MOST: usize> Visitor<'de> for InOrder<MOST> {
            type Value = Elements<'de, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while first.len() < MOST
                    && let Some(element) = elements.next_element()?
                {
                    first.push(element);
                }
                let mut number = first.len();
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    number += 1;
                }
                Ok(Elements { first, number })
            }
        }

        deserializer.deserialize_seq(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_elements_of_an_array_are_kept_and_all_are_counted() {
        let read = |text: &str| {
            let elements: Elements<'_, 2> = serde_json::from_str(text).map_err(drop)?;
            let first: Vec<String> = elements.first.iter().map(|one| one.get().to_owned()).collect();
            Ok::<_, ()>((first, elements.number))
        };
        let two = vec!["{\"a\":[1]}".to_owned(), "2".to_owned()];
        for (text, number) in [(r#"[{"a":[1]}, 2]"#, 2), (r#"[{"a":[1]},2,[3,3],"4",5]"#, 5)] {
            assert_eq!(read(text), Ok((two.clone(), number)), "{text}");
        }
        assert_eq!(read("[]"), Ok((vec![], 0)));
        for bad in ["[1,2,3", "[1,2,3,]", "[1,2,x]", "[1,2] 3", "{}", "[1,2,\"\\ud800\"", ""] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
        // However long the array is, the slices need the memory of two elements.
        let long = format!("[{}0]", "0,".repeat(100_000));
        let elements: Elements<'_, 2> = serde_json::from_str(&long).unwrap();
        assert!(elements.first.capacity() <= 8 && elements.number == 100_001);
    }
}
