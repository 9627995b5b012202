//! One connection: which protocol it speaks, its requests, and the answer that takes it over.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use oasis_core::chain;
use tokio::net::TcpStream;

use crate::activity::Activity;
use crate::dispatch::dispatch;
use crate::endless::{Answer, Endless, Handover};
use crate::server::Server;
use crate::timekeeper::{OnShutdown, Timekeeper};
use crate::tracked_body::TrackedBody;
use crate::tracked_stream::TrackedStream;
use crate::{App, RequestBody};

/// How HTTP/2 with prior knowledge begins, and no HTTP/1.1 method does.
///
/// hyper-util's `auto` looks at the whole preface and then replays it, which makes hyper's read buffer
/// twice as large for as long as the connection lives.
const HTTP2_OPENING: &[u8; 3] = b"PRI";

/// Serves a connection until it ends, is idle for too long, or the server drops it. `spare` marks one
/// beyond the connection limit, which is there for probes.
pub(crate) async fn drive<A: App>(server: Arc<Server<A>>, stream: TcpStream, peer: SocketAddr, spare: bool) {
    let activity = Arc::new(Activity::new(&server.limits, spare));
    let timekeeper = Timekeeper { activity, shutdown: server.shutdown.clone(), peer };

    let opened = timekeeper.hold(pin!(recognize(stream)), OnShutdown::Cut).await;
    let Some(Ok((stream, is_http2))) = opened else { return };
    let activity = Arc::clone(&timekeeper.activity);
    let stream = TokioIo::new(TrackedStream::new(stream, Arc::clone(&activity)));
    let requests = Requests { server, activity, peer, spare, handover: None };
    let ended = if is_http2 {
        timekeeper.activity.speaks_http2();
        serve_http2(&timekeeper, stream, requests).await
    } else {
        match serve_http1(&timekeeper, stream, requests).await {
            Some(Ok(Some((stream, answer)))) => {
                let sent = timekeeper.hold(pin!(Endless::new(stream, answer)), OnShutdown::Stay).await;
                sent.map(|sent| sent.map_err(Into::into))
            }
            ended => ended.map(|ended| ended.map(|_| ())),
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%peer, error = chain(&*error), "connection ended");
    }
}

/// Why a connection ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Waits for the first bytes, and tells from them whether the client speaks HTTP/2.
async fn recognize(stream: TcpStream) -> io::Result<(TcpStream, bool)> {
    let mut opening = [0; HTTP2_OPENING.len()];
    let length = stream.peek(&mut opening).await?;
    Ok((stream, opening[..length] == *HTTP2_OPENING))
}

/// `None` if the connection ran out of time.
async fn serve_http2<A: App>(
    timekeeper: &Timekeeper,
    stream: TokioIo<TrackedStream>,
    requests: Requests<A>,
) -> Option<Result<(), Broken>> {
    let server = Arc::clone(&requests.server);
    // Boxed, because it is large and rare.
    let mut connection = Box::pin(server.http2.serve_connection(stream, requests));
    let leave = OnShutdown::Leave(http2::Connection::graceful_shutdown);
    let ended = timekeeper.hold(connection.as_mut(), leave).await;
    ended.map(|ended| ended.map_err(Into::into))
}

/// The stream and the answer that takes it over, if one does; `None` if the connection ran out of time.
async fn serve_http1<A: App>(
    timekeeper: &Timekeeper,
    stream: TokioIo<TrackedStream>,
    requests: Requests<A>,
) -> Option<Result<Option<(TrackedStream, Answer)>, Broken>> {
    let handover = Handover::default();
    let requests = Requests { handover: Some(handover.clone()), ..requests };
    let (server, activity) = (Arc::clone(&requests.server), Arc::clone(&requests.activity));
    let connection = Some(Box::new(server.http1.serve_connection(stream, requests)));
    let http1 = pin!(Http1 { connection, handover, activity });
    let ended = timekeeper.hold(http1, OnShutdown::Leave(Http1::leave)).await;
    ended.map(|ended| ended.map_err(Into::into))
}

/// The requests of one connection.
struct Requests<A> {
    server: Arc<Server<A>>,
    activity: Arc<Activity>,
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
        let answer =
            dispatch(Arc::clone(&self.server), self.activity.request(), self.peer, self.spare, request);
        let handover = self.handover.clone();
        Box::pin(async move {
            let response = answer.await;
            match handover {
                Some(handover) if response.body().is_endless() => handover.put(response, version).await,
                _ => Ok(response),
            }
        })
    }
}

/// An HTTP/1 connection as hyper serves it, until it ends or an answer takes it over.
struct Http1<A: App> {
    // Boxed, because it is large and may be gone long before the client is; `None` once it is.
    connection: Option<Box<http1::Connection<TokioIo<TrackedStream>, Requests<A>>>>,
    handover: Handover,
    activity: Arc<Activity>,
}

impl<A: App> Http1<A> {
    fn leave(mut self: Pin<&mut Self>) {
        if let Some(connection) = &mut self.connection {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }
}

impl<A: App> Future for Http1<A> {
    type Output = hyper::Result<Option<(TrackedStream, Answer)>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(ended) = Pin::new(&mut **connection).poll(cx) {
            return Poll::Ready(ended.map(|()| None));
        }
        // An answer to an earlier request may still be with hyper, if the client sent both at once. hyper
        // flushes in each turn until all is written or there is no room.
        if self.activity.is_write_blocked() {
            return Poll::Pending;
        }
        let Some(answer) = self.handover.take() else { return Poll::Pending };
        let stream = self.connection.take().map(|connection| connection.into_parts().io.into_inner());
        Poll::Ready(Ok(stream.map(|stream| (stream, answer))))
    }
}
