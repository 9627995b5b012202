//! Answers `GET /api/v1/oasis/events`, the query API. The event with the highest id comes first.

use hyper::header::{HeaderName, HeaderValue, LINK};
use hyper::{StatusCode, Uri};
use oasis_core::{Meta, Task, Ticker, Ts, meta};
use oasis_service::{ApiError, Query, Response, response};
use oasis_store::{Columns, Order, PageQuery, Store, StoredEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::bounds::{Bounds, EVENTS, bounds};
use super::params;

/// An event as the query API shows it: the ten fields of the ticker in their order, then the other stored
/// fields.
#[derive(Serialize)]
struct EventView<'a> {
    #[serde(flatten)]
    ticker: Ticker<'a>,
    id: i64,
    recorded_at: String,
    channel: &'a str,
    meta: Box<RawValue>,
}

/// Runs the queries of the query API. All queries together use only some of the database connections.
pub(crate) struct EventQueries {
    store: Store,
    /// Limits how many queries read the table at the same time.
    reads: Semaphore,
}

impl EventQueries {
    /// Queries use at most half of the `connections`. The feed and /ready use the other half.
    pub(crate) fn new(store: Store, connections: u16) -> Self {
        Self { store, reads: Semaphore::new(usize::from(connections.div_ceil(2))) }
    }

    /// Answers a query. E-mail addresses in `meta` are withheld unless every reader must present a token
    /// (`readers_known`).
    ///
    /// The number of concurrent queries is limited. So clients that request a lot of data cannot use up the
    /// connections that the feed needs.
    pub(crate) async fn list(&self, uri: &Uri, readers_known: bool) -> Result<Response, ApiError> {
        let query = Query::parse(uri.query(), EVENTS)?;
        let filter = params::filter(&query)?;
        let Bounds { since, until, limit, offset, before } = bounds(&query)?;
        let order = Order::NewestFirst { before };
        let page = PageQuery {
            offset,
            since,
            until,
            columns: Columns::WithMeta,
            ..PageQuery::ticker(Some(&filter), order, limit)
        };
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await.ok();
        let read = self.store.page(&page).await.map_err(|error| {
            ApiError::unavailable("database_unavailable", "the events cannot be read now", error)
        })?;
        let events = read.events;
        let shown = events.iter().map(|event| show(event, readers_known)).collect::<Result<Vec<_>, _>>()?;
        let mut answer = response::json(StatusCode::OK, &shown)?;
        let headers = answer.headers_mut();
        if query.get("vtid").is_some() {
            let vtids: Vec<&str> = filter.vtid.iter().map(Task::as_str).collect();
            let asked = if vtids.is_empty() { "ALL".to_owned() } else { vtids.join(",") };
            headers.insert(HeaderName::from_static("x-vtid"), value(&asked)?);
        }
        if let Some(last) = events.last().filter(|_| events.len() as i64 == limit) {
            headers.insert(LINK, value(&format!("<{}>; rel=\"next\"", next(&query, last.id)))?);
        }
        Ok(answer)
    }
}

fn show(event: &StoredEvent, readers_known: bool) -> Result<EventView<'_>, ApiError> {
    let meta = event.meta.as_ref().map_or("{}", Meta::as_json);
    let meta = if readers_known { meta.to_owned() } else { meta::withhold_emails(meta) };
    Ok(EventView {
        ticker: event.ticker(),
        id: event.id,
        recorded_at: Ts::clamped(event.recorded_at).to_string(),
        channel: event.channel.as_str(),
        meta: RawValue::from_string(meta).map_err(ApiError::internal)?,
    })
}

/// The address of the next page, without the token. The address is relative to the address of the request,
/// because the gateway does not know the whole path if a proxy removes a part of the path.
fn next(query: &Query, last: i64) -> String {
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(query.iter().filter(|(name, _)| !matches!(*name, "before" | "offset" | "token")));
    next.append_pair("before", &last.to_string());
    format!("?{}", next.finish())
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}
