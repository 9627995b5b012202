//! Parses the JSON body of a request.

use oasis_core::parse_unique_json;
use oasis_service::ApiError;
use serde_json::{Map, Value};

/// Parses an object.
///
/// # Errors
/// 400 if the text is not a JSON object, or has a key more than once.
pub(crate) fn json_object(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match parse_unique_json(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("bad_json", "the body is not a JSON object")),
        Err(why) => Err(ApiError::bad_request("bad_json", why.to_string())),
    }
}
