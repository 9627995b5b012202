//! A response body that keeps its request marked as in flight, and records what its client reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::activity::InFlight;
use crate::response_body::{AnswerLost, Body};
use crate::stall::Stall;

/// A response body. Its request counts as in flight until the body is dropped.
pub(crate) struct TrackedBody {
    body: Body,
    request: InFlight,
    /// The stream of the answer; `None` over HTTP/1.
    stall: Option<Arc<Stall>>,
}

impl TrackedBody {
    pub(crate) fn new(body: Body, request: InFlight) -> Self {
        Self { body, request, stall: Stall::current() }
    }

    /// Whether the length of the body is unknown until it ends.
    pub(crate) fn is_endless(&self) -> bool {
        self.body.is_endless()
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = AnswerLost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerLost>>> {
        if let Some(stall) = &self.stall {
            stall.asked();
            self.request.record_progress();
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(stall), Poll::Ready(Some(_))) = (&self.stall, &frame) {
            stall.handed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
