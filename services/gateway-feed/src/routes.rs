//! Answers the requests to the gateway.
//!
//! - `GET /api/v1/devhub/feed`: the ticker, as Server-Sent Events
//! - `GET /api/v1/devhub/health`: the health of the gateway and the mode of the feed
//! - `GET /api/v1/oasis/events`: the query API
//! - `GET /api/v1/oasis/agents`: the agents and their states
//! - `GET /api/v1/oasis/canon`: how much of the work names its task
//! - `POST /events/ingest`, `/api/v1/events/ingest`, `/api/v1/oasis/events` and
//!   `/api/v1/oasis/events/ingest`: ingest
//! - `/api/v1/rooms…`: rooms, see [`rooms`]
//! - `GET /api/v1/events/stream`: resource events, as Server-Sent Events
//! - `POST /api/v1/events`: writes resource events; `GET /api/v1/events?vtid=…`: those of a task
//! - `/api/casts…`: casts, see [`casts`]; `GET /api/v1/audit` and `…/summary`: who followed them
//! - `GET /`, `GET /vtid/{VTID}`, `GET /agents`, `GET /rooms…`, `GET /casts…`, `GET /audit`, `GET
//!   /canon`: the Live Console; `GET /-/…`: the files that the console loads
//! - `GET /docs`, `GET /openapi/{FILE}`: the descriptions of the API
//!
//! The answer to any other path is 404. Its hint names the path that the client probably meant.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use oasis_service::{
    ApiError, App, Disclosure, NotReady, Query, Request, RequestContext, Response, response,
};
use oasis_store::{Appender, Need, Store};
use serde_json::{Map, Value};

use crate::access::{Callers, Lane, Origins, Readers, Refusals, Senders, Viewer, client_address};
use crate::agents::Agents;
use crate::canon::Canon;
use crate::casts::{self, Audit, Casts, Client, Rate, Refused, too_many, with_cast_code};
use crate::fanout::source::Begin;
use crate::health::health;
use crate::meant::Meant;
use crate::query::{self, EventQueries, FeedRequest, params};
use crate::resources::{Resources, Selection};
use crate::rooms::{self, Rooms};
use crate::route::{Action, Route};
use crate::streams::casts::{CastWant, Followed, Follower};
use crate::streams::{StreamRequest, Streams, rooms as room_logs, ticker};
use crate::turns::Asker;
use crate::{config, console, ingest, openapi, ready};

pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) appender: Appender,
    pub(crate) streams: Arc<Streams>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) events: EventQueries,
    pub(crate) readers: Readers,
    pub(crate) senders: Senders,
    pub(crate) callers: Arc<Callers>,
    pub(crate) origins: Origins,
    pub(crate) rooms: Rooms,
    pub(crate) resources: Resources,
    pub(crate) casts: Casts,
    pub(crate) audit: Arc<Audit>,
    pub(crate) canon: Canon,
    /// The refusals of each address.
    pub(crate) refusals: Refusals,
    pub(crate) trusted_proxy_hops: u8,
    /// Whether the test stream is served.
    #[cfg(feature = "test-stream")]
    pub(crate) test_stream: bool,
}

impl App for Gateway {
    const NAME: &'static str = config::NAME;

