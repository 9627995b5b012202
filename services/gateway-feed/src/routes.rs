//! What the gateway answers.
//!
//! - `GET /api/v1/devhub/feed`: the ticker, Server-Sent Events
//! - `GET /api/v1/devhub/health`: alive, and what the feed shows
//! - `GET /api/v1/oasis/events`: the query API
//! - `GET /api/v1/oasis/agents`: the agents and their states
//! - `POST /events/ingest`, `POST /api/v1/oasis/events`: ingest
//! - `GET /`, `GET /vtid/{VTID}`, `GET /agents`: the Live Console; `GET /-/…`: what it is made of

use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use oasis_service::{ApiError, App, NotReady, Query, Request, RequestContext, Response};
use oasis_store::{Appender, Need, Store};

use crate::access::{Readers, Senders};
use crate::agents::Agents;
use crate::fanout::hub::Hub;
use crate::fanout::reads::Reads;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::Subscriber;
use crate::fanout::topics::Topics;
use crate::health::health;
use crate::query::{self, AnswerBudget, EventQueries, params};
use crate::route::{Action, FEED, Route};
use crate::streams::ticker::{self, Ticker};
use crate::{config, console, ingest};

pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) appender: Appender,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) ticker: Arc<Topics<Ticker>>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) events: EventQueries,
    pub(crate) answers: AnswerBudget,
    pub(crate) readers: Readers,
    pub(crate) senders: Senders,
}

impl App for Gateway {
    const NAME: &'static str = config::NAME;

    /// `None` for a path that names nothing.
    type Route = Option<Route>;

    fn resolve(path: &str) -> Self::Route {
        Route::parse(path)
    }

    async fn route(
        &self,
        route: &Self::Route,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        let Some(route) = route else {
            return Err(ApiError::not_found().hint(format!("the feed is at {FEED}")));
        };
        context.matched(route.name());
        let action = route.action(request.method())?;
        if action == Action::Preflight {
            return Ok(route.preflight());
        }
        match route {
            Route::Feed => self.feed(&request).await,
            Route::Health => {
                Query::parse(request.uri().query(), &[])?;
                health(ticker::mode(self.ticker.state().presence))
            }
            Route::Events if action == Action::Read => {
                self.readers.admit(&request)?;
                self.events.list(&self.answers, request.uri(), self.readers.are_known()).await
            }
            Route::Events | Route::Ingest => {
                ingest::answer(&self.senders, &self.appender, request, context).await
            }
            Route::Agents => {
                self.readers.admit(&request)?;
                self.agents.list(&self.answers, request.uri(), self.readers.are_known())
            }
            // The rest of its address is for the page itself.
            Route::Page(page) => page.answer(self.readers.admit(&request), request.headers()),
            Route::Asset(path) => console::asset(path, request.headers()),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let need = if self.senders.exist() { Need::ReadWrite } else { Need::Read };
        let mut reasons: Vec<String> =
            self.hub.trouble().map(|why| format!("the feed can't read: {why}")).into_iter().collect();
        reasons.extend(self.store.check(need).await);
        if reasons.is_empty() { Ok(()) } else { Err(NotReady { reasons }) }
    }

    fn closing(&self) {
        self.hub.close();
    }

    fn decorate(&self, route: &Self::Route, _context: &RequestContext, headers: &mut HeaderMap) {
        if let Some(route) = route {
            route.allow_origins(headers);
        }
    }
}

impl Gateway {
    /// The ticker. It answers 200 whatever the database does: an EventSource gives up for good on anything
    /// else.
    async fn feed(&self, request: &Request) -> Result<Response, ApiError> {
        self.readers.admit(request)?;
        let query = Query::parse(request.uri().query(), query::FEED)?;
        let filter = params::filter(&query)?;
        let cursor = request.headers().get("last-event-id").map(HeaderValue::as_bytes);
        let begin = query::begin(&query, cursor)?;
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
}
