//! The body of a response: bytes, an answer that shares memory with others, or a stream without a known end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::answer::Answer;

pub use crate::answer::AnswerLost;

/// The body of every response.
pub struct Body(Kind);

enum Kind {
    /// `is_own` is true if the bytes were made for this answer only.
    Full {
        bytes: Bytes,
        is_own: bool,
    },
    Answer(Answer),
    Stream(UnsyncBoxBody<Bytes, Infallible>),
}

impl Body {
    /// The bytes of a body that was made for one answer, and that is larger than `most`. Any other body is
    /// returned unchanged.
    pub(crate) fn into_large(self, most: usize) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Full { bytes, is_own: true } if bytes.len() > most => Ok(bytes),
            other => Err(Self(other)),
        }
    }

    pub(crate) fn answer(answer: Answer) -> Self {
        Self(Kind::Answer(answer))
    }

    /// Whether the length of the body is unknown until it ends.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = AnswerLost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerLost>>> {
        match &mut self.0 {
            Kind::Full { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Kind::Full { bytes, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Answer(answer) => Pin::new(answer).poll_frame(cx),
            // A stream has no errors.
            Kind::Stream(stream) => Pin::new(stream).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full { bytes, .. } => bytes.is_empty(),
            Kind::Answer(answer) => answer.is_end_stream(),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Kind::Answer(answer) => answer.size_hint(),
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

/// Makes a body for one answer. Until it is sent, it counts towards the memory of all answers.
pub fn owned(bytes: Vec<u8>) -> Body {
    Body(Kind::Full { bytes: bytes.into(), is_own: true })
}

/// Makes a body of known length. Its bytes do not count towards the memory of all answers.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body(Kind::Full { bytes: bytes.into(), is_own: false })
}
