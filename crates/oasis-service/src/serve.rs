//! The accept loop. It limits the number of connections, continues after errors of `accept`, and shuts down
//! within a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::args::listen;
use crate::connection::drive;
use crate::server::{Probes, Server, Spawner};
use crate::{
    ApiError, App, Limits, Listeners, NotReady, Request, RequestContext, Response, Shutdown, meters,
};

/// The time limit for aborted tasks to end.
const KILL_GRACE: Duration = Duration::from_secs(1);
/// The number of connections to the port for the metrics.
const METRICS_CONNECTIONS: usize = 64;
/// The time between two aggregations of the samples in histograms. A request for `/metrics` also aggregates
/// the samples, but such requests may never come.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Serves `app` until `shutdown` is triggered. If `listeners` have a socket for the metrics, only that one
/// answers `/metrics`.
///
/// The shutdown calls [`App::closing`] and closes the listener. Requests in flight may finish. The remaining
/// connections are dropped after [`Limits::drain`]. Dropping the returned future stops the server at once.
///
/// # Errors
/// When the listener has no local address because its socket is not usable.
pub async fn serve<A: App>(
    app: Arc<A>,
    listeners: impl Into<Listeners>,
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let mut listeners = listeners.into();
    let Some(metrics) = listeners.metrics.take() else {
        return serve_on(app, listeners, Probes::All, limits, shutdown).await;
    };
    let few = Limits { max_connections: METRICS_CONNECTIONS, ..limits.clone() };
    let metrics = serve_on(Arc::new(Metrics), metrics.into(), Probes::OnlyMetrics, few, shutdown.clone());
    tokio::try_join!(serve_on(app, listeners, Probes::WithoutMetrics, limits, shutdown), metrics)?;
    Ok(())
}

/// The app on the port for the metrics. It has no routes, and the server answers `/metrics`.
pub(crate) struct Metrics;

impl App for Metrics {
    const NAME: &'static str = "metrics";

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(&self, _: &(), _: Request, _: &RequestContext) -> Result<Response, ApiError> {
        Err(ApiError::not_found().hint("this port has only /metrics"))
    }

    async fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Serves `app` and some of the probes on the socket for requests.
async fn serve_on<A: App>(
    app: Arc<A>,
    Listeners { requests: listener, hosts, .. }: Listeners,
    probes: Probes,
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let open = listen::urls(&listener)?.join(" ");
    let metrics = meters::install();
    let _upkeep = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = interval(METRICS_UPKEEP);
        loop {
            ticks.tick().await;
            metrics.run_upkeep();
        }
    }));
    let files = raise_open_files(limits.max_connections + limits.spare_connections);
    let limits = fit(limits, files);

    let streams = TaskTracker::new();
    let kill = CancellationToken::new();
    let _kill_on_drop = kill.clone().drop_guard();
    let spawner =
        Spawner { stall_timeout: limits.stall_timeout, streams: streams.clone(), kill: kill.clone() };
    let server = Arc::new(Server { probes, hosts, ..Server::new(app, limits, shutdown, spawner) });
    tracing::info!(service = A::NAME, %address, open, "listening");

    // Dropping the set aborts the connections.
    let mut connections = JoinSet::new();
    accept_until_shutdown(&server, &listener, &mut connections).await;

    let begun = Instant::now();
    server.app.closing();
    drop(listener);
    streams.close();
    if timeout(server.limits.drain, ended(&mut connections, &streams)).await.is_err() {
        let left = server.connections.count();
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
                // On a socket for IPv6 and IPv4, the address of an IPv4 peer is mapped to IPv6.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                admit(server, stream, peer, connections);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                let pause = backoff.next();
                let pause_ms = pause.as_millis() as u64;
                tracing::warn!(service = A::NAME, %error, pause_ms, "cannot accept connections");
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
    let Some(open) = server.connections.admit(peer.ip(), &server.limits) else {
        meters::connection_refused(A::NAME);
        return;
    };
    // A connection works without these options, so errors are ignored.
    let _ = set_options(&stream, server.limits.idle_timeout);
    let (id, spare) = (open.id(), open.spare);
    let task = connections.spawn(drive(Arc::clone(server), stream, peer, open));
    server.connections.started(id, spare, task);
}

fn set_options(stream: &TcpStream, idle: Duration) -> io::Result<()> {
    // Without this option, a small write waits until the client has acknowledged the previous write.
    stream.set_nodelay(true)?;
    // If a client has vanished, heartbeats are still written to the socket's buffer, and the connection looks
    // active for a quarter of an hour. With this option, the kernel ends the connection if the client
    // acknowledges nothing.
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds)?;
    }
    Ok(())
}

/// Whether the error concerns only one connection, for example because the client closed the connection
/// before the server accepted it.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The pause after an error of `accept`, from 10 ms to 1 s. The pause doubles with each error. Errors such as
/// EMFILE last until a file is closed.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(10 << self.0).min(Duration::from_secs(1));
        self.0 = (self.0 + 1).min(7);
        pause
    }

    /// Halves the next pause. At the limit on open files, `accept` succeeds once for each connection that
    /// ends, and then fails again. If each success reset the pause, the pauses would stay short.
    fn ease(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

/// The number of files that are not connections: those of the database, the listener and logs.
const OTHER_FILES: usize = 256;

/// Raises the soft limit on open files (often 1,024) to the number that the connections need, as far as the
/// hard limit allows. Returns the limit; `None` if it suffices.
fn raise_open_files(connections: usize) -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = (connections + OTHER_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current?;
    if before >= wanted {
        return None;
    }
    let reachable = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(reachable);
    let reached = if setrlimit(Resource::Nofile, limit).is_ok() { reachable } else { before };
    (reached < wanted).then_some(reached as usize)
}

/// Lowers the limits on connections so that they need no more files than the process may open. Otherwise,
/// nothing could be accepted at the limit, not even a probe.
fn fit(limits: Limits, files: Option<usize>) -> Limits {
    let Some(files) = files else { return limits };
    let spare_connections = limits.spare_connections.min(files / 8);
    let max_connections = files - OTHER_FILES.min(files / 4) - spare_connections;
    tracing::warn!(
        files,
        max_connections,
        wanted = limits.max_connections,
        "the limit on open files is low, so fewer connections are accepted; raise it with `ulimit -n`"
    );
    Limits { max_connections, spare_connections, ..limits }
}
