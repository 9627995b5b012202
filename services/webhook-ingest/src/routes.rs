//! What the receiver answers.
//!
//! - `POST /webhooks/github`: a delivery; 2xx only once it is durable, a duplicate, or none of ours
//! - `GET /webhooks/health`: the process is alive

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

/// The largest body, in bytes: what GitHub says of its payloads.
pub const MAX_BODY: usize = 25 << 20;

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

/// The receiver.
pub struct WebhookIngest {
    /// What deliveries are signed with.
    pub(crate) secrets: Secrets,
    /// What they are read by.
    pub(crate) rules: Rules,
    /// The table, for `/ready`.
    pub(crate) store: Store,
    /// The way into it.
    pub(crate) appender: Appender,
}

impl WebhookIngest {
    /// The name in logs, metrics, probes and the database's list of sessions.
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

/// What became of a delivery.
enum Outcome {
    Stored { id: Option<i64>, vtid: String, title: String },
    Duplicate,
    Ignored { event: String },
}

impl WebhookIngest {
    /// Answers a delivery, and has the access log say what became of it under GitHub's id for it.
    async fn deliver(&self, request: Request, context: &RequestContext) -> Result<Response, ApiError> {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let delivery = delivery_id(&head.headers);
        let outcome = self.take(&head.headers, body, context, arrived).await;
        let word = match &outcome {
            Ok(Outcome::Stored { id, vtid, title }) => {
                let outcome = "stored";
                tracing::info!(target: DETAILS, delivery, outcome, id, vtid, title, "delivery stored");
                "stored"
            }
            Ok(Outcome::Duplicate) => {
                tracing::info!(target: DETAILS, delivery, outcome = "duplicate", "delivery known already");
                "duplicate"
            }
            Ok(Outcome::Ignored { event }) => {
                tracing::info!(target: DETAILS, delivery, outcome = "ignored", event, "delivery not shown");
                "ignored"
            }
            // The error itself is in the access log, once.
            Err(error) => {
                tracing::warn!(delivery, outcome = error.code(), "delivery refused");
                error.code()
            }
        };
        match word {
            // The one that is frequent makes no labels.
            "stored" => metrics::counter!("github_deliveries_total", "outcome" => "stored"),
            other => metrics::counter!("github_deliveries_total", "outcome" => other),
        }
        .increment(1);
        answer(&outcome?)
    }

    async fn take(
        &self,
        headers: &HeaderMap,
        body: RequestBody,
        context: &RequestContext,
        arrived: Instant,
    ) -> Result<Outcome, ApiError> {
        let signature = only(headers, &SIGNATURE).map(HeaderValue::as_bytes);
        // Whoever does not even claim to have signed it gets no memory for a body.
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
            Reading::Event { new, state_known } => self.store(event_name, *new, state_known, arrived).await,
            Reading::Ignored => Ok(Outcome::Ignored { event: event_name.to_owned() }),
        }
    }

    async fn store(
        &self,
        event_name: &str,
        new: NewEvent,
        state_known: bool,
        arrived: Instant,
    ) -> Result<Outcome, ApiError> {
        let event = PreparedEvent::from(new);
        let (vtid, title) = (event.event().task.as_str().to_owned(), event.title().to_owned());
        let appended = self.appender.append_prepared(vec![event], arrived).await.map_err(not_stored)?;
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

/// The bodies of the answers, with their members in the contract's order.
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

/// The value of a header that is given once; two signatures or two events cannot both be meant.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn event_name(headers: &HeaderMap) -> Result<&str, ApiError> {
    let name = only(headers, &EVENT).and_then(|value| value.to_str().ok());
    name.filter(|name| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    })
    .ok_or_else(|| {
        ApiError::bad_request(
            "bad_event",
            "X-GitHub-Event must be given once and name an event, such as push",
        )
    })
}

/// GitHub's id of the delivery, which is in its list of recent deliveries. Nothing vouches for it, so it is
/// taken into the log only if it looks like one.
fn delivery_id(headers: &HeaderMap) -> Option<&str> {
    let id = only(headers, &DELIVERY)?.to_str().ok()?;
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && (1..=64).contains(&id.len())).then_some(id)
}

fn unsigned(error: BadSignature) -> ApiError {
    ApiError::unauthorized("bad_signature", error.to_string())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("X-Hub-Signature-256"))
        .hint("the webhook's secret must be the one this service is configured with")
}

fn bad_payload(message: String) -> ApiError {
    ApiError::bad_request("bad_payload", message)
}

fn not_stored(error: AppendError) -> ApiError {
    match error.told() {
        Some((code, message)) => ApiError::unavailable(code, message, error)
            .hint("redeliver it from the webhook's list of recent deliveries"),
        // Our types took what the table refuses: redelivered, it is refused again.
        None => ApiError::internal(error),
    }
}
