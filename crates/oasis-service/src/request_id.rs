//! The id that identifies a request in the log.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id in requests and responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's id, if it has 1 to 64 characters of `[A-Za-z0-9._-]`. Otherwise, a new id of 16 random hex
/// digits.
pub(crate) fn of(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|value| is_valid(value.as_bytes())).cloned().unwrap_or_else(random)
}

fn is_valid(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A new id: the SipHash of a counter, with a random key. Making an id needs no system call, and an id cannot
/// be guessed from other ids.
fn random() -> HeaderValue {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = KEY.hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    // Hex digits are always a valid header value.
    HeaderValue::from_str(&format!("{id:016x}")).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
        of(&headers)
    }

    #[test]
    fn valid_ids_are_kept_and_other_ids_are_replaced() {
        assert_eq!(id_for("a.B-9_z"), "a.B-9_z");
        assert_eq!(id_for(&"x".repeat(64)), "x".repeat(64).as_str());
        for bad in ["", "a b", "a\"b", "a/b", &"x".repeat(65)] {
            assert_ne!(id_for(bad), bad);
            assert_eq!(id_for(bad).len(), 16);
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
