//! Cloud Logging through gcloud-sdk: gRPC on rustls with ring.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use gcloud_sdk::error::ErrorKind;
use gcloud_sdk::google::cloud::audit::AuditLog;
use gcloud_sdk::google::logging::v2::log_entry::Payload;
use gcloud_sdk::google::logging::v2::logging_service_v2_client::LoggingServiceV2Client;
use gcloud_sdk::google::logging::v2::{ListLogEntriesRequest, LogEntry};
use gcloud_sdk::google_cloud_auth::credentials::{Builder, Credentials, anonymous};
use gcloud_sdk::prost::Message;
use gcloud_sdk::prost_types::value::Kind;
use gcloud_sdk::prost_types::{Struct, Timestamp as ProtoTimestamp, Value as ProtoValue};
use gcloud_sdk::tonic::{Code, Status};
use gcloud_sdk::{GoogleApi, GoogleAuthMiddleware, RequestTimeouts};
use hyper::http::Extensions;
use jiff::Timestamp;
use oasis_core::chain;
use oasis_service::panics;
use serde_json::{Map, Number, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::entry::{Entry, EntryId, Listed, Raw};
use super::error::LogsError;
use super::list::{Ask, Logs, Page};

/// Google's own address.
pub const ENDPOINT: &str = "https://logging.googleapis.com";
/// Entries of one page; larger ones are refused over 1,000.
const PAGE_SIZE: i32 = 200;
/// One audit entry may be 512 KiB; the client's own limit is 4 MiB for a page.
const MAX_PAGE_BYTES: usize = 128 << 20;
/// The longest that one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// The longest that a token may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(15);
/// What stands in a log, and nothing more, by the fields that are indexed.
const DEPLOYS: &str = concat!(
    r#"resource.type="cloud_run_revision" protoPayload.serviceName="run.googleapis.com" "#,
    r#"(protoPayload.methodName=~"^google\.cloud\.run\.v[12]\.Services\.(Create|Replace|Update)Service$" "#,
    r#"OR protoPayload.status.message:"Ready condition status changed")"#,
);

/// What the token is for; the account's roles decide what it may.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

type Client = GoogleApi<LoggingServiceV2Client<GoogleAuthMiddleware>>;

/// Cloud Logging. Connects, and looks for credentials, when it is first asked.
pub struct CloudLogging {
    endpoint: String,
    anonymous: bool,
    connected: Mutex<Option<(Credentials, Client)>>,
}

impl CloudLogging {
    /// At `endpoint`; `anonymous` sends no credentials, which only a fake accepts, else those are the
    /// application default ones.
    pub fn new(endpoint: impl Into<String>, anonymous: bool) -> Self {
        // Does nothing when the process has one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { endpoint: endpoint.into(), anonymous, connected: Mutex::default() }
    }

    async fn connect(&self) -> Result<(Credentials, Client), LogsError> {
        let credentials = if self.anonymous {
            anonymous::Builder::new().build()
        } else {
            asked_for(async { Builder::default().with_scopes([SCOPE]).build() }).await?
        };
        // Before the connection: whoever has no credentials is often not at Google's either.
        token(&credentials).await?;
        let builder = LoggingServiceV2Client::new;
        let client =
            GoogleApi::from_function_with_credentials(builder, &self.endpoint, None, credentials.clone());
        let client = client.await.map_err(|error| of_client(&error))?;
        let timeouts = RequestTimeouts::new().with_total(CALL_WITHIN);
        Ok((credentials, client.with_request_timeouts(timeouts)))
    }
}

impl Logs for CloudLogging {
    async fn list(&self, ask: Ask<'_>) -> Result<Page, LogsError> {
        let mut connected = self.connected.lock().await;
        // Credentials that once failed for good say so forever, so they go back only if they did not.
        let (credentials, client) = match connected.take() {
            Some(connected) => connected,
            None => self.connect().await?,
        };
        token(&credentials).await?;
        let request = ListLogEntriesRequest {
            resource_names: vec![format!("projects/{}", ask.project)],
            filter: filter(ask.project, ask.from),
            order_by: "timestamp asc".into(),
            page_size: PAGE_SIZE,
            page_token: ask.token.unwrap_or_default().into(),
        };
        let answer = client.get().max_decoding_message_size(MAX_PAGE_BYTES).list_log_entries(request).await;
        let answer = answer.map_err(|status| of_status(&status));
        if !matches!(answer, Err(LogsError::Credentials(_))) {
            *connected = Some((credentials, client));
        }
        let page = answer?.into_inner();
        Ok(Page {
            entries: page.entries.into_iter().map(listed).collect(),
            next: Some(page.next_page_token).filter(|token| !token.is_empty()),
        })
    }
}

/// Sees to it that the credentials have a token, which they keep until it expires.
async fn token(credentials: &Credentials) -> Result<(), LogsError> {
    asked_for(credentials.headers(Extensions::new())).await.map(drop)
}

/// What concerns credentials, in bounded time. Google's library panics where there are no certificates.
async fn asked_for<T, E: Error + 'static>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, LogsError> {
    match timeout(TOKEN_WITHIN, panics::catch(answer)).await {
        Ok(Ok(answer)) => answer.map_err(|error| LogsError::Credentials(chain(&error))),
        Ok(Err(panic)) => Err(LogsError::Credentials(format!("{panic}; is there a bundle of certificates?"))),
        Err(_) => Err(LogsError::Credentials(format!("no token within {} s", TOKEN_WITHIN.as_secs()))),
    }
}

