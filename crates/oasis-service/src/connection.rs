//! One connection: its protocol, its time limits and its end.
//!
//! hyper's own header timeout also cuts connections that merely idle between requests, and nothing of
//! hyper's covers the time before the protocol is known or a client that never reads. So the limits
//! are kept here: the stream notes when it last moved a byte, and one timer per connection, which no
//! byte resets, looks at that note when it fires.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::dispatch::dispatch;
use crate::endless::{Answer, Endless, Handover};
use crate::io::WatchedStream;
use crate::response::Body;
use crate::serve::Server;
use crate::{App, Limits, RequestBody};

/// How HTTP/2 with prior knowledge begins, and no HTTP/1.1 method does.
///
/// hyper-util's `auto` looks at the whole preface and then replays it, which makes hyper's read buffer
/// twice as large for as long as the connection lives.
const HTTP2_OPENING: &[u8; 3] = b"PRI";

/// What a connection has been doing. Times are milliseconds since `opened`, plus one so that 0 is none.
pub(crate) struct Watch {
    opened: Instant,
    idle_timeout: Duration,
    header_timeout: Duration,
    last_activity: AtomicU64,
    /// When the first byte of a request head came whose rest is still awaited.
    head_since: AtomicU64,
    in_flight: AtomicU32,
    is_http2: AtomicBool,
    /// Whether the last write found no room; what it was to write is still with the writer.
    write_blocked: AtomicBool,
}

impl Watch {
    fn new(limits: &Limits, spare: bool) -> Self {
        // Spare connections are few, and a probe does not linger.
        let idle_timeout =
            if spare { limits.idle_timeout.min(limits.header_timeout) } else { limits.idle_timeout };
        Self {
            opened: Instant::now(),
            idle_timeout,
            header_timeout: limits.header_timeout,
            last_activity: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            is_http2: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
        }
    }

    fn mark(&self) -> u64 {
        // 2^64 ms are half a billion years.
        self.opened.elapsed().as_millis() as u64 + 1
    }

    fn time_of(&self, mark: u64) -> Instant {
        self.opened + Duration::from_millis(mark - 1)
    }

    pub(crate) fn wrote(&self) {
        self.last_activity.store(self.mark(), Relaxed);
        self.write_blocked.store(false, Relaxed);
    }

    pub(crate) fn write_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    pub(crate) fn read(&self) {
        let now = self.mark();
        self.last_activity.store(now, Relaxed);
        // While a request is in flight, what arrives is its body. HTTP/2 reads frames of any kind at any
        // time; its idle limit has to do.
        if !self.is_http2.load(Relaxed)
            && self.in_flight.load(Relaxed) == 0
            && self.head_since.load(Relaxed) == 0
        {
            self.head_since.store(now, Relaxed);
        }
    }

    /// Notes that a request head is complete; the request is in flight until the guard drops.
    pub(crate) fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// When the connection is to be closed if nothing more happens on it.
    fn deadline(&self) -> Instant {
        let idle = self.time_of(self.last_activity.load(Relaxed)) + self.idle_timeout;
        match self.head_since.load(Relaxed) {
            0 => idle,
            since => idle.min(self.time_of(since) + self.header_timeout),
        }
    }
}

