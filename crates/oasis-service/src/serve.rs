//! The accept loop: admits connections up to a bound, survives what accept() throws, and leaves on time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use metrics::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::body::BodyBudget;
use crate::connection::drive;
use crate::probes::Readiness;
use crate::{App, Limits, Shutdown, meters};

/// Memory a connection may buffer in each direction.
const BUFFER_BYTES: usize = 64 << 10;
/// What an HTTP/2 connection may have sent ahead of the handlers reading it.
const HTTP2_WINDOW: u32 = 256 << 10;
/// How long tasks that were told to stop get to be gone.
const KILL_GRACE: Duration = Duration::from_secs(1);
/// Histograms gather samples until somebody folds them, and nobody may be scraping.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// What all connections of a server share.
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

impl<A> Server<A> {
    /// Whether new connections get the probes only.
    pub(crate) fn is_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.limits.max_connections
    }
}

/// Serves `app` on `listener` until `shutdown` is triggered.
///
/// Then: [`App::closing`] is called, the listener is closed, connections finish the requests in
/// flight, and what is left after [`Limits::drain`] is dropped. Dropping the future stops at once.
///
/// # Errors
/// When the listener has no address, which means that it is not a usable socket.
pub async fn serve<A: App>(
    app: Arc<A>,
    listener: TcpListener,
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let metrics = meters::install();
    let _upkeep = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = interval(METRICS_UPKEEP);
        loop {
            ticks.tick().await;
            metrics.run_upkeep();
        }
    }));
    raise_open_files(limits.max_connections + limits.spare_connections);

    let streams = TaskTracker::new();
    let kill = CancellationToken::new();
    let _kill_on_drop = kill.clone().drop_guard();
    let server = Arc::new(Server {
        readiness: Readiness::default(),
        app,
        budget: BodyBudget::new(limits.body_budget),
        http1: http1(&limits),
        http2: http2(&limits, Spawner { streams: streams.clone(), kill: kill.clone() }),
        limits,
        shutdown,
        open: AtomicUsize::new(0),
        open_gauge: meters::connections_open(A::NAME),
    });
    tracing::info!(service = A::NAME, %address, "listening");

    // Dropping it ends them.
    let mut connections = JoinSet::new();
    accept_until_shutdown(&server, &listener, &mut connections).await;

    let begun = Instant::now();
    server.app.closing();
    drop(listener);
    streams.close();
    if timeout(server.limits.drain, ended(&mut connections, &streams)).await.is_err() {
        let left = server.open.load(Ordering::Relaxed);
        tracing::warn!(service = A::NAME, connections = left, "dropping connections that did not finish");
        connections.abort_all();
        kill.cancel();
        let _ = timeout(KILL_GRACE, ended(&mut connections, &streams)).await;
    }
    tracing::info!(service = A::NAME, seconds = begun.elapsed().as_secs_f64(), "stopped");
    Ok(())
}

async fn ended(connections: &mut JoinSet<()>, streams: &TaskTracker) {
    while connections.join_next().await.is_some() {}
    streams.wait().await;
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

async fn accept_until_shutdown<A: App>(
    server: &Arc<Server<A>>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
) {
    let mut backoff = Backoff::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.shutdown.triggered() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                backoff.ease();
                admit(server, stream, peer, connections);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                let pause = backoff.next();
                tracing::warn!(service = A::NAME, %error, pause_ms = pause.as_millis() as u64, "cannot accept connections");
                tokio::select! {
                    () = server.shutdown.triggered() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

fn admit<A: App>(
    server: &Arc<Server<A>>,
    stream: TcpStream,
    peer: SocketAddr,
    connections: &mut JoinSet<()>,
) {
    let before = server.open.load(Ordering::Relaxed);
    let bound = server.limits.max_connections;
    if before >= bound + server.limits.spare_connections {
        meters::connection_refused(A::NAME);
        return;
    }
    // Connections work without either, so a failure is passed over.
    let _ = set_options(&stream, server.limits.idle_timeout);
    let open = Open::new(Arc::clone(server));
    connections.spawn(async move {
        drive(Arc::clone(&open.0), stream, peer, before >= bound).await;
    });
}

fn set_options(stream: &TcpStream, idle: Duration) -> io::Result<()> {
    // Otherwise a small write waits for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    // A heartbeat to a client that has vanished still lands in the socket's buffer and looks like
    // activity for a quarter of an hour; the kernel knows that nobody acknowledges it.
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds)?;
    }
    Ok(())
}

/// Counts a connection as open as long as it lives, however it ends.
struct Open<A>(Arc<Server<A>>);

impl<A> Open<A> {
    fn new(server: Arc<Server<A>>) -> Self {
        server.open.fetch_add(1, Ordering::Relaxed);
        server.open_gauge.increment(1.0);
        Self(server)
    }
}

impl<A> Drop for Open<A> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.open_gauge.decrement(1.0);
    }
}

/// The client gave up between its SYN and our accept; the listener is fine.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// 10 ms doubling to 1 s, for errors such as EMFILE that go away only when something else is closed.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(10 << self.0).min(Duration::from_secs(1));
        self.0 = (self.0 + 1).min(7);
        pause
    }

    /// Step by step, because at the limit each connection that ends lets one more in before the next error.
    fn ease(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

/// Runs HTTP/2 streams so that the shutdown waits for them and can stop them.
#[derive(Clone)]
pub(crate) struct Spawner {
    streams: TaskTracker,
    kill: CancellationToken,
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

/// Lifts the soft limit on open files, often 1,024, as far as the hard limit lets it.
fn raise_open_files(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    // Beside the connections: the database, the listener, logs.
    let wanted = connections as u64 + 256;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let reachable = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(reachable);
    if setrlimit(Resource::Nofile, limit).is_err() || reachable < wanted {
        tracing::warn!(wanted, reachable, "the limit on open files is below the limit on connections");
    }
}
