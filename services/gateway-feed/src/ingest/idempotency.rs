//! The header `Idempotency-Key`: if a request is sent again with the same key, no item is stored twice.

use hyper::header::HeaderMap;
use oasis_core::DedupKey;
use oasis_service::ApiError;
use ring::digest::{Context, SHA256};

use crate::access::Caller;

/// The maximum length of the header, in bytes.
const MOST_KEY_BYTES: usize = 255;

/// The value of the header `Idempotency-Key`. `None` if the request does not have this header.
///
/// # Errors
/// 400 if the request has the header twice, or if the value is empty, too long or not printable ASCII.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=MOST_KEY_BYTES).contains(&key.len()) && !key.contains('\t');
    let key = key.to_str().ok().filter(fits).filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| {
        let why = format!(
            "header `Idempotency-Key`: expected once, with 1 to {MOST_KEY_BYTES} printable ASCII characters"
        );
        ApiError::bad_request("bad_header", why)
    })?;
    Ok(Some(key.to_owned()))
}

/// The dedup key of the item with the number `nth` in a request. `place` is what the request writes to, such
/// as a room; it is empty for resource events. Different places or callers never have equal dedup keys. The
/// dedup key contains a hash, because the parts may be long.
///
/// # Errors
/// 500; no known input causes it.
pub(crate) fn dedup_key(
    (family, kind): (&str, &str),
    place: &str,
    caller: &Caller<'_>,
    key: &str,
    nth: usize,
) -> Result<DedupKey, ApiError> {
    let (who, name) = match caller {
        Caller::Service(sender) => ("service", sender.owner()),
        Caller::Viewer(viewer) => ("user", &*viewer.user),
    };
    let mut hash = Context::new(&SHA256);
    for part in [place, who, name, key, &nth.to_string()] {
        hash.update(&part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    DedupKey::of_digest(family, kind, hash.finish().as_ref()).map_err(ApiError::internal)
}
