//! The endpoints of the receiver.
//!
//! - `POST /webhooks/github`: a delivery. The answer is 2xx if the event is stored durably, if the delivery
//!   is a duplicate, or if the feed does not show the event
//! - `GET /webhooks/health`: answers 200 while the process is alive

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use oasis_core::{NewEvent, Ts};
use oasis_service::telemetry::DETAILS;
use oasis_service::{ApiError, App, NotReady, Request, RequestBody, RequestContext, Response, response};
use oasis_store::{AppendError, Appender, Need, PreparedEvent, Store};
use serde::Serialize;
use tokio::time::Instant;

use crate::github::{Reading, Rules, read};
use crate::payload::{self, NoPayload};
use crate::signature::{self, BadSignature, Secrets};

/// The maximum size of a body in bytes. It is GitHub's documented limit for payloads.
pub const MAX_BODY: usize = 25 << 20;

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

/// The receiver.
pub struct WebhookIngest {
    /// The secrets with which deliveries may be signed.
    pub(crate) secrets: Secrets,
    /// The configuration for reading deliveries.
    pub(crate) rules: Rules,
    /// The store, for `/ready`.
    pub(crate) store: Store,
    /// Appends events to the table.
    pub(crate) appender: Appender,
}

impl WebhookIngest {
    /// The name of the service in logs, metrics, probes and the database's list of sessions.
    pub const NAME: &'static str = "webhook-ingest";
}

impl App for WebhookIngest {
    const NAME: &'static str = WebhookIngest::NAME;

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(
        &self,
        _route: &(),
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        match (context.path(), request.method()) {
            ("/webhooks/github", &Method::POST) => {
                context.matched("/webhooks/github");
                self.deliver(request, context).await
            }
            ("/webhooks/github", _) => {
                context.matched("/webhooks/github");
                Err(ApiError::method_not_allowed("POST"))
            }
            ("/webhooks/health", &Method::GET) => {
                context.matched("/webhooks/health");
                health()
            }
            ("/webhooks/health", _) => {
                context.matched("/webhooks/health");
                Err(ApiError::method_not_allowed("GET, HEAD"))
            }
            _ => Err(ApiError::not_found()),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let reasons = self.store.check(Need::Write).await;
        if reasons.is_empty() { Ok(()) } else { Err(NotReady { reasons }) }
    }
}

/// The outcome of a delivery.
enum Outcome {
    Stored { id: Option<i64>, vtid: String, title: String },
    Duplicate,
    Ignored { event: String },
}

impl WebhookIngest {
    /// Answers a delivery. Adds the outcome and GitHub's id of the delivery to the access log.
    async fn deliver(&self, request: Request, context: &RequestContext) -> Result<Response, ApiError> {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let delivery = delivery_id(&head.headers);
        let outcome = self.process(&head.headers, body, context, arrived).await;
        let label = match &outcome {
            Ok(Outcome::Stored { id, vtid, title }) => {
                let outcome = "stored";
                tracing::info!(target: DETAILS, delivery, outcome, id, vtid, title, "delivery stored");
                "stored"
            }
            Ok(Outcome::Duplicate) => {
                tracing::info!(target: DETAILS, delivery, outcome = "duplicate", "delivery is a duplicate");
                "duplicate"
            }
            Ok(Outcome::Ignored { event }) => {
                tracing::info!(target: DETAILS, delivery, outcome = "ignored", event, "delivery ignored");
                "ignored"
            }
            // The access log contains the error itself.
            Err(error) => {
                tracing::warn!(target: DETAILS, delivery, outcome = error.code(), "delivery refused");
                error.code()
            }
        };
        match label {
            // The most frequent outcome has a literal label, because a literal needs no allocation.
            "stored" => metrics::counter!("github_deliveries_total", "outcome" => "stored"),
            other => metrics::counter!("github_deliveries_total", "outcome" => other),
        }
        .increment(1);
        answer(&outcome?)
    }

