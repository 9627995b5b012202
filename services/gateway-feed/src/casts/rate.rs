//! [`Rate`]: how often a user has connected in this minute, and the answers to a user who connects too often.

use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use oasis_service::{ApiError, random};
use oasis_store::{PlaceLimits, PlaceVerdict};

use crate::access::{Credential, Viewer};

/// The limits of each user.
pub(super) const LIMITS: PlaceLimits = PlaceLimits { places: 10, connects: 100, connects_with_key: 60 };

/// What a request may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(super) limit: i32,
    pub(super) verdict: PlaceVerdict,
}

impl Rate {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.verdict.connects > self.limit
    }

    pub(crate) fn has_place(&self) -> bool {
        self.verdict.taken
    }

    /// The headers of an answer: the limit, what is left of it, and when the minute ends, in seconds.
    pub(crate) fn headers(&self) -> [(HeaderName, HeaderValue); 3] {
        let left = (self.limit - self.verdict.connects).max(0);
        let reset = seconds(self.verdict.left_ms);
        [
            (HeaderName::from_static("x-ratelimit-limit"), self.limit.into()),
            (HeaderName::from_static("x-ratelimit-remaining"), left.into()),
            (HeaderName::from_static("x-ratelimit-reset"), reset.into()),
        ]
    }

    /// 429: the user has connected too often in this minute.
    pub(crate) fn too_often(&self) -> ApiError {
        let message = format!("you have connected more than {} times in this minute", self.limit);
        let error = too_many("RATE_LIMITED", message, self.verdict.left_ms);
        self.headers().into_iter().fold(error, |error, (name, value)| error.header(name, value))
    }

    /// 429: the user has too many streams open.
    pub(crate) fn too_many_streams(&self) -> ApiError {
        let message = format!("you have {} streams of casts open already", LIMITS.places);
        let error = too_many("TOO_MANY_CONNECTIONS", message, 0).hint("close one of them");
        self.headers().into_iter().fold(error, |error, (name, value)| error.header(name, value))
    }
}

/// 429 with `Retry-After`. The time is spread, so that clients do not all come back at the same moment.
pub(crate) fn too_many(code: &'static str, message: impl Into<String>, wait_ms: i32) -> ApiError {
    let wait = seconds(wait_ms) + 1 + (5.0 * random()) as u32;
    ApiError::too_many_requests(code, message).header(RETRY_AFTER, wait.into())
}

/// The whole seconds that contain this time.
fn seconds(milliseconds: i32) -> u32 {
    u32::try_from(milliseconds).unwrap_or_default().div_ceil(1_000)
}

/// The kind of a caller and its limit.
pub(super) fn limit_of(viewer: &Viewer) -> (bool, i32) {
    match viewer.credential {
        Credential::Token(_) => (false, LIMITS.connects),
        Credential::Key(_) => (true, LIMITS.connects_with_key),
    }
}
