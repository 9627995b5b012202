//! Reads the fields of JSON objects and the parts of resource names.

use serde_json::Value;

/// The value at the end of `path`, or null.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| &value[*name])
}

/// The text at the end of `path`, unless it is empty.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).as_str().and_then(non_empty)
}

/// The text, unless it is empty.
pub(crate) fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The segment of a resource's name that follows `marker`.
pub(crate) fn segment_after<'a>(name: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = name.split_once(marker)?;
    rest.split('/').next().and_then(non_empty)
}
