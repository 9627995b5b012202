//! [`CloudLogging`]: lists entries over gRPC with gcloud-sdk. Uses rustls and ring for TLS.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::pin;
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
use super::list::{Logs, Page, PageRequest};

/// The address of Google's Cloud Logging.
pub const ENDPOINT: &str = "https://logging.googleapis.com";
/// The number of entries per page. Cloud Logging refuses more than 1,000.
const PAGE_SIZE: i32 = 200;
/// The maximum size of a page. The client's default limit is 4 MiB, which is too little for a page of large
/// entries: one audit entry can have 512 KiB.
const MAX_PAGE_BYTES: usize = 128 << 20;
/// The time limit for one list call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit for one request for a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);
/// The part of the filter that selects requests for deploys and their outcomes.
const DEPLOYS: &str = concat!(
    r#"resource.type="cloud_run_revision" protoPayload.serviceName="run.googleapis.com" "#,
    r#"(protoPayload.methodName=~"^google\.cloud\.run\.v[12]\.Services\.(Create|Replace|Update)Service$" "#,
    r#"OR protoPayload.status.message:"Ready condition status changed")"#,
);

/// The scope of the token. The roles of the account limit what the token allows.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

type Client = GoogleApi<LoggingServiceV2Client<GoogleAuthMiddleware>>;

/// A client of Cloud Logging. The first call looks for credentials and connects.
pub struct CloudLogging {
    endpoint: String,
    anonymous: bool,
    connected: Mutex<Option<(Credentials, Client)>>,
}

impl CloudLogging {
    /// Makes a client of the server at `endpoint`. If `anonymous` is true, the client sends no credentials.
    /// Only a fake server accepts calls without credentials. Otherwise the client uses the application
    /// default credentials.
    pub fn new(endpoint: impl Into<String>, anonymous: bool) -> Self {
        // If the process already has a TLS provider, this call fails, and the process keeps that provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { endpoint: endpoint.into(), anonymous, connected: Mutex::default() }
    }

    async fn connect(&self) -> Result<(Credentials, Client), LogsError> {
        let credentials = if self.anonymous {
            anonymous::Builder::new().build()
        } else {
            credentials_call(async { Builder::default().with_scopes([SCOPE]).build() }).await?
        };
        // Get a token before connecting. A machine without credentials often can't reach Google either, and
        // the missing credentials are the more useful error.
        token(&credentials).await?;
        let builder = LoggingServiceV2Client::new;
        let client =
            GoogleApi::from_function_with_credentials(builder, &self.endpoint, None, credentials.clone());
        let client = client.await.map_err(|error| from_client_error(&error))?;
        let timeouts = RequestTimeouts::new().with_total(CALL_TIMEOUT);
        Ok((credentials, client.with_request_timeouts(timeouts)))
    }
}

impl Logs for CloudLogging {
    async fn list(&self, request: PageRequest<'_>) -> Result<Page, LogsError> {
        let mut connected = self.connected.lock().await;
        // Google's library does not retry credentials after a permanent error. So this call puts the
        // connection back only if the credentials worked. Otherwise the next call looks for credentials
        // again.
        let (credentials, client) = match connected.take() {
            Some(connected) => connected,
            None => self.connect().await?,
        };
        token(&credentials).await?;
        let call = ListLogEntriesRequest {
            resource_names: vec![format!("projects/{}", request.project)],
            filter: filter(request.project, request.from),
            order_by: "timestamp asc".into(),
            page_size: PAGE_SIZE,
            page_token: request.token.unwrap_or_default().into(),
        };
        let answer = client.get().max_decoding_message_size(MAX_PAGE_BYTES).list_log_entries(call).await;
        let answer = answer.map_err(|status| from_status(&status));
        if !matches!(answer, Err(LogsError::Credentials(_))) {
            *connected = Some((credentials, client));
        }
        let page = answer?.into_inner();
        Ok(Page {
            entries: page.entries.into_iter().map(listed_entry).collect(),
            next: Some(page.next_page_token).filter(|token| !token.is_empty()),
        })
    }
}

/// Fetches a token, unless the credentials have a cached token that is still valid.
async fn token(credentials: &Credentials) -> Result<(), LogsError> {
    credentials_call(credentials.headers(Extensions::new())).await.map(drop)
}

/// Runs a call of the credentials library within [`TOKEN_TIMEOUT`]. Turns a panic into an error, because the
/// library panics if the system has no certificates.
async fn credentials_call<T, E: Error + 'static>(
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, LogsError> {
    match timeout(TOKEN_TIMEOUT, panics::catch(pin!(call))).await {
        Ok(Ok(answer)) => answer.map_err(|error| LogsError::Credentials(chain(&error))),
        Ok(Err(panic)) => Err(LogsError::Credentials(format!("{panic}; are CA certificates installed?"))),
        Err(_) => Err(LogsError::Credentials(format!("got no token in {} s", TOKEN_TIMEOUT.as_secs()))),
    }
}

fn filter(project: &str, from: Timestamp) -> String {
    let log = |name: &str| format!(r#""projects/{project}/logs/cloudaudit.googleapis.com%2F{name}""#);
    format!(r#"logName=({} OR {}) {DEPLOYS} timestamp>="{from}""#, log("activity"), log("system_event"))
}

/// Takes the parts that the watcher reads out of an entry.
pub fn listed_entry(entry: LogEntry) -> Listed {
    let id = EntryId {
        log_name: entry.log_name.clone(),
        timestamp: entry.timestamp.as_ref().and_then(to_timestamp).unwrap_or(Timestamp::UNIX_EPOCH),
        insert_id: entry.insert_id.clone(),
    };
    Listed { id, entry: read_audit(&entry), raw: Raw::new(move || entry.encode_to_vec()) }
}

fn to_timestamp(at: &ProtoTimestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

fn read_audit(entry: &LogEntry) -> Result<Entry, String> {
    entry.timestamp.as_ref().and_then(to_timestamp).ok_or("the entry has no timestamp")?;
    let Some(Payload::ProtoPayload(any)) = &entry.payload else {
        return Err("the entry has no protoPayload".into());
    };
    if !any.type_url.ends_with("/google.cloud.audit.AuditLog") {
        return Err("the protoPayload is not an AuditLog".into());
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
        is_result: entry.operation.as_ref().is_some_and(|operation| operation.last && !operation.first),
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

/// Converts a value to JSON. The recursion is bounded, because prost limits the nesting of a message.
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

fn from_client_error(error: &gcloud_sdk::error::Error) -> LogsError {
    match error.kind() {
        ErrorKind::UrlError(_) | ErrorKind::InvalidApiUrl(_) => LogsError::Refused(chain(error)),
        _ => LogsError::Unavailable(chain(error)),
    }
}

fn from_status(status: &Status) -> LogsError {
    // The message of a broken connection is vague, so add the chain of causes.
    let (mut message, mut cause) = (status.message().to_owned(), status.source());
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    match status.code() {
        Code::Unauthenticated => LogsError::Credentials(message),
        Code::PermissionDenied => LogsError::Denied(message),
        Code::NotFound => LogsError::NoProject(message),
        Code::ResourceExhausted => LogsError::Quota(message),
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Unknown
        | Code::Aborted
        | Code::Cancelled => LogsError::Unavailable(message),
        _ => LogsError::Refused(message),
    }
}
