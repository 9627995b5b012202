//! What the gateway answers.
//!
//! - `GET /api/v1/devhub/feed`: the ticker, Server-Sent Events
//! - `GET /api/v1/devhub/health`: alive, and what the feed shows
//! - `GET /api/v1/oasis/events`: the query API
//! - `GET /api/v1/oasis/agents`: who there is, and how they are
//! - `POST /events/ingest`, `POST /api/v1/oasis/events`: ingest
//! - `GET /`, `GET /vtid/{VTID}`, `GET /agents`: the Live Console; `GET /-/…`: what it is made of

use std::sync::Arc;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue,
};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_service::{
    ApiError, App, NotReady, Query, Request, RequestContext, Response, Tokens, bearer, response,
};
use oasis_store::{AppendError, Appender, Need, Store};
use serde::Serialize;
use tokio::time::Instant;

use crate::agents::Agents;
use crate::fanout::hub::Hub;
use crate::fanout::reads::Reads;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::Subscriber;
use crate::fanout::topics::Topics;
use crate::streams::ticker::{self, Ticker};
use crate::{console, events, ingest, params};

const FEED: &str = "/api/v1/devhub/feed";
const HEALTH: &str = "/api/v1/devhub/health";
const EVENTS: &str = "/api/v1/oasis/events";
const AGENTS: &str = "/api/v1/oasis/agents";
const INGEST: &str = "/events/ingest";
const PAGE: &str = "/";
const ASSETS: &str = "/-/";

pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) appender: Appender,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) ticker: Arc<Topics<Ticker>>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) room: events::Room,
    pub(crate) read_tokens: Tokens,
    pub(crate) ingest_tokens: Tokens,
    pub(crate) ingest_anonymous: bool,
}

impl App for Gateway {
    const NAME: &'static str = crate::NAME;

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(
        &self,
        _route: &(),
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        let path = request.uri().path();
        let (route, allow) = match path {
            FEED => (FEED, "GET, HEAD, OPTIONS"),
            HEALTH => (HEALTH, "GET, HEAD, OPTIONS"),
            EVENTS => (EVENTS, "GET, HEAD, POST, OPTIONS"),
            AGENTS => (AGENTS, "GET, HEAD, OPTIONS"),
            INGEST => (INGEST, "POST"),
            _ if path.starts_with(ASSETS) => (ASSETS, "GET, HEAD"),
            _ if console::is_page(path) => (PAGE, "GET, HEAD"),
            _ => return Err(ApiError::not_found().hint(format!("the feed is at {FEED}"))),
        };
        context.matched(route);
        match (route, request.method()) {
            (FEED, &Method::GET) => self.feed(&request).await,
            (HEALTH, &Method::GET) => {
                Query::parse(request.uri().query(), &[])?;
                events::health(ticker::mode(self.ticker.state().presence))
            }
            (EVENTS, &Method::GET) => {
                self.may_read(&request)?;
                events::list(&self.store, &self.room, request.uri(), !self.read_tokens.is_empty()).await
            }
            (AGENTS, &Method::GET) => {
                self.may_read(&request)?;
                self.agents.list(&self.room, request.uri(), !self.read_tokens.is_empty())
            }
            (EVENTS | INGEST, &Method::POST) => self.ingest(request, context).await,
            // What its address says besides is the page's own matter.
            (PAGE, &Method::GET) => console::page(path, self.may_read(&request), request.headers()),
            (ASSETS, &Method::GET) => console::asset(&path[ASSETS.len()..], request.headers()),
            (FEED | HEALTH | EVENTS | AGENTS, &Method::OPTIONS) => Ok(preflight(allow)),
            _ => Err(ApiError::method_not_allowed(allow)),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let need = if self.takes_events() { Need::ReadWrite } else { Need::Read };
        let mut reasons: Vec<String> =
            self.hub.trouble().map(|why| format!("the feed can't read: {why}")).into_iter().collect();
        reasons.extend(self.store.check(need).await);
        if reasons.is_empty() { Ok(()) } else { Err(NotReady { reasons }) }
    }

    fn closing(&self) {
        self.hub.close();
    }

    /// Any page may read what everybody may read; credentials come in a header or the query, never in a cookie.
    fn decorate(&self, _route: &(), context: &RequestContext, headers: &mut HeaderMap) {
        if matches!(context.path(), FEED | HEALTH | EVENTS | AGENTS) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Link, Retry-After, X-VTID, X-Request-Id"),
            );
        }
    }
}

