//! Parses the JSON body of a request.

use oasis_core::parse_json;
use oasis_service::ApiError;
use serde_json::{Map, Value};

/// Parses an object.
///
/// # Errors
/// 400 if the text is not a JSON object.
pub(crate) fn json_object(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match parse_json(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("bad_json", "the body is not a JSON object")),
        Err(error) => Err(ApiError::bad_request("bad_json", format!("the body is not JSON: {error}"))),
    }
}
