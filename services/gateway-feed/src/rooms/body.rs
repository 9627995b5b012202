//! Reads the JSON body of a request.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_core::parse_json;
use oasis_service::{ApiError, Request, RequestContext};
use serde_json::{Map, Value};

use crate::ingest::is_json;

/// Reads a body that must be JSON, of at most `most` bytes.
///
/// # Errors
/// 415 if the body is not JSON; 413 if it is too large.
pub(super) async fn read(request: Request, context: &RequestContext, most: usize) -> Result<Bytes, ApiError> {
    let (head, body) = request.into_parts();
    check_type(&head.headers)?;
    context.read_body(body, most).await
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_json(content_type) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type("the body must be JSON")
        .hint("add the header Content-Type: application/json"))
}

/// Parses an object.
///
/// # Errors
/// 400 if the text is not a JSON object.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match parse_json(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("bad_json", "the body is not a JSON object")),
        Err(error) => Err(ApiError::bad_request("bad_json", format!("the body is not JSON: {error}"))),
    }
}
