//! The query API: `GET /api/v1/oasis/events`, newest first by id.

use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LINK};
use hyper::{StatusCode, Uri};
use jiff::Timestamp;
use oasis_core::{Ticker, Ts, meta};
use oasis_service::{ApiError, Query, Response, response};
use oasis_store::{Columns, Order, PageQuery, Store, StoredEvent};
use serde::Serialize;
use serde_json::value::RawValue;

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

/// Answers a query. Unless readers are known, people's e-mail addresses in `meta` are withheld.
pub(crate) async fn list(store: &Store, uri: &Uri, readers_known: bool) -> Result<Response, ApiError> {
    let query = Query::parse(uri.query(), params::EVENTS)?;
    let filter = params::filter(&query)?;
    let Bounds { since, until, limit, offset, before } = params::bounds(&query)?;
    let order = Order::NewestFirst { before };
    let page =
        PageQuery { filter: Some(&filter), order, limit, offset, since, until, columns: Columns::WithMeta };
    let events = store
        .page(&page)
        .await
        .map_err(|error| {
            ApiError::unavailable("database_unavailable", "the events can't be read now", error)
        })?
        .events;
    let shown = events.iter().map(|event| show(event, readers_known)).collect::<Result<Vec<_>, _>>()?;
    let mut answer = response::json(StatusCode::OK, &shown)?;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if query.get("vtid").is_some() {
        let asked = if filter.vtid.is_empty() { "ALL".to_owned() } else { filter.vtid.join(",") };
        headers.insert(HeaderName::from_static("x-vtid"), value(&asked)?);
    }
    if let Some(last) = events.last().filter(|_| events.len() as i64 == limit) {
        headers.insert(LINK, value(&format!("<{}>; rel=\"next\"", next(uri, &query, last.id)))?);
    }
    Ok(answer)
}

fn show(event: &StoredEvent, readers_known: bool) -> Result<Shown<'_>, ApiError> {
    let meta = if readers_known { event.meta.clone() } else { meta::withhold_emails(&event.meta) };
    Ok(Shown {
        ticker: event.ticker(),
        id: event.id,
        recorded_at: Ts::clamped(event.recorded_at).to_string(),
        channel: &event.channel,
        meta: RawValue::from_string(meta).map_err(ApiError::internal)?,
    })
}

/// The address of the page after this one. A token is left out: it stays with whoever has it.
fn next(uri: &Uri, query: &Query, last: i64) -> String {
    let kept = query.iter().filter(|(name, _)| !matches!(*name, "before" | "offset" | "token"));
    let mut next = format!("{}?", uri.path());
    for (name, value) in kept {
        // Values that were accepted need no escape but for the plus sign and the blank of an offset.
        next.push_str(&format!("{name}={}&", value.replace([' ', '+'], "%2B")));
    }
    next.push_str(&format!("before={last}"));
    next
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
        cache_size: crate::hub::REPLAY,
        timestamp: Ts::clamped(Timestamp::now()).to_string(),
        mode,
    };
    response::json(StatusCode::OK, &health)
}
