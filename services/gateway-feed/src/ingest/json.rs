//! Parses the JSON of requests. Decides which content types count as JSON, and how large an event may be.

use std::borrow::Cow;

use oasis_core::{parse_json, repair_escapes};
use serde_json::{Map, Value};

use super::fields::Refusal;

/// The maximum size of one event in bytes. This size is several times the maximum size of `meta`, because
/// JSON text can have escapes and white space.
const MOST_EVENT_BYTES: usize = 128 << 10;

/// Whether a content type is JSON.
pub(super) fn is_json(content_type: &str) -> bool {
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

/// Parses a value of at most [`MOST_EVENT_BYTES`].
pub(super) fn value(text: &[u8]) -> Result<Value, Refusal> {
    if text.len() > MOST_EVENT_BYTES {
        return Err(Refusal::new(format!("the event is too large: the limit is {MOST_EVENT_BYTES} bytes")));
    }
    parse_json(text)
        // A text that was cut may end with half of a character.
        .or_else(|error| match repair_escapes(text) {
            Cow::Owned(repaired) => parse_json(&repaired),
            Cow::Borrowed(_) => Err(error),
        })
        .map_err(|error| Refusal::new(format!("not JSON: {error}")))
}
