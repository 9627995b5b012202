//! Parses the JSON of requests. Decides which content types count as JSON.

use std::borrow::Cow;

use oasis_core::{parse_json, repair_escapes};
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

/// Parses a JSON value. If parsing fails, repairs the escapes in `text`, and parses the text again.
pub(super) fn value(text: &[u8]) -> Result<Value, Refusal> {
    parse_json(text)
        // A string that was cut may end with half of a character, which is not valid JSON.
        .or_else(|error| match repair_escapes(text) {
            Cow::Owned(repaired) => parse_json(&repaired),
            Cow::Borrowed(_) => Err(error),
        })
        .map_err(|error| Refusal::new(format!("not JSON: {error}")))
}

/// Refuses an event of more than `most` bytes.
pub(super) fn check_size(text: &[u8], most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Refusal::new(format!("the event is too large: the limit is {most} bytes")))
}
