//! The state that the connections of a server share, such as the number of open connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use metrics::Gauge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::BodyBudget;
use crate::readiness::Readiness;
use crate::{App, Limits, Shutdown, meters};

/// The number of bytes that a connection may buffer in each direction.
const BUFFER_BYTES: usize = 64 << 10;
/// The number of bytes that a client may send on one HTTP/2 connection before the handlers read them.
const HTTP2_WINDOW: u32 = 256 << 10;

/// The state that all connections of a server share.
pub(crate) struct Server<A> {
    pub(crate) app: Arc<A>,
    pub(crate) limits: Limits,
    pub(crate) shutdown: Shutdown,
    pub(crate) budget: Arc<BodyBudget>,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<Spawner>,
    pub(crate) readiness: Readiness,
    open: AtomicUsize,
    open_gauge: Gauge,
}

impl<A: App> Server<A> {
    /// Makes a server without connections.
    pub(crate) fn new(app: Arc<A>, limits: Limits, shutdown: Shutdown, spawner: Spawner) -> Self {
        Self {
            app,
            budget: BodyBudget::new(limits.body_budget),
            http1: http1(&limits),
            http2: http2(&limits, spawner),
            readiness: Readiness::default(),
            limits,
            shutdown,
            open: AtomicUsize::new(0),
            open_gauge: meters::connections_open(A::NAME),
        }
    }
}

impl<A> Server<A> {
    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether the connection limit is reached. If so, new connections can only be used for probes.
    pub(crate) fn is_full(&self) -> bool {
        self.open() >= self.limits.max_connections
    }
}

/// Counts a connection as open until this value is dropped.
pub(crate) struct Open<A>(Arc<Server<A>>);

impl<A> Open<A> {
    pub(crate) fn new(server: Arc<Server<A>>) -> Self {
        server.open.fetch_add(1, Ordering::Relaxed);
        server.open_gauge.increment(1.0);
        Self(server)
    }

    pub(crate) fn server(&self) -> Arc<Server<A>> {
        Arc::clone(&self.0)
    }
}

impl<A> Drop for Open<A> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.open_gauge.decrement(1.0);
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1
        .max_buf_size(BUFFER_BYTES.max(limits.max_header_bytes))
        .max_header_size(limits.max_header_bytes)
        .header_read_timeout(None);
    http1
}

fn http2(limits: &Limits, spawner: Spawner) -> http2::Builder<Spawner> {
    let mut http2 = http2::Builder::new(spawner);
    http2
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(BUFFER_BYTES as u32)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_send_buf_size(BUFFER_BYTES);
    http2
}

/// Spawns the tasks of HTTP/2 streams, so that the shutdown can wait for these tasks and stop them.
#[derive(Clone)]
pub(crate) struct Spawner {
    pub(crate) streams: TaskTracker,
    pub(crate) kill: CancellationToken,
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let kill = self.kill.clone();
        self.streams.spawn(async move { kill.run_until_cancelled_owned(future).await });
    }
}
