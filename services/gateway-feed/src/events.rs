//! The query API: `GET /api/v1/oasis/events`, newest first by id.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LINK};
use hyper::{StatusCode, Uri};
use jiff::Timestamp;
use oasis_core::{Meta, Task, Ticker, Ts, meta};
use oasis_service::{ApiError, Query, Response, response};
use oasis_store::{Columns, Order, PageQuery, Store, StoredEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::params::{self, Bounds};

/// An event as the query API shows it: the ten fields in their order, then what is stored beside them.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    ticker: Ticker<'a>,
    id: i64,
    recorded_at: String,
    channel: &'a str,
    meta: Box<RawValue>,
}

/// What all queries share.
pub(crate) struct Room {
    /// Queries that read the table at the same time.
    reads: Semaphore,
    /// KiB of answers that wait to be sent.
    answers: Arc<Semaphore>,
}

impl Room {
    pub(crate) fn new(connections: u16) -> Self {
        // The other half is for the feed and for /ready.
        Self {
            reads: Semaphore::new(usize::from(connections.div_ceil(2))),
            answers: Arc::new(Semaphore::new(64 << 10)),
        }
    }

    /// An answer of JSON, if there is room for it until it is sent.
    pub(crate) fn answer(&self, text: Vec<u8>) -> Result<Response, ApiError> {
        let kib = u32::try_from(text.len().div_ceil(1_024)).unwrap_or(u32::MAX);
        let held = self.answers.clone().try_acquire_many_owned(kib);
        let held = held.map_err(|_| ApiError::overloaded("too many large answers wait to be read"))?;
        let bytes = Bytes::from_owner(Held { text, _room: held });
        let mut answer = response::content(StatusCode::OK, "application/json", bytes);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

/// An answer that gives its room back once it is sent.
struct Held {
    text: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Answers a query. Unless readers are known, people's e-mail addresses in `meta` are withheld.
///
/// Few are read at a time, and what waits to be sent is bounded: clients that ask for much and read slowly neither take
/// the memory nor the connections of the feed.
pub(crate) async fn list(
    store: &Store,
    room: &Room,
    uri: &Uri,
    readers_known: bool,
) -> Result<Response, ApiError> {
    let query = Query::parse(uri.query(), params::EVENTS)?;
    let filter = params::filter(&query)?;
    let Bounds { since, until, limit, offset, before } = params::bounds(&query)?;
    let order = Order::NewestFirst { before };
    let page =
        PageQuery { filter: Some(&filter), order, limit, offset, since, until, columns: Columns::WithMeta };
    // The semaphore is never closed.
    let _turn = room.reads.acquire().await.ok();
    let events = store
        .page(&page)
        .await
        .map_err(|error| {
            ApiError::unavailable("database_unavailable", "the events can't be read now", error)
        })?
        .events;
    let shown = events.iter().map(|event| show(event, readers_known)).collect::<Result<Vec<_>, _>>()?;
    let text = serde_json::to_vec(&shown).map_err(ApiError::internal)?;
    let mut answer = room.answer(text)?;
    let headers = answer.headers_mut();
    if query.get("vtid").is_some() {
        let vtids: Vec<&str> = filter.vtid.iter().map(Task::as_str).collect();
        let asked = if vtids.is_empty() { "ALL".to_owned() } else { vtids.join(",") };
        headers.insert(HeaderName::from_static("x-vtid"), value(&asked)?);
    }
    if let Some(last) = events.last().filter(|_| events.len() as i64 == limit) {
        headers.insert(LINK, value(&format!("<{}>; rel=\"next\"", next(uri, &query, last.id)))?);
    }
    Ok(answer)
}

fn show(event: &StoredEvent, readers_known: bool) -> Result<Shown<'_>, ApiError> {
    let meta = event.meta.as_ref().map_or("{}", Meta::as_json);
    let meta = if readers_known { meta.to_owned() } else { meta::withhold_emails(meta) };
    Ok(Shown {
        ticker: event.ticker(),
        id: event.id,
        recorded_at: Ts::clamped(event.recorded_at).to_string(),
        channel: event.channel.as_str(),
        meta: RawValue::from_string(meta).map_err(ApiError::internal)?,
    })
}

/// The address of the page after this one. A token is left out: it stays with whoever has it.
fn next(uri: &Uri, query: &Query, last: i64) -> String {
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(query.iter().filter(|(name, _)| !matches!(*name, "before" | "offset" | "token")));
    next.append_pair("before", &last.to_string());
    format!("{}?{}", uri.path(), next.finish())
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}

#[derive(Serialize)]
struct Health<'a> {
    ok: bool,
    service: &'a str,
    /// Events that a new client is shown.
    cache_size: usize,
    timestamp: String,
    mode: &'a str,
}

/// The gateway's own health, as the first consumers of the feed ask for it.
pub(crate) fn health(mode: &str) -> Result<Response, ApiError> {
    let health = Health {
        ok: true,
        service: "devhub-feed",
        cache_size: crate::streams::ticker::REPLAY,
        timestamp: Ts::clamped(Timestamp::now()).to_string(),
        mode,
    };
    response::json(StatusCode::OK, &health)
}
