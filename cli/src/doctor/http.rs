//! Sends the requests of `oasis doctor`, with a short time limit.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::DATE;
use hyper::{Method, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use oasis_service::Secret;
use oasis_service::client::{self as http, Answer, Base};
use serde_json::Value;
use tokio::time::timeout;

/// The time limit of a request. A service answers `/ready` within 5 s.
const WITHIN: Duration = Duration::from_secs(10);

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The body, or `Null` if the body is not JSON.
    pub(super) json: Value,
    /// The target, if the answer is a redirect.
    pub(super) location: Option<String>,
    /// How far the server's clock is ahead of the clock of this machine, if the answer has a `Date`. A `Date`
    /// has no fraction of a second.
    pub(super) clock_ahead: Option<SignedDuration>,
}

/// Sends a request without a body, and reads the answer.
///
/// # Errors
/// The service cannot be reached or does not answer. The text is for the user.
pub(super) async fn ask(
    base: &Base,
    method: Method,
    path: &str,
    token: Option<&Secret>,
) -> Result<Reply, String> {
    let exchange = async {
        let mut request = base.request(method, path).body(Full::<Bytes>::default())?;
        http::authorize(request.headers_mut(), token)?;
        let mut sender = http::connect(base).await?;
        sender.ready().await?;
        let sent = Timestamp::now();
        let response = sender.send_request(request).await?;
        let received = Timestamp::now();
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let clock_ahead = date.and_then(|date| ahead(date, sent, received));
        let Answer { status, location, body, .. } = http::read(response).await?;
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        anyhow::Ok(Reply { status, json, location, clock_ahead })
    };
    match timeout(WITHIN, exchange).await {
        Ok(replied) => replied.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("{base} did not answer within {} s", WITHIN.as_secs())),
    }
}

/// How far a clock is ahead. The clock showed `date` at a moment between `sent` and `received`.
fn ahead(date: &str, sent: Timestamp, received: Timestamp) -> Option<SignedDuration> {
    // A `Date` has no fraction of a second. So on average, the clock showed half a second more.
    let shown = DateTimeParser::new().parse_timestamp(date).ok()? + SignedDuration::from_millis(500);
    Some(shown.duration_since(sent + received.duration_since(sent) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_compared_with_the_middle_of_the_exchange() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let of = |date: &str| ahead(date, at("2026-01-02T03:04:04Z"), at("2026-01-02T03:04:07Z"));
        assert_eq!(of("Fri, 02 Jan 2026 03:04:05 GMT"), Some(SignedDuration::ZERO));
        assert_eq!(of("Fri, 02 Jan 2026 03:05:05 GMT"), Some(SignedDuration::from_mins(1)));
        assert_eq!(of("yesterday"), None);
    }
}
