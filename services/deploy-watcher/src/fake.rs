//! A fake Cloud Logging server on loopback, over real gRPC, for tests and the demo.
//!
//! The server selects entries by the project and by the start time in the filter, and ignores the rest of the
//! filter.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use gcloud_sdk::google::api::MonitoredResource;
use gcloud_sdk::google::cloud::audit::{AuditLog, AuthenticationInfo};
use gcloud_sdk::google::logging::v2::log_entry::Payload;
use gcloud_sdk::google::logging::v2::{
    ListLogEntriesRequest, ListLogEntriesResponse, LogEntry, LogEntryOperation,
};
use gcloud_sdk::google::rpc::Status as RpcStatus;
use gcloud_sdk::prost::Message;
use gcloud_sdk::prost_types::value::Kind;
use gcloud_sdk::prost_types::{Any, ListValue, Struct, Timestamp as ProtoTimestamp, Value as ProtoValue};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// A running fake server. Dropping it stops the server.
pub struct FakeLogging {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

/// The entries of the fake server, the settings for its answers, and the calls that it received.
#[derive(Default)]
pub struct Log {
    /// The entries, in any order.
    pub entries: Vec<LogEntry>,
    /// The number of entries per page. 0 means the page size that the call requests.
    pub page_size: usize,
    /// The number of empty pages before each page with entries.
    pub empty_pages: usize,
    /// The errors that the server returns for the next calls, one error for each call.
    pub failures: VecDeque<Status>,
    /// The calls that fail: the number of each call, counted from 0, and the error that the server returns.
    pub fails_at: Vec<(usize, Status)>,
    /// The calls that the server has received so far.
    pub calls: Vec<ListLogEntriesRequest>,
    /// The `authorization` header of the last call.
    pub authorization: Option<String>,
}

impl FakeLogging {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// When the server can't listen on a port of loopback.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = Arc::<Mutex<Log>>::default();
        let service = LoggingService(Arc::clone(&log));
        let task = tokio::spawn(async move {
            let served =
                Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
            if let Err(error) = served.await {
                tracing::error!(%error, "the fake Cloud Logging server stopped");
            }
        });
        Ok(Self { address, log, task })
    }

    /// The URL of the server, for `LOGGING_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an entry that has Cloud Logging's JSON format, and drops all entries that are older than
    /// `max_age`. Ignores JSON without a valid timestamp.
    pub fn add(&self, json: &Value, max_age: SignedDuration) {
        let oldest = (Timestamp::now() - max_age).as_second();
        self.with(|log| {
            log.entries.retain(|entry| entry.timestamp.is_some_and(|at| at.seconds >= oldest));
            log.entries.extend(entry(json));
        });
    }

    /// Calls `access` with the log, to read or to change the log.
    pub fn with<T>(&self, access: impl FnOnce(&mut Log) -> T) -> T {
        access(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for FakeLogging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Parses an entry in Cloud Logging's JSON format. Returns `None` if the entry has no valid timestamp. A
/// `protoPayload` becomes an audit record. An entry without a `protoPayload` gets a text payload.
pub fn entry(json: &Value) -> Option<LogEntry> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = json["resource"]["labels"].as_object().into_iter().flatten();
    let audit = &json["protoPayload"];
    let payload = audit.is_object().then(|| {
        let record = AuditLog {
            service_name: text(&audit["serviceName"]),
            method_name: text(&audit["methodName"]),
            resource_name: text(&audit["resourceName"]),
            status: audit["status"].is_object().then(|| RpcStatus {
                code: audit["status"]["code"]
                    .as_i64()
                    .and_then(|code| i32::try_from(code).ok())
                    .unwrap_or_default(),
                message: text(&audit["status"]["message"]),
                ..RpcStatus::default()
            }),
            authentication_info: Some(AuthenticationInfo {
                principal_email: text(&audit["authenticationInfo"]["principalEmail"]),
                ..AuthenticationInfo::default()
            }),
            request: object(&audit["request"]),
            response: object(&audit["response"]),
            ..AuditLog::default()
        };
        Payload::ProtoPayload(Any {
            type_url: "type.googleapis.com/google.cloud.audit.AuditLog".into(),
            value: record.encode_to_vec(),
        })
    });
    let at: Timestamp = json["timestamp"].as_str()?.parse().ok()?;
    Some(LogEntry {
        log_name: text(&json["logName"]),
        resource: Some(MonitoredResource {
            r#type: text(&json["resource"]["type"]),
            labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        }),
        timestamp: Some(ProtoTimestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }),
        insert_id: text(&json["insertId"]),
        operation: json["operation"].is_object().then(|| LogEntryOperation {
            id: text(&json["operation"]["id"]),
            producer: text(&json["operation"]["producer"]),
            first: json["operation"]["first"] == true,
            last: json["operation"]["last"] == true,
        }),
        payload: payload.or(Some(Payload::TextPayload(text(&json["textPayload"])))),
        ..LogEntry::default()
    })
}

fn object(value: &Value) -> Option<Struct> {
    let fields = value.as_object()?.iter().map(|(name, value)| (name.clone(), proto(value)));
    Some(Struct { fields: fields.collect() })
}

fn proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(proto).collect() }),
        Value::Object(_) => Kind::StructValue(object(value).unwrap_or_default()),
    };
    ProtoValue { kind: Some(kind) }
}

