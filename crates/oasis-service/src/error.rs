//! [`ApiError`]: the status and message that a caller gets, and the cause that only the log gets.

use std::error::Error;
use std::fmt;

use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;

use crate::response_body::{Response, full};

/// The cause of an error, for the log only.
pub type Source = Box<dyn Error + Send + Sync>;

/// The value of `Retry-After` for a 503, in seconds.
const RETRY_SECONDS: &str = "5";

/// A failed request. The answer is `{"error":{"code":…,"message":…,"hint":…}}`.
///
/// The caller sees `message` and `hint`. The source is logged once, with the request. The caller never sees
/// the source.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
    source: Option<Source>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: None, source: None, headers: Vec::new() }
    }

    /// 400: the request is malformed.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401: the credentials are missing or not accepted. The header `WWW-Authenticate` names the scheme
    /// Bearer.
    pub fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: no caller may send this request.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404: no route has this path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// 404: the path is right, but the thing that it names does not exist.
    pub fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: the request does not fit the current state.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 405. `allow` is the value of the `Allow` header, such as `"GET, HEAD"`.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("this path accepts only {allow}"),
        )
        .header(ALLOW, HeaderValue::from_static(allow))
    }

    /// 408: the request body did not arrive in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
            .header(CONNECTION, HeaderValue::from_static("close"))
    }

    /// 413: the body is larger than `cap` bytes.
    pub fn payload_too_large(cap: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is larger than {cap} bytes"),
        )
    }

    /// 415: the route does not read this content type.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 429: the caller has sent too many requests. The answer needs a header `Retry-After`.
    pub fn too_many_requests(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
    }

    /// 500: this service has a defect. The caller does not see the cause.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "an internal error occurred: search the log for the request id (X-Request-Id)",
        )
        .because(source)
    }

    /// 502: another service that this service depends on refuses the request. A retry does not help.
    pub fn bad_gateway(code: &'static str, message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, message).because(source)
    }

    /// 503 with `Retry-After`: something that this service depends on is unavailable.
    pub fn unavailable(code: &'static str, message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::refused(code, message).because(source)
    }

    /// 503 with `Retry-After`: a limit of this service has been reached.
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::refused("overloaded", message)
    }

    fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .header(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS))
    }

    /// Replaces the code.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// Adds a hint about what the caller can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, for the log only. The cause must not repeat what the caller sent.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a response header. Replaces a header with the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The machine-readable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The public message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Makes the answer to the caller.
    pub fn into_response(self) -> Response {
        let error = ErrorFields { code: self.code, message: &self.message, hint: self.hint.as_deref() };
        // Serializing strings into memory cannot fail.
        let body = serde_json::to_string(&ErrorBody { error }).unwrap_or_default();
        let mut response = Response::new(full(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use oasis_core::chain;

    use super::*;

    #[test]
    fn the_source_is_in_the_chain_but_not_in_the_message() {
        let io = std::io::Error::other("relation oasis_events does not exist");
        let error = ApiError::unavailable("database_unavailable", "the database is not available", io);
        assert_eq!(
            chain(&error),
            "503 database_unavailable: the database is not available: relation oasis_events does not exist"
        );
        assert_eq!(error.message(), "the database is not available");
    }

    #[test]
    fn a_bad_gateway_has_no_retry_after() {
        let io = std::io::Error::other("permission denied");
        let response = ApiError::bad_gateway("permission_denied", "Google refuses", io).into_response();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert!(response.headers().get(RETRY_AFTER).is_none());
    }

    #[test]
    fn a_header_that_is_set_again_is_replaced() {
        let error = ApiError::overloaded("full").header(RETRY_AFTER, HeaderValue::from(1));
        let response = error.into_response();
        let values: Vec<_> = response.headers().get_all(RETRY_AFTER).iter().collect();
        assert_eq!(values, ["1"]);
    }
}
