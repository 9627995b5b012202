//! A small service for these tests, and the function that starts it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use oasis_service::{
    ApiError, App, Disclosure, Limits, Listeners, NotReady, Query, Request, RequestContext, Response,
    Shutdown, response, serve,
};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;

/// The maximum size of a body that `/echo` accepts, in bytes.
pub(crate) const ECHO_CAP: usize = 100_000;

/// The size of the answer to `/large`, in bytes.
pub(crate) const LARGE: usize = 600_000;

pub(crate) struct Sample {
    /// Gets a permit for each request that waits in `/slow`, or in `/ready` while `gate_ready` is set.
    pub(crate) entered: Semaphore,
    /// Each permit lets one of the waiting requests continue.
    pub(crate) release: Semaphore,
    pub(crate) gate_ready: AtomicBool,
    pub(crate) is_ready: AtomicBool,
    /// The number of readiness checks so far.
    pub(crate) checks: AtomicUsize,
    /// The number of endless answers so far.
    pub(crate) opened: AtomicUsize,
    /// Notified when the body of an endless answer, such as `/flood`, is dropped.
    pub(crate) dropped: Arc<Notify>,
    closing: CancellationToken,
}

impl Sample {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            entered: Semaphore::new(0),
            release: Semaphore::new(0),
            gate_ready: AtomicBool::new(false),
            is_ready: AtomicBool::new(true),
            checks: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            dropped: Arc::default(),
            closing: CancellationToken::new(),
        })
    }

    async fn pass_gate(&self) {
        self.entered.add_permits(1);
        self.release.acquire().await.unwrap().forget();
    }

    fn body(&self, kind: Kind) -> Response {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let dropped = Arc::clone(&self.dropped);
        let closing = Box::pin(self.closing.clone().cancelled_owned());
        Response::new(response::boxed(Endless { kind, closing, dropped, begun: false }))
    }
}

impl App for Sample {
    const NAME: &'static str = "sample";

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(
        &self,
        _route: &(),
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/hello") => {
                context.matched("/hello");
                let query = Query::parse(request.uri().query(), &["token"])?;
                let _ = query.get("token");
                Ok(response::content(StatusCode::OK, "text/plain", "hello"))
            }
            (_, "/hello") => Err(ApiError::method_not_allowed("GET, HEAD")),
            (&Method::POST, "/echo") => {
                context.matched("/echo");
                let body = context.read_body(request.into_body(), ECHO_CAP).await?;
                Ok(response::content(StatusCode::OK, "text/plain", body))
            }
            (&Method::GET, "/slow") => {
                self.pass_gate().await;
                Ok(response::content(StatusCode::OK, "text/plain", "done"))
            }
            (&Method::GET, "/panic") => panic!("handler went wrong"),
            (&Method::GET, "/unavailable") => {
                let cause = std::io::Error::other("password authentication failed");
                let (code, message) = ("database_unavailable", "the database is not available");
                Err(ApiError::unavailable(code, message, cause).hint("try later"))
            }
            (&Method::GET, "/large") => Ok(Response::new(response::owned(vec![b'x'; LARGE]))),
            (&Method::GET, "/stream") => {
                context.reserve_stream()?;
                Ok(self.body(Kind::UntilClosing))
            }
            (&Method::GET, "/no-stream") => {
                context.reserve_stream()?;
                Err(ApiError::not_found())
            }
            (&Method::GET, "/stubborn") => Ok(self.body(Kind::Forever)),
            (&Method::GET, "/flood") => Ok(self.body(Kind::Flood)),
            _ => Err(ApiError::not_found()),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        if self.gate_ready.load(Ordering::SeqCst) {
            self.pass_gate().await;
        }
        if self.is_ready.load(Ordering::SeqCst) { Ok(()) } else { Err(NotReady::because("not yet")) }
    }

    fn disclosure(&self, request: &Request) -> Disclosure {
        match (request.headers().get("authorization").map(HeaderValue::as_bytes), request.uri().query()) {
            (Some(b"Bearer reader"), _) => Disclosure::Full,
            (None, None) => Disclosure::MetricsOnly,
            _ => Disclosure::None,
        }
    }

    fn details(&self, _disclosure: Disclosure) -> Map<String, Value> {
        // The server must replace this `ok`, because an app must not override the server's `ok`.
        Map::from_iter([
            ("checks".into(), self.checks.load(Ordering::SeqCst).into()),
            ("ok".into(), "?".into()),
        ])
    }

    fn closing(&self) {
        self.closing.cancel();
    }

    fn decorate(&self, _route: &(), context: &RequestContext, headers: &mut HeaderMap) {
        if context.origin().is_some() {
            headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    UntilClosing,
    Forever,
    Flood,
}

struct Endless {
    kind: Kind,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    dropped: Arc<Notify>,
    begun: bool,
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.kind == Kind::Flood {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65_536])))));
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun\n")))));
        }
        if self.kind == Kind::UntilClosing && self.closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<Sample>,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// A client whose request waits in `/slow`.
    pub(crate) async fn busy_client(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        within(self.app.entered.acquire()).await.unwrap().forget();
        client
    }

    /// Triggers the shutdown and waits for `serve` to return.
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        within(self.task).await.unwrap().unwrap();
    }
}

pub(crate) async fn start(limits: Limits) -> Running {
    start_on(listener().await, limits).await
}

/// A socket on a free port.
pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub(crate) async fn start_on(listeners: impl Into<Listeners>, limits: Limits) -> Running {
    super::logs::capture();
    let listeners = listeners.into();
    let address = listeners.requests.local_addr().unwrap();
    let app = Sample::new();
    let shutdown = Shutdown::manual();
    let task = tokio::spawn(serve(Arc::clone(&app), listeners, limits, shutdown.clone()));
    Running { address, app, shutdown, task }
}

/// Waits for `future`. Fails the test after 20 s, so that the test cannot hang.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the future took longer than 20 s")
}
