//! Answers a request that sends events, after all its events are committed. The status is 201, or 200 if the
//! clients of a form in the request expect 200.

use hyper::StatusCode;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_service::{ApiError, Query, Request, RequestContext, Response, response};
use oasis_store::{AppendError, Appender};
use serde::Serialize;
use tokio::time::Instant;

use super::events::{self, Received};
use crate::access::Senders;
use crate::agents::Agents;

/// The maximum size of the body of a request, in bytes. The maximum number of events fit in this size, even
/// if each event has the largest `meta`.
const MOST_BYTES: usize = 20 << 20;

/// The answer to a request whose events were stored.
#[derive(Serialize)]
struct Stored {
    /// Always true: if the events were not stored, the answer is an `error`.
    ok: bool,
    /// The id of the event, if the request had only one event.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// The same id as text, for clients that expect a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// The `ts` of the stored event, if the request had only one event. The event may have been stored
    /// earlier, with another `ts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Ts>,
    /// The id of each event, in the order of the request; null for a duplicate of an event that has been
    /// pruned.
    ids: Vec<Option<i64>>,
    /// How many of the events had been stored before.
    duplicates: usize,
}

/// What a client can do if its events were not stored.
const AGAIN: &str = "send the request again; an event with a dedup_key is stored only once";

/// Stores the events of a request.
///
/// # Errors
/// 401 or 403 from [`Senders::admit`], and 403 from the sender's scope; 400, 413 or 415 for a bad request;
/// 503 when the table cannot be written; 500 when the table refuses an event that the checks of ingest
/// accepted.
pub(crate) async fn answer(
    senders: &Senders,
    appender: &Appender,
    agents: &Agents,
    request: Request,
    context: &RequestContext,
) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let sender = senders.admit(request.headers(), context.peer().ip())?;
    Query::parse(request.uri().query(), &[])?;
    let (head, body) = request.into_parts();
    let body = context.read_body(body, MOST_BYTES).await?;
    let Received { events, created } =
        events::read(&head.headers, &body, Ts::clamped(Timestamp::now()), (sender, agents)).await?;
    drop(body);
    let events = sender.own(events)?;
    let appended =
        appender.of(sender.lane()).append(events, arrived).await.map_err(|error| not_stored(error, AGAIN))?;
    let ids: Vec<Option<i64>> = appended.iter().map(|appended| appended.id).collect();
    let (id, ts) = if let [only] = appended[..] { (only.id, only.ts) } else { (None, None) };
    let stored = Stored {
        ok: true,
        id,
        event_id: id.map(|id| id.to_string()),
        ts,
        duplicates: appended.iter().filter(|appended| appended.duplicate).count(),
        ids,
    };
    response::json(if created { StatusCode::CREATED } else { StatusCode::OK }, &stored)
}

/// The answer to a request whose events were not stored. `again` says how the client sends the request again.
pub(crate) fn not_stored(error: AppendError, again: &'static str) -> ApiError {
    match error.caller_message() {
        Some((code, message)) => ApiError::unavailable(code, message, error).hint(again),
        // The checks of ingest accepted the event, but the table refused it. The table would refuse the event
        // again, so the answer has no hint to retry.
        None => ApiError::internal(error),
    }
}