    async fn process(
        &self,
        headers: &HeaderMap,
        body: RequestBody,
        context: &RequestContext,
        arrived: Instant,
    ) -> Result<Outcome, ApiError> {
        let signature = single_header(headers, &SIGNATURE).map(HeaderValue::as_bytes);
        // Check the format of the signature first, so that the body of an unsigned request is not read.
        signature::tag(signature).map_err(unsigned)?;
        let body = context.read_body(body, MAX_BODY).await?;
        self.secrets.verify(signature, &body).map_err(unsigned)?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let payload = payload::json(content_type, &body).map_err(|error| match error {
            NoPayload::ContentType => ApiError::unsupported_media_type(error.to_string()),
            NoPayload::Field => bad_payload(error.to_string()),
        })?;
        let event_name = event_name(headers)?;
        let reading = read(event_name, &payload, &self.rules, now()?)
            .map_err(|error| bad_payload(error.to_string()))?;
        match reading {
            Reading::Event { new, resources, state_known } => {
                self.store(event_name, *new, resources, state_known, arrived).await
            }
            Reading::Ignored => Ok(Outcome::Ignored { event: event_name.to_owned() }),
        }
    }

    /// Stores the event of a delivery, and the resource events after it, in one statement. The answer is
    /// about the event of the delivery.
    async fn store(
        &self,
        event_name: &str,
        new: NewEvent,
        resources: Vec<NewEvent>,
        state_known: bool,
        arrived: Instant,
    ) -> Result<Outcome, ApiError> {
        let event = PreparedEvent::from(new);
        let (vtid, title) = (event.event().task.as_str().to_owned(), event.title().to_owned());
        let events = std::iter::once(event).chain(resources.into_iter().map(PreparedEvent::from)).collect();
        let appended = self.appender.append_prepared(events, arrived).await.map_err(not_stored)?;
        let first = appended.first();
        if first.is_some_and(|appended| appended.duplicate) {
            return Ok(Outcome::Duplicate);
        }
        if !state_known {
            metrics::counter!("github_unknown_state_total", "event" => event_name.to_owned()).increment(1);
        }
        Ok(Outcome::Stored { id: first.and_then(|appended| appended.id), vtid, title })
    }
}

/// The bodies of the answers. The order of their members is part of the contract.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Stored { ok: bool, id: Option<i64>, vtid: &'a str, title: &'a str },
    Duplicate { ok: bool, duplicate: bool },
    Ignored { ok: bool, ignored: &'a str },
    Health { ok: bool, service: &'a str, timestamp: String },
}

fn answer(outcome: &Outcome) -> Result<Response, ApiError> {
    let (status, answer) = match outcome {
        Outcome::Stored { id, vtid, title } => {
            (StatusCode::OK, Answer::Stored { ok: true, id: *id, vtid, title })
        }
        Outcome::Duplicate => (StatusCode::OK, Answer::Duplicate { ok: true, duplicate: true }),
        Outcome::Ignored { event } => (StatusCode::ACCEPTED, Answer::Ignored { ok: true, ignored: event }),
    };
    response::json(status, &answer)
}

fn health() -> Result<Response, ApiError> {
    let timestamp = now()?.to_string();
    response::json(StatusCode::OK, &Answer::Health { ok: true, service: WebhookIngest::NAME, timestamp })
}

fn now() -> Result<Ts, ApiError> {
    Ts::new(Timestamp::now()).map_err(|error| ApiError::unavailable("clock", "the clock is wrong", error))
}

/// Returns the value of a header if the header is given exactly once. If a header is given twice, neither
/// value can be trusted.
fn single_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn event_name(headers: &HeaderMap) -> Result<&str, ApiError> {
    let name = single_header(headers, &EVENT).and_then(|value| value.to_str().ok());
    name.filter(|name| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    })
    .ok_or_else(|| {
        ApiError::bad_request(
            "bad_event",
            "X-GitHub-Event must be given exactly once and must name an event, such as push",
        )
    })
}

/// Returns GitHub's id of the delivery. GitHub shows this id in the list of recent deliveries. The header is
/// not signed, so a value that does not look like an id is not logged.
fn delivery_id(headers: &HeaderMap) -> Option<&str> {
    let id = single_header(headers, &DELIVERY)?.to_str().ok()?;
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && (1..=64).contains(&id.len())).then_some(id)
}

fn unsigned(error: BadSignature) -> ApiError {
    ApiError::unauthorized("bad_signature", error.to_string())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("X-Hub-Signature-256"))
        .hint("configure the webhook and this service with the same secret")
}

fn bad_payload(message: String) -> ApiError {
    ApiError::bad_request("bad_payload", message)
}

fn not_stored(error: AppendError) -> ApiError {
    match error.caller_message() {
        Some((code, message)) => ApiError::unavailable(code, message, error)
            .hint("redeliver this delivery from the webhook's list of recent deliveries"),
        // The types of oasis-core accepted the event, but the table refused it. The table would also refuse a
        // redelivery.
        None => ApiError::internal(error),
    }
}
