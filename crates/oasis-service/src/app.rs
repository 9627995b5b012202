//! What a service is: a route function, a readiness check, and the context of one request.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use serde_json::{Map, Value};

use crate::body::{self, BodyBudget};
use crate::{ApiError, Request, RequestBody, Response, request_id};

/// A service. `/health`, `/ready` and `/metrics` are answered before [`App::route`] is asked.
pub trait App: Send + Sync + 'static {
    /// The name in logs, metrics and probes, such as `gateway-feed`.
    const NAME: &'static str;

    /// What the path of a request names; `()` for a service that compares paths where it answers.
    type Route: Send + Sync;

    /// Parses the path of a request. This happens once, before anything is answered.
    fn resolve(path: &str) -> Self::Route;

    /// Answers a request. HEAD arrives as GET, and the body of its answer is taken off.
    ///
    /// A panic here becomes a 500; the connection lives on.
    fn route(
        &self,
        route: &Self::Route,
        request: Request,
        context: &RequestContext,
    ) -> impl Future<Output = Result<Response, ApiError>> + Send;

    /// Whether the service can do its job now; it has 5 s to say.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send;

    /// What `/ready` says besides, as further members of its answer; so it carries no secrets.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Called once when the shutdown begins, so that endless streams can end. Requests on connections
    /// that are open may still arrive after it, and streams they start must end at once too.
    fn closing(&self) {}

    /// Adds headers to every response, errors and probes included (CORS).
    fn decorate(&self, _route: &Self::Route, _context: &RequestContext, _headers: &mut HeaderMap) {}
}

/// Why a service cannot do its job; `/ready` shows the reasons, so they carry no secrets.
#[derive(Debug, Default)]
pub struct NotReady {
    /// One sentence each.
    pub reasons: Vec<String>,
}

impl NotReady {
    /// One reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()] }
    }
}

/// What is known of a request besides the request itself.
#[derive(Debug)]
pub struct RequestContext {
    id: HeaderValue,
    peer: SocketAddr,
    method: Method,
    uri: Uri,
    origin: Option<HeaderValue>,
    budget: Arc<BodyBudget>,
    body_timeout: Duration,
    matched: OnceLock<&'static str>,
}

impl RequestContext {
    pub(crate) fn new(
        request: &Request,
        peer: SocketAddr,
        budget: Arc<BodyBudget>,
        body_timeout: Duration,
    ) -> Self {
        let headers = request.headers();
        Self {
            id: request_id::of(headers),
            peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
            origin: headers.get(ORIGIN).cloned(),
            budget,
            body_timeout,
            matched: OnceLock::new(),
        }
    }

    /// The id in the log and in `X-Request-Id`.
    pub fn request_id(&self) -> &str {
        // Both sources of ids yield ASCII only.
        self.id.to_str().unwrap_or_default()
    }

    pub(crate) fn request_id_header(&self) -> HeaderValue {
        self.id.clone()
    }

    /// The other end of the connection; behind a proxy that is the proxy.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The method as sent: HEAD where the route saw GET.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, without the query, which may hold a token.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The `Origin` header, for CORS.
    pub fn origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// Names the route for the metrics, such as `/api/v1/rooms/{id}/logs`. Only the first call counts;
    /// without one the route is `other`, because paths as sent would make endless time series.
    pub fn matched(&self, route: &'static str) {
        let _ = self.matched.set(route);
    }

    pub(crate) fn route(&self) -> &'static str {
        self.matched.get().copied().unwrap_or("other")
    }

    /// Reads a whole body of at most `cap` bytes, contiguous. Its share of the budget over all requests
    /// is given back when the last clone of the returned bytes is dropped.
    ///
    /// # Errors
    /// 413 `body_too_large` (before reading anything if the length is announced), 408 `body_timeout`
    /// after [`crate::Limits::body_timeout`], 503 `overloaded` when the budget is spent, 400
    /// `body_incomplete` when the client went away.
    pub async fn read_body(&self, mut body: RequestBody, cap: usize) -> Result<Bytes, ApiError> {
        let read = body::read_body(&mut body, cap, &self.budget, self.body_timeout).await;
        if read.as_ref().is_err_and(|error| error.status() == StatusCode::REQUEST_TIMEOUT) {
            body.abandon();
        }
        read
    }
}
