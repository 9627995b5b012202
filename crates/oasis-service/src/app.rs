//! The interface of a service ([`App`]), and the context of a request ([`RequestContext`]).

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use serde_json::{Map, Value};

use crate::activity::InFlight;
use crate::body::{self, Reserved};
use crate::budget::Budget;
use crate::{ApiError, Limits, Request, RequestBody, Response, request_id};

/// A service. The server answers `/health`, `/ready` and `/metrics` itself, without [`App::route`].
pub trait App: Send + Sync + 'static {
    /// The name of the service in logs, metrics and probes, such as `gateway-feed`.
    const NAME: &'static str;

    /// The parsed path of a request. Use `()` if the service compares paths in [`App::route`].
    type Route: Send + Sync;

    /// Parses the path of a request. The server calls this function once for each request, before it answers
    /// the request.
    fn resolve(path: &str) -> Self::Route;

    /// Answers a request. A HEAD request arrives here as GET, and the server removes the body of the answer.
    ///
    /// If this function panics, the server answers with 500, and the connection stays open.
    fn route(
        &self,
        route: &Self::Route,
        request: Request,
        context: &RequestContext,
    ) -> impl Future<Output = Result<Response, ApiError>> + Send;

    /// Whether the service can do its job now. If the check takes more than 5 s, the service counts as not
    /// ready.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send;

    /// Which internal details the client may see. By default, everyone may read the metrics, but only a
    /// client on the same machine sees why the service is not ready.
    fn disclosure(&self, _request: &Request) -> Disclosure {
        Disclosure::MetricsOnly
    }

    /// Additional members of the answer to `/ready`, for a client that may see this much. They must not
    /// contain secrets.
    fn details(&self, _disclosure: Disclosure) -> Map<String, Value> {
        Map::new()
    }

    /// The server calls this function once when the shutdown begins, so that the app can end its endless
    /// streams. Requests may still arrive afterwards on open connections. Streams that these requests start
    /// must end at once.
    fn closing(&self) {}

    /// Adds headers to every response, including errors and probes. Services use this for CORS.
    fn decorate(&self, _route: &Self::Route, _context: &RequestContext, _headers: &mut HeaderMap) {}
}

/// Which internal details of a service the client may see. A client on the same machine also sees why the
/// service is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// The metrics, and the reasons why the service is not ready.
    Full,
    /// Only the metrics.
    MetricsOnly,
    /// Nothing, because the service needs a token, and the request has none that is accepted.
    None,
}

/// The reasons why a service cannot do its job. The reasons name roles and sessions of the database. So
/// `/ready` shows them only to clients that may see them ([`Disclosure::Full`]), and the log has them. They
/// must not contain secrets.
#[derive(Debug, Default)]
pub struct NotReady {
    /// One sentence for each reason.
    pub reasons: Vec<String>,
}

impl NotReady {
    /// Makes a `NotReady` with one reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()] }
    }
}

/// The context of one request: its id, its peer, the method and path that the client sent, and the limits for
/// the body.
pub struct RequestContext {
    id: HeaderValue,
    peer: SocketAddr,
    method: Method,
    uri: Uri,
    origin: Option<HeaderValue>,
    budget: Arc<Budget>,
    body_timeout: Duration,
    matched: OnceLock<&'static str>,
    in_flight: InFlight,
    max_endless: u32,
}

impl RequestContext {
    pub(crate) fn new(
        request: &Request,
        peer: SocketAddr,
        in_flight: InFlight,
        budget: Arc<Budget>,
        limits: &Limits,
    ) -> Self {
        let headers = request.headers();
        Self {
            id: request_id::of(headers),
            peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
            origin: headers.get(ORIGIN).cloned(),
            budget,
            body_timeout: limits.body_timeout,
            matched: OnceLock::new(),
            in_flight,
            max_endless: limits.max_endless,
        }
    }

    /// The id of the request in the log and in `X-Request-Id`.
    pub fn request_id(&self) -> &str {
        // Ids from callers and ids from this service are ASCII.
        self.id.to_str().unwrap_or_default()
    }

    pub(crate) fn request_id_header(&self) -> HeaderValue {
        self.id.clone()
    }

    /// The address at the other end of the connection. Behind a proxy, this is the address of the proxy.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The method that the client sent. For a HEAD request, this is HEAD, although the route gets GET.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path without the query, because the query may contain a token.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The `Origin` header, for CORS.
    pub fn origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// Names the route for the metrics, such as `/api/v1/rooms/{id}/logs`. Only the first call has an effect.
    /// A request without a named route counts as `other`, because one label for each path would create an
    /// unlimited number of time series.
    pub fn matched(&self, route: &'static str) {
        let _ = self.matched.set(route);
    }

    pub(crate) fn route(&self) -> &'static str {
        self.matched.get().copied().unwrap_or("other")
    }

    /// Takes a place among the endless answers of the connection. Call this function before the request opens
    /// a stream, so that a stream for which the connection has no place costs nothing. If the answer is not
    /// endless, the place is free again.
    ///
    /// # Errors
    /// 503 `overloaded` if the connection has [`Limits::max_endless`] such answers.
    pub fn reserve_stream(&self) -> Result<(), ApiError> {
        if self.in_flight.take_place(self.max_endless) {
            return Ok(());
        }
        Err(ApiError::overloaded("the connection has too many streams").hint("open another connection"))
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    pub(crate) fn into_in_flight(self) -> InFlight {
        self.in_flight
    }

    /// Reads the whole body into one buffer of at most `cap` bytes. The buffer counts towards the memory
    /// budget of all request bodies until the last clone of the returned bytes is dropped. The head of the
    /// request counts too.
    ///
    /// # Errors
    /// - 413 `body_too_large` when the body exceeds `cap`. If the announced length already exceeds `cap`,
    ///   nothing is read.
    /// - 408 `body_timeout` after [`crate::Limits::body_timeout`], or earlier if the body is very slow.
    /// - 503 `overloaded` when the budget is exhausted and no body is slower.
    /// - 400 `body_incomplete` when the body ends early.
    pub async fn read_body(&self, mut body: RequestBody, cap: usize) -> Result<Bytes, ApiError> {
        let reserved = body.take_reserved().map_or_else(|| Reserved::new(&self.budget, 0), Ok)?;
        let arriving = self.in_flight.arriving();
        let progress = || self.in_flight.record_progress();
        let read = body::read_body(&mut body, reserved, cap, self.body_timeout, progress).await;
        drop(arriving);
        if read.as_ref().is_err_and(|error| error.status() == StatusCode::REQUEST_TIMEOUT) {
            body.abandon();
        }
        read
    }
}