impl Log {
    fn list(&mut self, request: ListLogEntriesRequest) -> Result<ListLogEntriesResponse, Status> {
        self.calls.push(request.clone());
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        let number = self.calls.len() - 1;
        if let Some((_, failure)) = self.fails_at.iter().find(|(at, _)| *at == number) {
            return Err(failure.clone());
        }
        if request.page_size > 1_000 {
            return Err(Status::invalid_argument("page_size must be at most 1000"));
        }
        let [project] = &request.resource_names[..] else {
            return Err(Status::invalid_argument("expected one resource name"));
        };
        let from = request.filter.rsplit_once("timestamp>=\"").and_then(|(_, at)| at.strip_suffix('"'));
        let from: Timestamp = from
            .and_then(|from| from.parse().ok())
            .ok_or_else(|| Status::invalid_argument("the filter does not end with a time"))?;
        let sort_key = |entry: &LogEntry| {
            let at = entry.timestamp.unwrap_or_default();
            (at.seconds, at.nanos, entry.insert_id.clone())
        };
        let mut found: Vec<&LogEntry> = self
            .entries
            .iter()
            .filter(|entry| entry.log_name.starts_with(&format!("{project}/")))
            .filter(|entry| {
                (sort_key(entry).0, sort_key(entry).1) >= (from.as_second(), from.subsec_nanosecond())
            })
            .collect();
        found.sort_by_key(|entry| sort_key(entry));
        // A token contains the number of entries on the previous pages, and the number of empty pages to send
        // before the next entries.
        let (sent, empty) = match request.page_token.as_str() {
            "" => (0, self.empty_pages),
            token => token
                .split_once(' ')
                .and_then(|(sent, empty)| Some((sent.parse().ok()?, empty.parse().ok()?)))
                .ok_or_else(|| {
                    Status::invalid_argument("page_token doesn't match arguments from the request")
                })?,
        };
        if empty > 0 {
            let next_page_token = format!("{sent} {}", empty - 1);
            return Ok(ListLogEntriesResponse { entries: Vec::new(), next_page_token });
        }
        let page_size = match self.page_size {
            0 => usize::try_from(request.page_size).unwrap_or_default(),
            size => size,
        };
        let page: Vec<LogEntry> =
            found.iter().skip(sent).take(page_size).map(|entry| (*entry).clone()).collect();
        let sent = sent + page.len();
        let next_page_token =
            if sent < found.len() { format!("{sent} {}", self.empty_pages) } else { String::new() };
        Ok(ListLogEntriesResponse { entries: page, next_page_token })
    }
}

#[derive(Clone)]
struct LoggingService(Arc<Mutex<Log>>);

impl NamedService for LoggingService {
    const NAME: &'static str = "google.logging.v2.LoggingServiceV2";
}

impl UnaryService<ListLogEntriesRequest> for LoggingService {
    type Response = ListLogEntriesResponse;
    type Future = std::future::Ready<Result<Response<ListLogEntriesResponse>, Status>>;

    fn call(&mut self, request: Request<ListLogEntriesRequest>) -> Self::Future {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let authorization = request.metadata().get("authorization");
        log.authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
        std::future::ready(log.list(request.into_inner()).map(Response::new))
    }
}

impl Service<http::Request<Body>> for LoggingService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != "/google.logging.v2.LoggingServiceV2/ListLogEntries" {
                return Ok(Status::unimplemented("the fake serves ListLogEntries only").into_http());
            }
            // One entry can have 512 KiB, so a page can exceed the default limit.
            let mut grpc = Grpc::new(ProstCodec::default()).max_encoding_message_size(usize::MAX);
            Ok(grpc.unary(service, request).await)
        })
    }
}
