//! [`Destination`]: delivers beats to Postgres, or to a gateway.
//!
//! Agents that must not have the credentials of the database use a gateway.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use oasis_core::{NewEvent, Ts, chain};
use oasis_service::Secret;
use oasis_service::client::{self, Answer, Base, ClientError};
use oasis_store::{AppendError, Appender, DatabaseArgs, DatabaseUrl, Schema, Store, StoreError};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// The name under which the database lists the agent's sessions.
const NAME: &str = "heartbeat-agent";
/// A database connection is closed after this time without use. So even with thousands of agents, only a few
/// are connected at any moment.
const LINGER: Duration = Duration::from_millis(250);
/// The time limit for the delivery of one beat.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(12);

/// The destination of beats.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "an agent has only one destination")]
pub enum Destination {
    /// The table of events in a Postgres database.
    Postgres {
        /// The URL of the database.
        url: DatabaseUrl,
        /// The schema of the table.
        schema: Schema,
    },
    /// The endpoint `/events/ingest` of a gateway.
    Gateway {
        /// The gateway's address.
        url: Base,
        /// One of the gateway's `INGEST_TOKENS`.
        token: Option<Secret>,
    },
}

/// The reason why a beat could not be delivered. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The append to the table failed.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// The request to the gateway failed.
    #[error("{}", chain(.0))]
    Gateway(#[from] ClientError),
    /// The gateway did not accept the beat.
    #[error("the gateway answered {status}: {message}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// The gateway's error code. Empty if the answer is not in the format of a gateway.
        code: String,
        /// The message and the hint of the answer.
        message: String,
    },
    /// The delivery took too long.
    #[error("no answer within {} s", DELIVERY_TIMEOUT.as_secs())]
    Timeout,
}

/// The kind of a failed delivery. The kind says whether a retry of the same beat can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A retry can succeed, because the obstacle may disappear by itself.
    Transient,
    /// A retry fails until somebody changes a setting of the agent or of the destination.
    Denied,
    /// The beat was refused because of its content, so a retry is refused as well.
    Refused,
}

impl DeliveryError {
    /// The kind of the failure. Both destinations give the same kind for the same cause.
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Append(AppendError::Refused(_)) => FailureKind::Refused,
            Self::Append(
                AppendError::Stalled
                | AppendError::Unavailable(_)
                | AppendError::Unknown(_)
                | AppendError::Late
                | AppendError::Overloaded,
            )
            | Self::Gateway(_)
            | Self::Timeout => FailureKind::Transient,
            Self::Refused { status, code, .. } => kind_of_answer(*status, code),
        }
    }
}

/// The kind of an error answer from a gateway. If the gateway itself refuses an event, the status is 400 or
/// 413. If the table refuses the event, the status is 500 and the code is `internal`.
fn kind_of_answer(status: StatusCode, code: &str) -> FailureKind {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => FailureKind::Refused,
        StatusCode::INTERNAL_SERVER_ERROR if code == "internal" => FailureKind::Refused,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => FailureKind::Transient,
        status if status.is_client_error() => FailureKind::Denied,
        _ => FailureKind::Transient,
    }
}

/// Delivers beats.
pub(crate) trait Transport: Send + 'static {
    /// Delivers `event`. The destination stores the event only once, even after several deliveries.
    fn deliver(&mut self, event: &NewEvent) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

/// A destination that is ready for deliveries.
pub(crate) enum OpenDestination {
    Postgres(Appender),
    Gateway { url: Base, token: Option<Secret> },
}

impl Destination {
    /// Prepares for deliveries. Sends nothing and does not connect yet.
    pub(crate) fn open(self) -> Result<OpenDestination, StoreError> {
        Ok(match self {
            Self::Postgres { url, schema } => {
                let store = Store::new(DatabaseArgs { schema, ..DatabaseArgs::new(url) }, NAME)?;
                OpenDestination::Postgres(store.occasional_appender(LINGER)?)
            }
            Self::Gateway { url, token } => OpenDestination::Gateway { url, token },
        })
    }
}

impl Transport for OpenDestination {
    async fn deliver(&mut self, event: &NewEvent) -> Result<(), DeliveryError> {
        let delivery = async {
            match self {
                Self::Postgres(appender) => {
                    appender.append(vec![event.clone()], Instant::now()).await?;
                    Ok(())
                }
                Self::Gateway { url, token } => post(url, token.as_ref(), event).await,
            }
        };
        timeout(DELIVERY_TIMEOUT, delivery).await.unwrap_or(Err(DeliveryError::Timeout))
    }
}

async fn post(url: &Base, token: Option<&Secret>, event: &NewEvent) -> Result<(), DeliveryError> {
    let mut request = request(url, token, Method::POST, "/events/ingest", body(event).to_string())?;
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let mut sender = client::connect(url).await?;
    expect_json(&client::exchange(&mut sender, request).await?, |body| body["ok"] == true)
}

/// Makes a request to a gateway, with a JSON body.
pub(crate) fn request(
    url: &Base,
    token: Option<&Secret>,
    method: Method,
    path: &str,
    body: String,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let mut request = url
        .request(method, path)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        // This can't fail, because the address has already been parsed and the callers' paths are valid.
        .map_err(|_| ClientError::Token)?;
    client::authorize(request.headers_mut(), token)?;
    Ok(request)
}

/// Checks that a gateway has accepted a request, and that the answer is from a gateway, as `is_ours` decides
/// from its body.
pub(crate) fn expect_json(answer: &Answer, is_ours: impl Fn(&Value) -> bool) -> Result<(), DeliveryError> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() && is_ours(&body) {
        return Ok(());
    }
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default();
    let texts = [text("message"), text("hint")].into_iter().filter(|text| !text.is_empty());
    let message = match (texts.collect::<Vec<_>>().join("; "), &answer.location) {
        (message, _) if !message.is_empty() => message,
        (_, Some(location)) => format!("redirects are not followed; should GATEWAY_URL be {location}?"),
        (_, None) => "check that GATEWAY_URL is the address of a gateway".to_owned(),
    };
    Err(DeliveryError::Refused { status: answer.status, code: text("code").to_owned(), message })
}

/// The event in the format of `/events/ingest`.
fn body(NewEvent { event, meta, dedup_key, .. }: &NewEvent) -> Value {
    // The gateway adds a prefix to the key.
    let key = dedup_key.as_ref().map(|key| key.as_str());
    let ts: Ts = event.ts;
    json!({
        "ts": ts.to_string(),
        "vtid": event.task.as_str(),
        "module": event.module.as_str(),
        "source": event.source.as_str(),
        "kind": event.kind.as_str(),
        "status": event.status.as_str(),
        "meta": meta.as_map(),
        "dedup_key": key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_classified_by_status_and_code() {
        for (status, code, expected) in [
            (400, "bad_event", FailureKind::Refused),
            (413, "body_too_large", FailureKind::Refused),
            (500, "internal", FailureKind::Refused),
            // This answer is not from a gateway, but from a proxy in front of the gateway.
            (500, "", FailureKind::Transient),
            (401, "bad_token", FailureKind::Denied),
            (403, "ingest_disabled", FailureKind::Denied),
            (404, "", FailureKind::Denied),
            (301, "", FailureKind::Transient),
            (408, "body_timeout", FailureKind::Transient),
            (429, "", FailureKind::Transient),
            (502, "", FailureKind::Transient),
            (503, "database_unavailable", FailureKind::Transient),
            (503, "outcome_unknown", FailureKind::Transient),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(kind_of_answer(status, code), expected, "{status} {code}");
        }
    }
}
