//! The two ways out: straight to Postgres, or through a gateway for agents that must not hold its credentials.

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
/// A connection that is not needed for this long is closed: of thousands of agents only those are connected that beat.
const LINGER: Duration = Duration::from_millis(250);
/// The longest that telling one beat may take.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(12);

/// Where beats go.
#[derive(Debug, Clone)]
pub enum Way {
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
        /// Its message and hint.
        said: String,
    },
    /// There was no end to it.
    #[error("no answer within {} s", TOLD_WITHIN.as_secs())]
    Late,
}

impl Untold {
    /// Whether the same beat would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Append(why) => matches!(why, AppendError::Refused(_)),
            Self::Refused { status, .. } => {
                status.is_client_error()
                    && !matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Gateway(_) | Self::Late => false,
        }
    }
}

/// Whatever beats can be told to.
pub(crate) trait Outlet: Send + 'static {
    /// Stores `event`, once however often it is told.
    fn tell(&mut self, event: &NewEvent) -> impl Future<Output = Result<(), Untold>> + Send;
}

/// A way that is open.
pub(crate) enum Open {
    Postgres(Appender),
    Gateway { url: Base, token: Option<Secret> },
}

impl Way {
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
    Err(Untold::Refused { status: answer.status, said })
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