/// A request whose response is not yet handed over in full.
pub(crate) struct InFlight(Arc<Watch>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A response body that keeps its request in flight until it ends or is dropped.
pub(crate) struct TrackedBody {
    body: Body,
    _request: InFlight,
}

impl TrackedBody {
    pub(crate) fn new(body: Body, request: InFlight) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The requests of one connection.
struct Requests<A> {
    server: Arc<Server<A>>,
    watch: Arc<Watch>,
    peer: SocketAddr,
    spare: bool,
    /// Where HTTP/1 leaves an answer without an end; HTTP/2 sends it beside others.
    handover: Option<Handover>,
}

impl<A: App> Service<hyper::Request<Incoming>> for Requests<A> {
    type Response = hyper::Response<TrackedBody>;
    type Error = Infallible;
    // Boxed, because hyper keeps room for this future as long as the connection is open.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let version = request.version();
        let request = RequestBody::wrap(request);
        let answer = dispatch(Arc::clone(&self.server), self.watch.request(), self.peer, self.spare, request);
        let handover = self.handover.clone();
        Box::pin(async move {
            let response = answer.await;
            match handover {
                Some(handover) if response.body().body.is_endless() => handover.put(response, version).await,
                _ => Ok(response),
            }
        })
    }
}

/// An HTTP/1 connection as hyper serves it, until it ends or an answer takes it over.
struct Http1<A: App> {
    // Boxed, because it is large and may be gone long before the client is; `None` once it is.
    connection: Option<Box<http1::Connection<TokioIo<WatchedStream>, Requests<A>>>>,
    handover: Handover,
    watch: Arc<Watch>,
}

impl<A: App> Http1<A> {
    fn leave(mut self: Pin<&mut Self>) {
        if let Some(connection) = &mut self.connection {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }
}

impl<A: App> Future for Http1<A> {
    type Output = hyper::Result<Option<(WatchedStream, Answer)>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(ended) = Pin::new(&mut **connection).poll(cx) {
            return Poll::Ready(ended.map(|()| None));
        }
        // An answer to an earlier request may still be with hyper, if the client sent both at once. hyper flushes in each
        // turn until all is written or there is no room.
        if self.watch.write_blocked.load(Relaxed) {
            return Poll::Pending;
        }
        let Some(answer) = self.handover.take() else { return Poll::Pending };
        let stream = self.connection.take().map(|connection| connection.into_parts().io.into_inner());
        Poll::Ready(Ok(stream.map(|stream| (stream, answer))))
    }
}

/// Serves a connection until it ends, is idle for too long, or the server drops it. `spare` marks one
/// beyond the connection limit, which is there for probes.
pub(crate) async fn drive<A: App>(server: Arc<Server<A>>, stream: TcpStream, peer: SocketAddr, spare: bool) {
    let watch = Arc::new(Watch::new(&server.limits, spare));
    let holder = Holder { server: Arc::clone(&server), watch: Arc::clone(&watch), peer };

    let Some(Ok((stream, is_http2))) = holder.hold(pin!(recognize(stream)), Closing::Cut).await else {
        return;
    };
    watch.is_http2.store(is_http2, Relaxed);

    let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&watch)));
    let handover = (!is_http2).then(Handover::default);
    let requests = Requests { server, watch, peer, spare, handover: handover.clone() };
    let ended = match handover {
        None => holder.http2(stream, requests).await,
        Some(handover) => match holder.http1(stream, requests, handover).await {
            Some(Ok(Some((stream, answer)))) => {
                let sent = holder.hold(pin!(Endless::new(stream, answer)), Closing::Stay).await;
                sent.map(|sent| sent.map_err(Into::into))
            }
            ended => ended.map(|ended| ended.map(|_| ())),
        },
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%peer, error = crate::error::chain(&*error), "connection ended");
    }
}

/// Waits for the first bytes, and tells from them whether the client speaks HTTP/2.
async fn recognize(stream: TcpStream) -> io::Result<(TcpStream, bool)> {
    let mut opening = [0; HTTP2_OPENING.len()];
    let length = stream.peek(&mut opening).await?;
    Ok((stream, opening[..length] == *HTTP2_OPENING))
}

/// Keeps a phase of a connection within its limits.
struct Holder<A> {
    server: Arc<Server<A>>,
    watch: Arc<Watch>,
    peer: SocketAddr,
}

/// What becomes of a phase when the shutdown begins.
enum Closing<F> {
    /// It is cut.
    Cut,
    /// It is told, and ends by itself.
    Leave(fn(Pin<&mut F>)),
    /// It ends by itself: the app knows, and so do the bodies that it makes.
    Stay,
}

/// Why a connection ended before its time.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl<A: App> Holder<A> {
    async fn http2(
        &self,
        stream: TokioIo<WatchedStream>,
        requests: Requests<A>,
    ) -> Option<Result<(), Failure>> {
        // Boxed, because it is large and rare.
        let mut connection = Box::pin(self.server.http2.serve_connection(stream, requests));
        let ended =
            self.hold(connection.as_mut(), Closing::Leave(http2::Connection::graceful_shutdown)).await;
        ended.map(|ended| ended.map_err(Into::into))
    }

    async fn http1(
        &self,
        stream: TokioIo<WatchedStream>,
        requests: Requests<A>,
        handover: Handover,
    ) -> Option<Result<Option<(WatchedStream, Answer)>, Failure>> {
        let watch = Arc::clone(&self.watch);
        let connection = Some(Box::new(self.server.http1.serve_connection(stream, requests)));
        let ended =
            self.hold(pin!(Http1 { connection, handover, watch }), Closing::Leave(Http1::leave)).await;
        ended.map(|ended| ended.map_err(Into::into))
    }

    /// Polls `phase` to its end; `None` if it ran out of time, or was cut.
    async fn hold<F: Future>(&self, mut phase: Pin<&mut F>, closing: Closing<F>) -> Option<F::Output> {
        let mut timer = pin!(sleep_until(self.watch.deadline()));
        // Everybody's polls meet at its lock, so it is watched only while it matters.
        let mut triggered = pin!(match closing {
            Closing::Stay => None,
            _ => Some(self.server.shutdown.token().clone().cancelled_owned()),
        });
        poll_fn(|cx| {
            if let Some(trigger) = triggered.as_mut().as_pin_mut()
                && trigger.poll(cx).is_ready()
            {
                triggered.set(None);
                match closing {
                    Closing::Leave(leave) => leave(phase.as_mut()),
                    Closing::Cut => return Poll::Ready(None),
                    Closing::Stay => {}
                }
            }
            if let Poll::Ready(output) = phase.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                // A later deadline waits for the timer to fire; only an earlier one moves it.
                let deadline = self.watch.deadline();
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                if deadline <= Instant::now() {
                    tracing::debug!(peer = %self.peer, "connection timed out");
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await
    }
}
