//! Serves one connection: detects its protocol and answers its requests. If an answer over HTTP/1 is endless,
//! this crate takes the connection away from hyper and sends the answer itself.

use std::convert::Infallible;
use std::future::ready;
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
use crate::connections::Open;
use crate::dispatch::{admit, dispatch, refuse};
use crate::endless::{Endless, Handover};
use crate::server::Server;
use crate::timekeeper::{OnShutdown, Timekeeper};
use crate::tracked_body::TrackedBody;
use crate::tracked_stream::TrackedStream;
use crate::{App, RequestBody};

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113, section 3.4). No HTTP/1.1 method begins with
/// these bytes.
///
/// hyper-util's `auto` is not used, because `auto` reads the whole preface and passes the preface to hyper.
/// This would double the size of hyper's read buffer until the end of the connection.
const HTTP2_PREFIX: &[u8; 3] = b"PRI";

/// Serves a connection until it ends or times out, or until the server drops it. The protocols and an endless
/// answer are boxed, because the future of each connection has room for the largest of its parts.
#[expect(
    clippy::manual_async_fn,
    reason = "the future of an async function has room for its parameters twice"
)]
pub(crate) fn drive<A: App>(
    server: Arc<Server<A>>,
    stream: TcpStream,
    peer: SocketAddr,
    open: Open,
) -> impl Future<Output = ()> + Send {
    async move {
        let (activity, shutdown) = (Arc::clone(&open.activity), server.shutdown.clone());
        let timekeeper = Timekeeper { activity, shutdown, peer };
        let detected = timekeeper.hold(Box::pin(detect_http2(stream)).as_mut(), OnShutdown::Cut).await;
        let Some(Ok((stream, is_http2))) = detected else { return };
        let activity = Arc::clone(&timekeeper.activity);
        let stream = TokioIo::new(TrackedStream::new(stream, Arc::clone(&activity)));
        let (number, spare) = (open.id(), open.spare);
        let requests = Requests { server, activity, peer, number, spare, handover: None };
        let ended: Option<Result<(), ConnectionError>> = if is_http2 {
            timekeeper.activity.record_http2();
            let server = Arc::clone(&requests.server);
            let mut http2 = Box::pin(server.http2.serve_connection(stream, requests));
            let leave = OnShutdown::Leave(http2::Connection::graceful_shutdown);
            timekeeper.hold(http2.as_mut(), leave).await.map(|ended| ended.map_err(Into::into))
        } else {
            let http1 = pin!(Http1::new(stream, requests));
            match timekeeper.hold(http1, OnShutdown::Leave(Http1::leave)).await {
                Some(Ok(Some(mut endless))) => {
                    let sent = timekeeper.hold(endless.as_mut(), OnShutdown::Stay).await;
                    sent.map(|sent| sent.map_err(Into::into))
                }
                ended => ended.map(|ended| ended.map(|_| ()).map_err(Into::into)),
            }
        };
        if let Some(Err(error)) = ended {
            tracing::debug!(%peer, error = chain(&*error), "connection ended");
        }
    }
}

/// The error that ended a connection.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Waits for the first bytes without consuming them, and returns whether the client uses HTTP/2.
async fn detect_http2(stream: TcpStream) -> io::Result<(TcpStream, bool)> {
    let mut first = [0; HTTP2_PREFIX.len()];
    let length = stream.peek(&mut first).await?;
    Ok((stream, first[..length] == *HTTP2_PREFIX))
}

/// Answers the requests of one connection.
struct Requests<A> {
    server: Arc<Server<A>>,
    activity: Arc<Activity>,
    peer: SocketAddr,
    /// The number of the connection.
    number: u64,
    spare: bool,
    /// Receives an endless answer over HTTP/1. `None` for HTTP/2, because hyper sends endless answers over
    /// HTTP/2.
    handover: Option<Handover>,
}

impl<A: App> Service<hyper::Request<Incoming>> for Requests<A> {
    type Response = hyper::Response<TrackedBody>;
    type Error = Infallible;
    // The future is boxed, because hyper reserves memory for it until the end of the connection.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let version = request.version();
        let (reserved, refusal) = match admit(&self.server, &request) {
            Ok(reserved) => (reserved, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let request = RequestBody::wrap(request, self.number, reserved);
        let in_flight = self.activity.request();
        if let Some(refusal) = refusal {
            let response = refuse(&self.server, in_flight, self.peer, request, refusal);
            return Box::pin(ready(Ok(response)));
        }
        let (server, handover) = (Arc::clone(&self.server), self.handover.clone());
        let (peer, spare) = (self.peer, self.spare);
        Box::pin(async move {
            let response = dispatch(server, in_flight, peer, spare, request).await;
            match handover {
                Some(handover) if response.body().is_endless() => handover.put(response, version).await,
                _ => Ok(response),
            }
        })
    }
}

/// An HTTP/1 connection that hyper serves until the connection ends or an answer is endless. The output is
/// the endless answer.
struct Http1<A: App> {
    // The connection is boxed, because it is large and is often dropped long before the client disconnects.
    // `None` after the connection is dropped.
    connection: Option<Box<http1::Connection<TokioIo<TrackedStream>, Requests<A>>>>,
    handover: Handover,
    activity: Arc<Activity>,
}

impl<A: App> Http1<A> {
    fn new(stream: TokioIo<TrackedStream>, requests: Requests<A>) -> Self {
        let handover = Handover::default();
        let requests = Requests { handover: Some(handover.clone()), ..requests };
        let (server, activity) = (Arc::clone(&requests.server), Arc::clone(&requests.activity));
        let connection = Some(Box::new(server.http1.serve_connection(stream, requests)));
        Self { connection, handover, activity }
    }

    fn leave(mut self: Pin<&mut Self>) {
        if let Some(connection) = &mut self.connection {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }
}

impl<A: App> Future for Http1<A> {
    type Output = hyper::Result<Option<Pin<Box<Endless>>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(ended) = Pin::new(&mut **connection).poll(cx) {
            return Poll::Ready(ended.map(|()| None));
        }
        // If the client sent several requests at once, hyper may not have sent an earlier answer completely.
        // On each poll, hyper writes until everything is written or the socket's buffer is full. So the
        // endless answer must wait while a write is blocked.
        if self.activity.is_write_blocked() {
            return Poll::Pending;
        }
        let Some(answer) = self.handover.take() else { return Poll::Pending };
        let stream = self.connection.take().map(|connection| connection.into_parts().io.into_inner());
        Poll::Ready(Ok(stream.map(|stream| Box::pin(Endless::new(stream, answer)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Metrics;

    /// The size of the future that a function returns.
    fn size<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// An idle client of a stream uses little more memory than this future.
    #[test]
    fn the_future_of_a_connection_is_small() {
        let bytes = size(drive::<Metrics>);
        assert!(bytes <= 720, "box the largest of its parts: {bytes} bytes");
    }
}
