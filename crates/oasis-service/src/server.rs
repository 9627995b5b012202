//! The state that the connections of a server share.

use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers::Answers;
use crate::body;
use crate::budget::Budget;
use crate::connections::Connections;
use crate::readiness::Readiness;
use crate::stall::Watched;
use crate::{App, Limits, LocalHosts, Shutdown, meters};

/// The number of bytes that a connection may buffer in each direction.
const BUFFER_BYTES: usize = 64 << 10;
/// The number of bytes that a client may send on one HTTP/2 connection before the handlers read them.
const HTTP2_WINDOW: u32 = 256 << 10;

/// The state that all connections of a server share.
pub(crate) struct Server<A> {
    pub(crate) app: Arc<A>,
    pub(crate) limits: Limits,
    pub(crate) shutdown: Shutdown,
    pub(crate) budget: Arc<Budget>,
    pub(crate) answers: Answers,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<Spawner>,
    pub(crate) readiness: Readiness,
    pub(crate) connections: Arc<Connections>,
    pub(crate) probes: Probes,
    /// See [`Listeners::hosts`](crate::Listeners::hosts).
    pub(crate) hosts: Option<LocalHosts>,
}

/// The probes that a server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probes {
    All,
    /// The metrics have a port of their own.
    WithoutMetrics,
    /// This is the port for the metrics.
    OnlyMetrics,
}

impl<A: App> Server<A> {
    /// Makes a server without connections.
    pub(crate) fn new(app: Arc<A>, limits: Limits, shutdown: Shutdown, spawner: Spawner) -> Self {
        Self {
            app,
            answers: Answers::new(limits.answer_budget),
            budget: body::budget(limits.body_budget),
            http1: http1(&limits),
            http2: http2(&limits, spawner),
            readiness: Readiness::default(),
            connections: Connections::new(&limits, meters::connections_open(A::NAME)),
            probes: Probes::All,
            hosts: None,
            limits,
            shutdown,
        }
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
    /// See [`Limits::stall_timeout`].
    pub(crate) stall_timeout: Duration,
    pub(crate) streams: TaskTracker,
    pub(crate) kill: CancellationToken,
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let (kill, watched) = (self.kill.clone(), Watched::new(future, self.stall_timeout));
        self.streams.spawn(async move { kill.run_until_cancelled_owned(watched).await });
    }
}
