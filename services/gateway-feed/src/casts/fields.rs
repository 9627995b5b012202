//! Reads the fields of a cast in the body of a request.

use std::ops::RangeInclusive;

use oasis_core::cast::MOST_MESSAGE_BYTES;
use oasis_core::{Invalid, MOST_NAME_BYTES, is_name};
use serde_json::{Map, Number, Value};

use crate::ingest::{Fields, Refusal};

/// The largest whole number that every JSON parser reads exactly.
pub(super) const MOST: i64 = 9_007_199_254_740_991;

/// Takes a whole number.
pub(super) fn whole_number(
    fields: &mut Fields,
    name: &str,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, Refusal> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value.as_i64().filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let (least, most) = range.into_inner();
            Err(fields.refuse(name, format!("expected a whole number from {least} to {most}")))
        }
    }
}

/// Takes a number from 0 to 100. It keeps all its digits.
pub(super) fn percentage(fields: &mut Fields, name: &str) -> Result<Option<Number>, Refusal> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let is_percentage = value.as_f64().is_some_and(|number| (0.0..=100.0).contains(&number));
    match value {
        Value::Number(number) if is_percentage => Ok(Some(number)),
        _ => Err(fields.refuse(name, "expected a number from 0 to 100")),
    }
}

/// Takes a message.
pub(super) fn message(fields: &mut Fields, name: &str) -> Result<Option<String>, Refusal> {
    fields.parsed(name, |text| match text.len() {
        1..=MOST_MESSAGE_BYTES => Ok(text.to_owned()),
        size => Err(Invalid::new(format!("it has {size} bytes: expected 1 to {MOST_MESSAGE_BYTES}"))),
    })
}

/// Takes the id of a workflow run: a number, or its digits as a text.
pub(super) fn run_id(fields: &mut Fields, name: &str) -> Result<Option<String>, Refusal> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    let is_id = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if is_id {
        Ok(Some(text))
    } else {
        Err(fields.refuse(name, "expected the id of a workflow run: 1 to 20 digits"))
    }
}

/// Takes the spell: a name, or an object with a name. The result is the object.
pub(super) fn spell(fields: &mut Fields, name: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let spell = match value {
        Value::String(name) => Map::from_iter([("name".to_owned(), Value::String(name))]),
        Value::Object(spell) => spell,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Map::new(),
    };
    match spell.get("name").and_then(Value::as_str) {
        Some(given) if is_name(given) => Ok(Some(spell)),
        _ => Err(fields.refuse(name, format!("expected {}, or an object with such a `name`", name_rule()))),
    }
}

/// What a name is, for errors.
fn name_rule() -> String {
    format!("a text of 1 to {MOST_NAME_BYTES} bytes without control characters")
}

/// Parses a name, such as the id of a user.
pub(super) fn name(text: &str) -> Result<String, Invalid> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(Invalid::new(format!("expected {}", name_rule()))) }
}

/// Parses the name of a GitHub repository, such as `acme/shop`.
pub(super) fn repository(text: &str) -> Result<String, Invalid> {
    let fits = |part: &str| {
        (1..=100).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match text.split_once('/') {
        Some((owner, name)) if fits(owner) && fits(name) => Ok(text.to_owned()),
        _ => Err(Invalid::new("expected owner/name, such as acme/shop")),
    }
}
