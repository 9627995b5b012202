//! The body of a request. Even if a route drops the body unread, the client gets the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::body::Reserved;

/// The maximum number of bytes of an unread body that are read and discarded.
const DRAIN_BYTES: usize = 64 << 20;
/// The time limit for reading and discarding an unread body.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A request whose body has not been read yet. See [`crate::RequestContext::read_body`].
pub type Request = hyper::Request<RequestBody>;

/// A body that may still be arriving. [`crate::RequestContext::read_body`] reads it with limits.
///
/// Many clients send the whole body before they read the answer. If the server refused a request (401, 404,
/// 413) and closed the connection before it had read all bytes, the client would see a connection reset
/// instead of the answer. So the rest of a dropped body is read in the background, with limits. This is
/// necessary over HTTP/2 as well: some clients, such as curl 7.88, report a failure if the server asks them
/// to stop sending (NO_ERROR).
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once the body is abandoned, and while this value is dropped.
    incoming: Option<Incoming>,
    /// Whether the client waits for `100 Continue`. hyper sends `100 Continue` when the body is first polled.
    awaits_continue: bool,
    connection: u64,
    /// The memory of the request. `None` if the request has no body, or once the body is read.
    reserved: Option<Reserved>,
}

impl RequestBody {
    /// Wraps the body of a request that came over the connection with the number `connection`.
    pub(crate) fn wrap(
        request: hyper::Request<Incoming>,
        connection: u64,
        reserved: Option<Reserved>,
    ) -> Request {
        let awaits_continue = request.headers().contains_key(EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), awaits_continue, connection, reserved })
    }

    /// Takes the memory that the request has reserved.
    pub(crate) fn take_reserved(&mut self) -> Option<Reserved> {
        self.reserved.take()
    }

    /// The number of the connection over which the request came. No other connection of the server has had
    /// it.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Leaves the rest of the body unread. Call this function if the body did not arrive within the time
    /// limit.
    pub(crate) fn abandon(&mut self) {
        self.incoming = None;
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.awaits_continue = false;
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.awaits_continue || self.is_end_stream() {
            return;
        }
        // If there is no runtime, the process is ending, and the answer no longer matters.
        if let (Some(incoming), Ok(runtime)) = (self.incoming.take(), Handle::try_current()) {
            runtime.spawn(timeout(DRAIN_TIME, drain(incoming)));
        }
    }
}

async fn drain(mut incoming: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = incoming.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(bytes) else { return };
        left = rest;
    }
}
