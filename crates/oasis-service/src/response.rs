//! The responses that every service builds.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::ApiError;

pub use crate::response_body::{AnswerLost, Body, Response, boxed, empty, full, owned};

/// Makes a response with a status and no body.
pub fn status(status: StatusCode) -> Response {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

/// Makes a response with the given content type.
pub fn content(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    typed(status, content_type, full(body))
}

/// Makes a response whose text was made for this answer only, so that it counts towards the memory of all
/// answers.
pub(crate) fn made(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    typed(status, content_type, owned(body))
}

fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Makes a response with `value` as JSON.
///
/// # Errors
/// [`ApiError::internal`] when `value` cannot be serialized, for example because it is a map with keys that
/// are not strings.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    Ok(made(status, "application/json", body))
}
