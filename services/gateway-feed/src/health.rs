//! Answers `GET /api/v1/devhub/health`: the health of the gateway and the mode of the feed. The first
//! consumers of the feed expect the answer in this form.

use hyper::StatusCode;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_service::{ApiError, Response, response};
use serde::Serialize;

use crate::streams::ticker::REPLAY;

#[derive(Serialize)]
struct Health {
    /// Always true: a gateway that is not alive does not answer.
    ok: bool,
    service: &'static str,
    /// How many earlier events a new client of the feed receives.
    cache_size: usize,
    timestamp: String,
    mode: &'static str,
}

/// Answers with the health of the gateway. `mode` is the mode of the feed.
pub(crate) fn health(mode: &'static str) -> Result<Response, ApiError> {
    let health = Health {
        ok: true,
        service: "devhub-feed",
        cache_size: REPLAY,
        timestamp: Ts::clamped(Timestamp::now()).to_string(),
        mode,
    };
    response::json(StatusCode::OK, &health)
}
