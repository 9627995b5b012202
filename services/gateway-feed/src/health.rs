//! `GET /api/v1/devhub/health`: the gateway is alive, and what the feed shows, in the form that the first
//! consumers of the feed ask for.

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
    /// Events that a new client is shown.
    cache_size: usize,
    timestamp: String,
    mode: &'static str,
}

/// The gateway's own health; `mode` is what the feed shows.
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