fn preflight(allow: &'static str) -> Response {
    let mut answer = response::status(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Cache-Control, Last-Event-ID, X-Request-Id"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    answer
}

/// The answer to a request that was stored.
#[derive(Serialize)]
struct Ingested {
    ok: bool,
    /// The id of the only event.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// The id of each event, in their order; null for a duplicate of one that has been pruned.
    ids: Vec<Option<i64>>,
    /// How many of them were there already.
    duplicates: usize,
}

impl Gateway {
    fn takes_events(&self) -> bool {
        self.ingest_anonymous || !self.ingest_tokens.is_empty()
    }

    /// The ticker. It answers 200 whatever the database does: an EventSource gives up for good on anything else.
    async fn feed(&self, request: &Request) -> Result<Response, ApiError> {
        self.may_read(request)?;
        let query = Query::parse(request.uri().query(), params::FEED)?;
        let filter = params::filter(&query)?;
        let cursor = request.headers().get("last-event-id").map(HeaderValue::as_bytes);
        let begin = params::begin(&query, cursor)?;
        let admission = self.ticker.stream.admit(&(), &()).await?;
        let shared = (&self.ticker, &self.reads, &self.hub.ends);
        let subscriber = Subscriber::new(shared, (), filter, begin, admission);
        let mut answer = Response::new(subscriber.into_body());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Proxies neither keep nor compress nor buffer it.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        Ok(answer)
    }

    fn may_read(&self, request: &Request) -> Result<(), ApiError> {
        if self.read_tokens.is_empty() {
            return Ok(());
        }
        let in_query = || {
            let pairs = request.uri().query().unwrap_or_default().split('&');
            let token = pairs.filter_map(|pair| pair.strip_prefix("token=")).next()?;
            Query::parse(Some(&format!("token={token}")), &["token"]).ok()?.get("token").map(str::to_owned)
        };
        let presented = bearer(request.headers()).map(str::to_owned).or_else(in_query);
        match presented {
            Some(token) if self.read_tokens.accept(&token) => Ok(()),
            Some(_) => Err(ApiError::unauthorized("bad_token", "this token may not read")),
            None => Err(ApiError::unauthorized("token_missing", "reading needs a token")
                .hint("send Authorization: Bearer …, or token=… from an EventSource")),
        }
    }

    async fn ingest(&self, request: Request, context: &RequestContext) -> Result<Response, ApiError> {
        let arrived = Instant::now();
        self.may_send(&request)?;
        Query::parse(request.uri().query(), &[])?;
        let (head, body) = request.into_parts();
        let body = context.read_body(body, ingest::MOST_BYTES).await?;
        let events = ingest::read(&head.headers, &body, Ts::clamped(Timestamp::now()))?;
        drop(body);
        let appended = self.appender.append(events, arrived).await.map_err(not_stored)?;
        let ids: Vec<Option<i64>> = appended.iter().map(|appended| appended.id).collect();
        let answer = Ingested {
            ok: true,
            id: ids.first().copied().flatten().filter(|_| ids.len() == 1),
            duplicates: appended.iter().filter(|appended| appended.duplicate).count(),
            ids,
        };
        response::json(StatusCode::CREATED, &answer)
    }

    fn may_send(&self, request: &Request) -> Result<(), ApiError> {
        if self.ingest_anonymous {
            return Ok(());
        }
        if self.ingest_tokens.is_empty() {
            return Err(ApiError::forbidden("ingest_disabled", "this gateway takes no events")
                .hint("set INGEST_TOKENS to the tokens that may send, or INGEST_ANONYMOUS=true"));
        }
        match bearer(request.headers()) {
            Some(token) if self.ingest_tokens.accept(token) => Ok(()),
            Some(_) => Err(ApiError::unauthorized("bad_token", "this token may not send events")),
            None => Err(ApiError::unauthorized("token_missing", "sending events needs a token")
                .hint("send Authorization: Bearer … with one of INGEST_TOKENS")),
        }
    }
}

fn not_stored(error: AppendError) -> ApiError {
    match error.told() {
        Some((code, message)) => ApiError::unavailable(code, message, error)
            .hint("send it again; with a dedup_key an event is stored once"),
        // Our types took what the table refuses: sent again, it is refused again.
        None => ApiError::internal(error),
    }
}
