//! The errors of requests about casts. At the end, [`with_cast_code`] replaces the codes of some of them.

use hyper::StatusCode;
use oasis_core::CastState;
use oasis_core::cast::CastId;
use oasis_service::ApiError;

use crate::batch::ReadError;
use crate::ingest::Refusal;

/// Parses the id in a path.
///
/// # Errors
/// 404 if the text is not the id of a cast.
pub(crate) fn id(text: &str) -> Result<CastId, ApiError> {
    CastId::parse(text).map_err(|why| ApiError::not_found().hint(why.to_string()))
}

/// 404: the cast does not exist.
pub(crate) fn no_such_cast(cast: &CastId) -> ApiError {
    ApiError::unknown("no_such_cast", format!("the cast {cast} does not exist"))
        .hint("a service opens a cast with POST /api/casts")
}

/// 403: only the owner may read the cast.
pub(crate) fn not_yours() -> ApiError {
    ApiError::forbidden("not_your_cast", "only the owner of this cast may read it")
}

/// 503: the table cannot be read.
pub(crate) fn unavailable(error: ReadError) -> ApiError {
    ApiError::unavailable("database_unavailable", "the cast cannot be read now", error)
}

/// 400: a field of the body is bad.
pub(super) fn bad_cast(refusal: Refusal) -> ApiError {
    refusal.into_error("bad_cast")
}

/// 409: another request has opened a cast with this id.
pub(super) fn exists(cast: &CastId) -> ApiError {
    ApiError::conflict("cast_exists", format!("the cast {cast} exists already"))
        .hint("use another id, or none")
}

/// 409: the attempt has ended.
pub(super) fn ended(state: &CastState) -> ApiError {
    let why = format!("attempt {} of the cast has already {}", state.attempt, state.status);
    ApiError::conflict("cast_ended", why).hint("send a higher runAttempt to begin another attempt")
}

/// Replaces the code of 401, 403 and 404 with the code that existing clients of casts expect.
pub(crate) fn with_cast_code(error: ApiError) -> ApiError {
    match error.status() {
        StatusCode::UNAUTHORIZED => error.with_code("UNAUTHORIZED"),
        StatusCode::FORBIDDEN => error.with_code("FORBIDDEN"),
        StatusCode::NOT_FOUND => error.with_code("NOT_FOUND"),
        _ => error,
    }
}
