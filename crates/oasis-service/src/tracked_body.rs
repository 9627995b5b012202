//! A response body that keeps its request marked as in flight.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::activity::InFlight;
use crate::response_body::Body;

/// A response body. Its request counts as in flight until the body is dropped.
pub(crate) struct TrackedBody {
    body: Body,
    _request: InFlight,
}

impl TrackedBody {
    pub(crate) fn new(body: Body, request: InFlight) -> Self {
        Self { body, _request: request }
    }

    /// Whether the length of the body is unknown until it ends.
    pub(crate) fn is_endless(&self) -> bool {
        self.body.is_endless()
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