    /// `None` for a path that names no route.
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
            let hint = Meant::by(request.method(), request.uri().path()).hint();
            return console::missing(request.uri().path(), hint, request.headers());
        };
        context.matched(route.name());
        let action = route.action(request.method())?;
        if action == Action::Preflight {
            return Ok(route.preflight());
        }
        match route {
            Route::Feed => self.feed(&request, context).await,
            #[cfg(feature = "test-stream")]
            Route::TestLines(ids) if self.test_stream => self.test_lines(&request, ids, context).await,
            #[cfg(feature = "test-stream")]
            Route::TestLines(_) => Err(ApiError::not_found()),
            Route::Health => {
                Query::parse(request.uri().query(), &[])?;
                health(ticker::mode(self.streams.ticker.state().presence))
            }
            // Large futures are boxed. Otherwise, the future of every request would be as large as they are.
            Route::Events if action == Action::Read => {
                self.readers.admit(&request).await?;
                let asker = self.asker(&request, context);
                Box::pin(self.events.list(&request, asker, self.readers.are_known())).await
            }
            Route::Events | Route::Ingest => {
                ingest::answer(&self.senders, &self.appender, &self.agents, request, context).await
            }
            Route::Agents => {
                self.readers.admit(&request).await?;
                self.agents.list(request.uri(), self.readers.are_known())
            }
            Route::Canon => {
                self.readers.admit(&request).await?;
                Box::pin(self.canon.report(&request, self.asker(&request, context))).await
            }
            Route::Rooms => Box::pin(self.rooms.list(&*self.viewer(&request).await?, &request)).await,
            Route::Room(id) => Box::pin(self.room(id, action, request, context)).await,
            Route::RoomLogs(id) => Box::pin(self.room_logs(id, action, request, context)).await,
            Route::Resources if action == Action::Read => {
                Box::pin(self.resources.list(&*self.viewer(&request).await?, &request)).await
            }
            Route::Resources => {
                let caller = self.callers.admit(&request).await?;
                Box::pin(self.resources.write(caller, request, context)).await
            }
            Route::ResourceStream => Box::pin(self.resource_events(&request, context)).await,
            Route::Casts | Route::Cast(_) => {
                Box::pin(self.casts(route, action, request, context)).await.map_err(with_cast_code)
            }
            Route::Audit => Box::pin(self.casts.log(&*self.viewer(&request).await?, &request)).await,
            Route::AuditSummary => {
                Box::pin(self.casts.summary(&*self.viewer(&request).await?, &request)).await
            }
            Route::CastEvents(id) => Box::pin(self.watched_casts(&request, Some(id), context)).await,
            Route::OwnCastEvents => Box::pin(self.watched_casts(&request, None, context)).await,
            // The script of the page reads the query, so the query is not checked here.
            Route::Page(page) => page.answer(self.readers.admit(&request).await, request.headers()),
            Route::OpenApi(name) => openapi::answer(name, request.headers()),
            Route::Asset(path) => console::asset(path, request.headers()),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let need = if self.senders.exist() { Need::ReadWrite } else { Need::Read };
        ready::check(&self.store, need, &self.streams).await
    }

    fn disclosure(&self, request: &Request) -> Disclosure {
        self.readers.disclosure(request)
    }

    fn details(&self, disclosure: Disclosure) -> Map<String, Value> {
        ready::details(&self.streams, &self.agents, disclosure)
    }

    fn closing(&self) {
        self.streams.close();
    }

    fn decorate(&self, route: &Self::Route, context: &RequestContext, headers: &mut HeaderMap) {
        if let Some(route) = route {
            let trusted = context.origin().filter(|origin| self.origins.list(origin));
            route.allow_origins(trusted, headers);
            // What a request gets can depend on its credential, and changes at any time.
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
    }
}

impl Gateway {
    /// Opens the ticker.
    async fn feed(&self, request: &Request, context: &RequestContext) -> Result<Response, ApiError> {
        // A revoked credential is refused later, when the stream admits the viewer. The stream must also
        // begin while the table cannot be read.
        let viewer = self.readers.identify(request).await?;
        let FeedRequest { filter, begin } = FeedRequest::parse(request.uri().query(), request.headers())?;
        let stream_request = StreamRequest { viewer, topic: (), want: filter, begin };
        self.streams.open(&self.streams.ticker, stream_request, context).await
    }

