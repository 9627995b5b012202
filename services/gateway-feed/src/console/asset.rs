//! Answers `GET /-/{HASH}/{PATH}`: the files that the pages load.

use hyper::{HeaderMap, StatusCode};
use oasis_service::{ApiError, Response};

use super::bundle::BUNDLE;

/// Answers with the file at `path`, the part of the address after `/-/`.
///
/// # Errors
/// 404 if the file does not exist, or no longer exists.
pub(crate) fn asset(path: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let Some((path, content)) = BUNDLE.find(path) else {
        return Err(ApiError::not_found().hint("reload the page at /, so that it loads the current files"));
    };
    let cache = "public, max-age=31536000, immutable";
    Ok(content.answer(StatusCode::OK, content_type(path), cache, headers))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
