//! The body of a response: bytes, or a stream without a known end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The body of every response.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Full(Bytes),
    Stream(UnsyncBoxBody<Bytes, Infallible>),
}

impl Body {
    /// Whether the length of the body is unknown until it ends.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

/// The response that a route returns.
pub type Response = hyper::Response<Body>;

/// Makes a body that is produced over time and cannot fail, for example a stream of events. Over HTTP/1, the
/// connection closes when the body ends.
pub fn boxed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes, Error = Infallible> + Send + 'static,
{
    Body(Kind::Stream(body.boxed_unsync()))
}

/// Makes a body without bytes.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// Makes a body of known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body(Kind::Full(bytes.into()))
}
