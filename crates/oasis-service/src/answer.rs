//! The body of an answer that shares memory with other answers. It is sent in slices. If its client does not
//! read it, it loses its memory when other answers need it.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::budget::{Budget, Exhausted, Holder, Share};

/// An answer is sent in slices of at most this many bytes. hyper and h2 keep a slice until the client has
/// room for it, so they must not get the whole answer at once.
pub(crate) const SLICE: usize = 16 << 10;

/// The memory of an answer was given to other answers, because its client did not read it.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read the answer in time")]
pub struct Lost;

/// The bytes of an answer; empty once they are sent or lost.
struct Unsent(Mutex<Vec<u8>>);

impl Unsent {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Holder for Unsent {
    fn lose(&self) {
        drop(self.take());
    }
}

/// The body of an answer.
pub(crate) struct Answer {
    unsent: Arc<Unsent>,
    share: Share,
    at: usize,
    length: usize,
}

impl Answer {
    /// An answer that uses memory of the budget until it is sent.
    ///
    /// # Errors
    /// [`Exhausted`] if too little memory is left, and no answer is sent more slowly.
    pub(crate) fn new(bytes: Vec<u8>, budget: &Arc<Budget>) -> Result<Self, Exhausted> {
        let length = bytes.len();
        let unsent = Arc::new(Unsent(Mutex::new(bytes)));
        let share = budget.share(unsent.clone());
        share.take(length, 0)?;
        Ok(Self { unsent, share, at: 0, length })
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let end = self.length.min(self.at + SLICE);
        let slice = {
            let bytes = self.unsent.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The slice is copied, so that it does not keep the other bytes in memory.
            bytes.get(self.at..end).map(Bytes::copy_from_slice)
        };
        let Some(slice) = slice else { return Poll::Ready(Some(Err(Lost))) };
        self.share.sent(slice.len());
        self.at = end;
        if self.is_end_stream() {
            drop(self.unsent.take());
        }
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.length - self.at) as u64)
    }
}
