//! Reads request bodies. Each body has a size limit and a deadline. All bodies share one memory budget.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use crate::ApiError;

/// The usual size of the first allocation for a body, in bytes. Memory is allocated only when bytes arrive,
/// and not when `Content-Length` announces them.
const FIRST_BYTES: usize = 64 << 10;

/// The memory budget of all request bodies, in bytes.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    total: usize,
    used: AtomicUsize,
}

impl BodyBudget {
    /// A budget of `total` bytes.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.total)
            })
            .is_ok()
    }
}

/// A buffer and its share of the budget. Dropping the buffer returns the share.
struct Charged {
    buffer: Vec<u8>,
    budget: Arc<BodyBudget>,
    charge: usize,
}

impl Charged {
    /// Reserves space for `more` bytes. The buffer grows to at most `bound` bytes, unless `more` bytes need
    /// more space. Returns false if the budget is exhausted.
    fn reserve(&mut self, more: usize, bound: usize) -> bool {
        let needed = self.buffer.len() + more;
        if needed <= self.charge {
            return true;
        }
        let target = needed.max(self.charge * 2).max(FIRST_BYTES).min(bound.max(needed));
        if !self.budget.take(target - self.charge) {
            return false;
        }
        self.charge = target;
        self.buffer.reserve_exact(target - self.buffer.len());
        true
    }
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.charge, Ordering::Relaxed);
    }
}

/// Reads the whole `body`. See [`crate::RequestContext::read_body`].
///
/// # Errors
/// 413 above `cap` bytes, 408 after `limit`, 503 when `budget` is exhausted, 400 when the body ends early.
pub(crate) async fn read_body<B>(
    mut body: B,
    cap: usize,
    budget: &Arc<BodyBudget>,
    limit: Duration,
) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let deadline = Instant::now() + limit;
    let announced = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > cap) {
        return Err(ApiError::payload_too_large(cap));
    }
    let bound = announced.unwrap_or(cap);
    let mut read = Charged { buffer: Vec::new(), budget: Arc::clone(budget), charge: 0 };
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                return Err(ApiError::bad_request("body_incomplete", "the body ended early").because(error));
            }
            Err(_) => {
                let seconds = limit.as_secs();
                return Err(ApiError::timeout(format!("the body did not arrive within {seconds} s")));
            }
        };
        // Trailers are ignored, because no service reads them.
        let Ok(data) = frame.into_data() else { continue };
        let refused = if data.remaining() > cap - read.buffer.len() {
            ApiError::payload_too_large(cap)
        } else if !read.reserve(data.remaining(), bound) {
            ApiError::overloaded("too many request bodies are in memory at once")
        } else {
            read.buffer.extend_from_slice(&data);
            continue;
        };
        return Err(refused);
    }
    Ok(Bytes::from_owner(read))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn the_budget_is_returned_when_the_last_clone_is_dropped() {
        let budget = BodyBudget::new(200_000);
        let body = Full::new(Bytes::from(vec![7; 100_000]));
        let bytes = read_body(body, 100_000, &budget, LIMIT).await.unwrap();
        assert_eq!(bytes.len(), 100_000);
        assert_eq!(budget.used.load(Ordering::Relaxed), 100_000);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used.load(Ordering::Relaxed), 100_000);
        drop(part);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_budget_is_returned_when_a_body_is_refused() {
        let budget = BodyBudget::new(1000);
        let body = Full::new(Bytes::from(vec![7; 1001]));
        let error = read_body(body, 5000, &budget, LIMIT).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (503, "overloaded"));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        let body = Full::new(Bytes::from(vec![7; 1000]));
        assert!(read_body(body, 5000, &budget, LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_answered_with_408() {
        let budget = BodyBudget::new(1000);
        let error = read_body(Stalled, 5000, &budget, LIMIT).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (408, "body_timeout"));
    }

    struct Stalled;

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
}