    /// Who asks for a turn with a request that needs no user.
    fn asker(&self, request: &Request, context: &RequestContext) -> Asker<'static> {
        Asker::new(Lane::of_address(self.address(request, context)), request)
    }

    /// The address of the client that sent a request.
    fn address(&self, request: &Request, context: &RequestContext) -> IpAddr {
        client_address(context.peer().ip(), request.headers(), self.trusted_proxy_hops)
    }

    /// The user who sent the request. The credential has not been revoked.
    async fn viewer(&self, request: &Request) -> Result<Arc<Viewer>, ApiError> {
        self.callers.admit(request).await?.viewer()
    }

    /// Shows, opens, changes or closes a room.
    async fn room(
        &self,
        id: &str,
        action: Action,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        let caller = self.callers.admit(&request).await?;
        let room = rooms::id(id)?;
        match action {
            Action::Read => self.rooms.show(&room, &*caller.viewer()?, &request).await,
            Action::Put => self.rooms.put(&room, caller, request, context).await,
            Action::Delete => self.rooms.close(&room, caller, &request).await,
            Action::Send | Action::Change | Action::Preflight => Err(ApiError::not_found()),
        }
    }

    /// Opens the stream of a room, answers with a page of its log, or writes lines.
    async fn room_logs(
        &self,
        id: &str,
        action: Action,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        match action {
            Action::Read if rooms::wants_page(request.headers()) => {
                let viewer = self.viewer(&request).await?;
                self.rooms.page(&rooms::id(id)?, &viewer, &request).await
            }
            Action::Read => {
                // As for the ticker, a revoked credential is refused when the stream admits the viewer.
                let viewer = self.callers.identify(&request).await?.viewer()?;
                let topic = rooms::id(id)?;
                let query = Query::parse(request.uri().query(), query::ROOM)?;
                let most = room_logs::MOST_TAIL as i64;
                let tail = params::number(&query, "tail", 0..=most)?.map(|tail| tail.unsigned_abs() as usize);
                let begin = query::begin(&query, request.headers())?;
                let want = tail.unwrap_or(room_logs::TAIL);
                let stream_request = StreamRequest { viewer, topic, want, begin };
                self.streams.open(&self.streams.rooms, stream_request, context).await
            }
            Action::Send => {
                let caller = self.callers.admit(&request).await?;
                self.rooms.write(&rooms::id(id)?, caller, request, context).await
            }
            Action::Put | Action::Change | Action::Delete | Action::Preflight => Err(ApiError::not_found()),
        }
    }

    /// Answers a request about casts.
    async fn casts(
        &self,
        route: &Route,
        action: Action,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        match (route, action) {
            (Route::Casts, Action::Read) => self.casts.list(&*self.viewer(&request).await?, &request).await,
            (Route::Casts, Action::Send) => {
                self.casts.open(self.callers.admit(&request).await?, request, context).await
            }
            (Route::Cast(id), Action::Read) => {
                let viewer = self.viewer(&request).await?;
                self.casts.show(&casts::id(id)?, &viewer, &request).await
            }
            (Route::Cast(id), Action::Change) => {
                let caller = self.callers.admit(&request).await?;
                self.casts.change(&casts::id(id)?, caller, request, context).await
            }
            _ => Err(ApiError::not_found()),
        }
    }

    /// Opens the stream of the cast `id`, or of all casts of the user. Refusals are reported in the audit
    /// log. An address that has sent too many requests without a valid credential gets 429 instead of 401.
    async fn watched_casts(
        &self,
        request: &Request,
        id: Option<&str>,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        let address = self.address(request, context);
        let client = Client::new(address, request.headers());
        let mut user = None;
        let answer = self.cast_events(request, id, &client, &mut user, context).await.map_err(with_cast_code);
        answer.map_err(|mut error| {
            if error.status() == StatusCode::UNAUTHORIZED
                && let Some(left) = self.refusals.count(address)
            {
                let message = "too many requests without a valid credential came from this address";
                error =
                    too_many("RATE_LIMITED", message, i32::try_from(left.as_millis()).unwrap_or(i32::MAX));
            }
            if error.status().is_client_error() {
                let why = Refused { status: error.status().as_u16(), code: error.code() };
                self.audit.refused(user.as_deref(), context.path(), &client, why);
            }
            error
        })
    }

    /// Opens the stream of the cast `id`, or of all casts of the user. A client that already knows the end
    /// of the cast gets 204, after which no EventSource reconnects. A cursor above the head may belong to
    /// another table. Once the user is known, `user` is set.
    async fn cast_events(
        &self,
        request: &Request,
        id: Option<&str>,
        client: &Client,
        user: &mut Option<Arc<str>>,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        // As for the ticker, a revoked credential is refused when the stream admits the viewer.
        let viewer = self.callers.identify(request).await?.viewer()?;
        *user = Some(viewer.user.clone());
        let topic = match id {
            Some(id) => Followed::Cast(casts::id(id)?),
            None => Followed::Own(viewer.user.clone()),
        };
        let query = Query::parse(request.uri().query(), query::CAST)?;
        let want = CastWant { user: viewer.user.clone(), events: params::values(&query, "events")? };
        let begin = query::begin(&query, request.headers())?;
        if let Begin::After(known) = begin
            && let Followed::Cast(cast) = &topic
            && let Ok(Some(cast)) = self.casts.known_state(cast).await
            && cast.is_owned_by(&viewer.user)
            && cast.status.is_final()
            && (cast.last_id..=self.casts.head()).contains(&known)
        {
            self.callers.check(&viewer).await?;
            return Ok(response::status(StatusCode::NO_CONTENT));
        }
        let follower = Arc::new(Follower {
            viewer,
            client: client.clone(),
            rate: OnceLock::new(),
            is_counted: AtomicBool::new(false),
        });
        let stream_request = StreamRequest { viewer: follower.clone(), topic, want, begin };
        let mut answer = self.streams.open(&self.streams.casts, stream_request, context).await?;
        answer.headers_mut().extend(follower.rate.get().map(Rate::headers).into_iter().flatten());
        Ok(answer)
    }

    /// Opens the stream of resource events.
    async fn resource_events(
        &self,
        request: &Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        // As for the ticker, a revoked credential is refused when the stream admits the viewer.
        let viewer = self.callers.identify(request).await?.viewer()?;
        let query = Query::parse(request.uri().query(), query::RESOURCES)?;
        let topic = Selection::read(&query, &viewer.limits)?;
        let begin = query::begin(&query, request.headers())?;
        let stream_request = StreamRequest { viewer, topic, want: (), begin };
        self.streams.open(&self.streams.resources, stream_request, context).await
    }

    /// Opens the test stream for some of its channels.
    #[cfg(feature = "test-stream")]
    async fn test_lines(
        &self,
        request: &Request,
        ids: &str,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        use crate::streams::test_stream::{Channels, User};

        let query = Query::parse(request.uri().query(), &["user", "last"])?;
        let viewer = User { name: query.get("user").unwrap_or_default().to_owned(), until: None };
        let want = query.get("last").and_then(|last| last.parse().ok()).unwrap_or(0);
        let begin = query::begin(&query, request.headers())?;
        let topic = Channels::of(ids.split(','))?;
        self.streams.open(&self.streams.test, StreamRequest { viewer, topic, want, begin }, context).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that a function returns.
    fn size<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// The server has room for this future in each request, and moves it when a request begins.
    #[test]
    fn the_future_of_a_request_is_small() {
        let bytes = size(<Gateway as App>::route);
        assert!(bytes <= 3 << 10, "box the largest of the futures: {bytes} bytes");
    }
}
