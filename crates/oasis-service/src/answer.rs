//! The body of an answer that shares memory with other answers. It is sent in slices. If its client does not
//! read it, it loses its memory when other answers need it.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
pub struct AnswerLost;

/// The slices of an answer that are not sent yet; empty once they are lost. Each slice is allocated
/// separately, so that its memory is free once it is sent.
struct Unsent(Mutex<VecDeque<Bytes>>);

impl Unsent {
    fn slices(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder for Unsent {
    fn lose(&self) {
        drop(mem::take(&mut *self.slices()));
    }
}

/// The body of an answer.
pub(crate) struct Answer {
    unsent: Arc<Unsent>,
    share: Share,
    /// The number of bytes that are not sent yet.
    left: usize,
}

impl Answer {
    /// An answer that uses memory of the budget until it is sent.
    ///
    /// # Errors
    /// [`Exhausted`] if too little memory is left, and no answer is sent more slowly.
    pub(crate) fn new(bytes: &[u8], budget: &Arc<Budget>) -> Result<Self, Exhausted> {
        let slices = bytes.chunks(SLICE).map(Bytes::copy_from_slice).collect();
        let unsent = Arc::new(Unsent(Mutex::new(slices)));
        let share = budget.share(unsent.clone(), true);
        share.take(bytes.len(), 0)?;
        Ok(Self { unsent, share, left: bytes.len() })
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = AnswerLost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerLost>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let next = self.unsent.slices().pop_front();
        let Some(slice) = next else { return Poll::Ready(Some(Err(AnswerLost))) };
        self.share.sent(slice.len());
        self.left -= slice.len();
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    impl Unsent {
        /// The number of bytes that are allocated.
        fn allocated(&self) -> usize {
            self.slices().iter().map(Bytes::len).sum()
        }
    }

    /// A client that reads all but the end of an answer must not keep more memory than the budget counts.
    #[tokio::test]
    async fn an_answer_keeps_only_the_memory_that_the_budget_counts() {
        let budget = Budget::new(1 << 20, 1 << 20, 1 << 20, 0);
        let mut answer = Answer::new(&[7; 10 * SLICE + 1], &budget).unwrap();
        for left in (0..=10).rev() {
            assert_eq!(answer.unsent.allocated(), budget.used(), "{left} slices are left");
            assert_eq!(
                answer.frame().await.unwrap().unwrap().into_data().unwrap().len(),
                SLICE.min(left * SLICE + 1)
            );
        }
        assert_eq!((answer.unsent.allocated(), budget.used()), (0, 0));
    }
}