fn filter(project: &str, from: Timestamp) -> String {
    let log = |name: &str| format!(r#""projects/{project}/logs/cloudaudit.googleapis.com%2F{name}""#);
    format!(r#"logName=({} OR {}) {DEPLOYS} timestamp>="{from}""#, log("activity"), log("system_event"))
}

fn listed(entry: LogEntry) -> Listed {
    let id = EntryId {
        log_name: entry.log_name.clone(),
        timestamp: entry.timestamp.as_ref().and_then(instant).unwrap_or(Timestamp::UNIX_EPOCH),
        insert_id: entry.insert_id.clone(),
    };
    Listed { id, entry: read(&entry), raw: Raw::new(move || entry.encode_to_vec()) }
}

fn instant(at: &ProtoTimestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

fn read(entry: &LogEntry) -> Result<Entry, String> {
    entry.timestamp.as_ref().and_then(instant).ok_or("the entry has no time")?;
    let Some(Payload::ProtoPayload(any)) = &entry.payload else {
        return Err("the entry has no protoPayload".into());
    };
    if !any.type_url.ends_with("/google.cloud.audit.AuditLog") {
        return Err("the protoPayload is no AuditLog".into());
    }
    let audit = AuditLog::decode(any.value.as_slice()).map_err(|error| error.to_string())?;
    let (code, message) = audit.status.map(|status| (status.code, status.message)).unwrap_or_default();
    Ok(Entry {
        resource: entry
            .resource
            .iter()
            .flat_map(|resource| resource.labels.clone())
            .collect::<BTreeMap<_, _>>(),
        operation: entry.operation.as_ref().map(|operation| operation.id.clone()).unwrap_or_default(),
        method: audit.method_name,
        resource_name: audit.resource_name,
        code,
        message,
        principal: audit.authentication_info.map(|info| info.principal_email).unwrap_or_default(),
        request: audit.request.map(object).unwrap_or_default(),
        response: audit.response.map(object).unwrap_or_default(),
    })
}

fn object(fields: Struct) -> Value {
    Value::Object(fields.fields.into_iter().map(|(name, value)| (name, json(value))).collect::<Map<_, _>>())
}

/// prost bounds how deep messages nest, so this ends.
fn json(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(json).collect()),
        Some(Kind::StructValue(fields)) => object(fields),
    }
}

fn of_client(error: &gcloud_sdk::error::Error) -> LogsError {
    match error.kind() {
        ErrorKind::UrlError(_) | ErrorKind::InvalidApiUrl(_) => LogsError::Refused(chain(error)),
        _ => LogsError::Unavailable(chain(error)),
    }
}

fn of_status(status: &Status) -> LogsError {
    // A connection that broke is told by what caused it only.
    let (mut said, mut cause) = (status.message().to_owned(), status.source());
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    match status.code() {
        Code::Unauthenticated => LogsError::Credentials(said),
        Code::PermissionDenied => LogsError::Denied(said),
        Code::NotFound => LogsError::NoProject(said),
        Code::ResourceExhausted => LogsError::Quota(said),
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Unknown
        | Code::Aborted
        | Code::Cancelled => LogsError::Unavailable(said),
        _ => LogsError::Refused(said),
    }
}
