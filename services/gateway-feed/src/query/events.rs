//! Answers `GET /api/v1/oasis/events`, the query API. The event with the highest id comes first.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LINK};
use oasis_core::{Meta, Ticker, Ts, emails};
use oasis_service::{ApiError, Request, Response, response};
use oasis_store::{Store, StoredEvent};
use serde::Serialize;
use serde_json::value::RawValue;

use super::request::EventsRequest;
use crate::turns::{Asker, Turns};

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

/// Runs the queries of the query API.
pub(crate) struct EventQueries {
    store: Store,
    turns: Turns,
}

impl EventQueries {
    pub(crate) fn new(store: Store, turns: Turns) -> Self {
        Self { store, turns }
    }

    /// Answers a query. E-mail addresses in `link` and `meta` are withheld unless every reader must present a
    /// token (`readers_known`).
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 if the table cannot be read, or not in time.
    pub(crate) async fn list(
        &self,
        request: &Request,
        asker: Asker<'_>,
        readers_known: bool,
    ) -> Result<Response, ApiError> {
        let asked = EventsRequest::parse(request.uri().query())?;
        let page = asked.page();
        let read = async {
            self.store.page(&page).await.map_err(|error| {
                ApiError::unavailable("database_unavailable", "the events cannot be read now", error)
            })
        };
        let events = self.turns.read(asker, asked.cost(), read).await?.events;
        let shown = events.iter().map(|event| show(event, readers_known)).collect::<Result<Vec<_>, _>>()?;
        let mut answer = response::json(StatusCode::OK, &shown)?;
        let headers = answer.headers_mut();
        if let Some(tasks) = asked.tasks() {
            headers.insert(HeaderName::from_static("x-vtid"), value(&tasks)?);
        }
        if let Some(last) = events.last().filter(|_| events.len() as i64 == page.limit) {
            headers.insert(LINK, value(&format!("<{}>; rel=\"next\"", asked.next(last.id)))?);
        }
        Ok(answer)
    }
}

fn show(event: &StoredEvent, readers_known: bool) -> Result<EventView<'_>, ApiError> {
    let meta = event.meta.as_ref().map_or("{}", Meta::as_json);
    let (ticker, meta) = match readers_known {
        true => (event.ticker(), meta.to_owned()),
        false => (event.ticker_without_emails(), emails::withhold_in_json(meta).into_owned()),
    };
    Ok(EventView {
        ticker,
        id: event.id,
        recorded_at: Ts::clamped(event.recorded_at).to_string(),
        channel: event.channel.as_str(),
        meta: RawValue::from_string(meta).map_err(ApiError::internal)?,
    })
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}
