//! Where beats go: straight to Postgres, or to a gateway for agents that must not hold the database's
//! credentials.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use oasis_core::{NewEvent, Ts, chain};
use oasis_service::Secret;
use oasis_service::client::{self, Base, ClientError};
use oasis_store::{AppendError, Appender, DatabaseArgs, DatabaseUrl, Store, StoreError};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// The name under which the server lists the sessions.
const NAME: &str = "heartbeat-agent";
/// A connection that is not needed for this long is closed: of thousands of agents only those are connected
/// that beat.
const LINGER: Duration = Duration::from_millis(250);
/// The longest that telling one beat may take.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(12);

/// Where beats go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Into the table.
    Postgres(DatabaseUrl),
    /// To a gateway's `/events/ingest`.
    Gateway {
        /// Its address.
        url: Base,
        /// One of its `INGEST_TOKENS`.
        token: Option<Secret>,
    },
}

/// Why a beat could not be told. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The table does not take it now.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// The gateway can't be asked.
    #[error("{}", chain(.0))]
    Gateway(#[from] ClientError),
    /// The gateway does not take it.
    #[error("the gateway answered {status}: {said}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its code, or nothing if something else answered in its place.
        code: String,
        /// Its message and hint.
        said: String,
    },
    /// There was no end to it.
    #[error("no answer within {} s", TOLD_WITHIN.as_secs())]
    Late,
}

/// What becomes of a beat that is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It may arrive: what is in its way passes by itself.
    Passing,
    /// It is denied until somebody changes a setting, here or there.
    Denied,
    /// It is refused for what it says.
    Refused,
}

impl Untold {
    /// What becomes of the same beat if it is sent once more. Both destinations give the same answer.
    pub(crate) fn prospect(&self) -> Prospect {
        match self {
            Self::Append(AppendError::Refused(_)) => Prospect::Refused,
            Self::Append(
                AppendError::Stalled
                | AppendError::Unavailable(_)
                | AppendError::Unknown(_)
                | AppendError::Late
                | AppendError::Overloaded,
            )
            | Self::Gateway(_)
            | Self::Late => Prospect::Passing,
            Self::Refused { status, code, .. } => prospect(*status, code),
        }
    }
}

/// What a gateway's refusal means. Ingest answers 400 to an event that it does not take, and 500 `internal`
/// to one that the table does not take.
fn prospect(status: StatusCode, code: &str) -> Prospect {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Prospect::Refused,
        StatusCode::INTERNAL_SERVER_ERROR if code == "internal" => Prospect::Refused,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Prospect::Passing,
        status if status.is_client_error() => Prospect::Denied,
        _ => Prospect::Passing,
    }
}

/// Whatever beats can be told to.
pub(crate) trait Outlet: Send + 'static {
    /// Stores `event`, once however often it is told.
    fn tell(&mut self, event: &NewEvent) -> impl Future<Output = Result<(), Untold>> + Send;
}

/// A destination that beats can be told to.
pub(crate) enum Open {
    Postgres(Appender),
    Gateway { url: Base, token: Option<Secret> },
}

impl Destination {
    /// Prepares it; nothing is sent yet.
    pub(crate) fn open(self) -> Result<Open, StoreError> {
        Ok(match self {
            Self::Postgres(url) => {
                Open::Postgres(Store::new(DatabaseArgs::new(url), NAME)?.occasional_appender(LINGER)?)
            }
            Self::Gateway { url, token } => Open::Gateway { url, token },
        })
    }
}

impl Outlet for Open {
    async fn tell(&mut self, event: &NewEvent) -> Result<(), Untold> {
        let told = async {
            match self {
                Self::Postgres(appender) => {
                    appender.append(vec![event.clone()], Instant::now()).await?;
                    Ok(())
                }
                Self::Gateway { url, token } => post(url, token.as_ref(), event).await,
            }
        };
        timeout(TOLD_WITHIN, told).await.unwrap_or(Err(Untold::Late))
    }
}

async fn post(url: &Base, token: Option<&Secret>, event: &NewEvent) -> Result<(), Untold> {
    let mut request = url
        .request(Method::POST, "/events/ingest")
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Full::new(Bytes::from(body(event).to_string())))
        // A parsed address and constants make a request.
        .map_err(|_| ClientError::Token)?;
    client::authorize(request.headers_mut(), token)?;
    let mut sender = client::connect(url).await?;
    let answer = client::exchange(&mut sender, request).await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() && body["ok"] == true {
        return Ok(());
    }
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default();
    let said = [text("message"), text("hint")].into_iter().filter(|text| !text.is_empty());
    let said = match (said.collect::<Vec<_>>().join("; "), answer.location) {
        (said, _) if !said.is_empty() => said,
        (_, Some(location)) => format!("redirects are not followed: GATEWAY_URL may have to be {location}"),
        (_, None) => "is GATEWAY_URL the address of a gateway?".to_owned(),
    };
    Err(Untold::Refused { status: answer.status, code: text("code").to_owned(), said })
}

/// The event in the form of ingest.
fn body(NewEvent { event, meta, dedup_key, .. }: &NewEvent) -> Value {
    // Ingest puts a word of its own before a key.
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
    fn only_what_an_event_says_is_refused() {
        for (status, code, expected) in [
            (400, "bad_event", Prospect::Refused),
            (413, "body_too_large", Prospect::Refused),
            (500, "internal", Prospect::Refused),
            // Not in the form of a gateway: whatever stands in front of it.
            (500, "", Prospect::Passing),
            (401, "bad_token", Prospect::Denied),
            (403, "ingest_disabled", Prospect::Denied),
            (404, "", Prospect::Denied),
            (301, "", Prospect::Passing),
            (408, "body_timeout", Prospect::Passing),
            (429, "", Prospect::Passing),
            (502, "", Prospect::Passing),
            (503, "database_unavailable", Prospect::Passing),
            (503, "outcome_unknown", Prospect::Passing),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(prospect(status, code), expected, "{status} {code}");
        }
    }
}
