//! Parses fields that the user gives as `key=text`, `key:=JSON` or a JSON object.

use serde_json::{Map, Value};

/// Parses `{…}`, `key:=JSON` or `key=text`.
///
/// # Errors
/// The text has another form.
pub(crate) fn parse_meta(text: &str) -> Result<Map<String, Value>, String> {
    parse(text, |text| text.into())
}

/// Like [`parse_meta`], but a text that is a whole number becomes a number.
///
/// # Errors
/// The text has another form.
pub(crate) fn parse_field(text: &str) -> Result<Map<String, Value>, String> {
    // A number that would be printed in another way, such as 007, stays a text.
    parse(text, |text| match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => number.into(),
        _ => text.into(),
    })
}

fn parse(text: &str, value_of: impl Fn(&str) -> Value) -> Result<Map<String, Value>, String> {
    let json = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| format!("the value is not JSON: {error}"))
    };
    if text.trim_start().starts_with('{') {
        return match json(text)? {
            Value::Object(map) => Ok(map),
            _ => Err("not a JSON object".to_owned()),
        };
    }
    let expected = "expected key=text, key:=JSON or a JSON object";
    let (key, value) = text.split_once('=').ok_or(expected)?;
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => (key, json(value)?),
        None => (key, value_of(value)),
    };
    if key.is_empty() { Err(expected.to_owned()) } else { Ok(Map::from_iter([(key.to_owned(), value)])) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_becomes_a_number_only_in_a_field_of_a_resource() {
        for (text, meta, field) in [
            ("replicas=3", json!("3"), json!(3)),
            ("replicas=-3", json!("-3"), json!(-3)),
            ("kubernetes_version=1.30", json!("1.30"), json!("1.30")),
            ("x=007", json!("007"), json!("007")),
            ("x=true", json!("true"), json!("true")),
            ("x:=true", json!(true), json!(true)),
            ("x:=\"3\"", json!("3"), json!("3")),
        ] {
            let value = |parsed: Result<Map<String, Value>, String>| {
                parsed.unwrap().into_iter().next().map(|(_, value)| value)
            };
            assert_eq!(value(parse_meta(text)), Some(meta), "{text}");
            assert_eq!(value(parse_field(text)), Some(field), "{text}");
        }
        assert_eq!(Value::from(parse_field("{\"a\":1,\"b\":\"2\"}").unwrap()), json!({"a": 1, "b": "2"}));
    }
}
