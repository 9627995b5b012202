//! Reads request bodies. Each body has a size limit and deadlines. All bodies share one memory budget. The
//! memory of their requests counts too, because over HTTP/2, a client can send many requests with few bytes,
//! and never send the bodies.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::ApiError;
use crate::budget::{Budget, Holder, Share};
use crate::buffer::Buffer;

/// A larger body is large. Large bodies can use only a part of the budget.
const SMALL: usize = 1 << 20;
/// The memory of a request without its head and body, in bytes: its task and its HTTP/2 stream.
const REQUEST_BYTES: usize = 16 << 10;
/// The memory of a header field without its name and value. A map that has just grown is half empty.
const FIELD_BYTES: usize = 256;
/// The memory of a request without its body is never larger.
const LARGEST_REQUEST: usize = 128 << 10;
/// A body may pause for this time at its beginning. After it, the body must have arrived at an average of at
/// least [`LEAST_PACE`] bytes per second.
const GRACE: Duration = Duration::from_secs(10);
const LEAST_PACE: u32 = 8 << 10;

/// The memory budget of all request bodies, in bytes. A quarter is kept for small bodies.
pub(crate) fn budget(total: usize) -> Arc<Budget> {
    Budget::new(total, SMALL + LARGEST_REQUEST, total / 4 * 3, LEAST_PACE)
}

/// Tells the reader of a body that its share of the budget is lost.
#[derive(Default)]
struct LossSignal(Notify);

impl Holder for LossSignal {
    fn lose(&self) {
        self.0.notify_one();
    }
}

/// The part of the budget that a request with a body uses before the body arrives.
pub(crate) struct Reserved {
    share: Share,
    lost: Arc<LossSignal>,
}

impl Reserved {
    /// Reserves memory that cannot be lost before the body is read.
    ///
    /// # Errors
    /// 503 when `budget` is exhausted, and no body that is being read is slower.
    pub(crate) fn new(budget: &Arc<Budget>, bytes: usize) -> Result<Self, ApiError> {
        let lost = Arc::new(LossSignal::default());
        let share = budget.share(lost.clone(), false);
        share.take(bytes, 0).map_err(|_| overloaded())?;
        Ok(Self { share, lost })
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reserved")
    }
}

/// The estimated memory of a request without its body, in bytes.
pub(crate) fn request_bytes<B>(request: &hyper::Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| FIELD_BYTES + name.as_str().len() + value.len());
    REQUEST_BYTES + target + fields.sum::<usize>()
}

fn overloaded() -> ApiError {
    ApiError::overloaded("too many request bodies are in memory at once")
}

/// A buffer and its share of the budget. Dropping the buffer returns the share.
struct Charged {
    /// The fields are dropped in this order, so the memory is free before the share is returned.
    buffer: Buffer,
    share: Share,
}

impl Charged {
    /// Appends bytes to a body of at most `bound` bytes.
    ///
    /// # Errors
    /// When the budget is exhausted, the share is lost, or the system has no memory.
    fn append(&mut self, data: &[u8], bound: usize) -> Result<(), ApiError> {
        self.share.take(data.len(), data.len()).map_err(|_| overloaded())?;
        self.buffer.append(data, SMALL, bound).map_err(|error| overloaded().because(error))
    }
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref()
    }
}

/// Reads the whole `body`, and calls `progress` for each of its parts. See
/// [`crate::RequestContext::read_body`].
///
/// # Errors
/// 413 above `cap` bytes, 408 if the body is late, 503 when the budget is exhausted and the body is the
/// slowest one, 400 when the body ends early.
pub(crate) async fn read_body<B>(
    mut body: B,
    Reserved { share, lost }: Reserved,
    cap: usize,
    limit: Duration,
    progress: impl Fn(),
) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let begun = Instant::now();
    let announced = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > cap) {
        return Err(ApiError::payload_too_large(cap));
    }
    let bound = announced.unwrap_or(cap);
    share.begin();
    let mut read = Charged { buffer: Buffer::new(), share };
    loop {
        let expected = Duration::from_millis(read.buffer.len() as u64 * 1_000 / u64::from(LEAST_PACE));
        let time = limit.min(GRACE + expected);
        let frame = tokio::select! {
            frame = timeout_at(begun + time, body.frame()) => frame,
            () = lost.0.notified() => return Err(overloaded()),
        };
        let frame = match frame {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) if read.share.keep() => break,
            Ok(None) => return Err(overloaded()),
            Ok(Some(Err(error))) => {
                return Err(ApiError::bad_request("body_incomplete", "the body ended early").because(error));
            }
            Err(_) if time < limit => {
                let message = format!("the body arrived at less than {LEAST_PACE} bytes per second");
                return Err(ApiError::timeout(message));
            }
            Err(_) => {
                let seconds = limit.as_secs();
                return Err(ApiError::timeout(format!("the body did not arrive within {seconds} s")));
            }
        };
        // Trailers are ignored, because no service reads them.
        let Ok(data) = frame.into_data() else { continue };
        if data.remaining() > cap - read.buffer.len() {
            return Err(ApiError::payload_too_large(cap));
        }
        progress();
        read.append(&data, bound)?;
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

    /// Reads the body of a request that uses `bytes` without the body.
    async fn read<B>(
        body: B,
        bytes: usize,
        cap: usize,
        budget: &Arc<Budget>,
        limit: Duration,
    ) -> Result<Bytes, ApiError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Unpin,
    {
        read_body(body, Reserved::new(budget, bytes)?, cap, limit, || ()).await
    }

    #[tokio::test]
    async fn the_budget_is_returned_when_the_last_clone_is_dropped() {
        let budget = budget(200_000);
        let body = Full::new(Bytes::from(vec![7; 100_000]));
        let bytes = read(body, 0, 100_000, &budget, LIMIT).await.unwrap();
        assert_eq!(bytes.len(), 100_000);
        assert_eq!(budget.used(), 100_000);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used(), 100_000);
        drop(part);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn the_budget_is_returned_when_a_body_is_refused() {
        let budget = budget(1000);
        let body = Full::new(Bytes::from(vec![7; 1001]));
        let error = read(body, 0, 5000, &budget, LIMIT).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (503, "overloaded"));
        assert_eq!(budget.used(), 0);
        let body = Full::new(Bytes::from(vec![7; 1000]));
        assert!(read(body, 0, 5000, &budget, LIMIT).await.is_ok());
    }

    /// A body of which `first` arrives at once, and then one byte each second.
    struct Slow {
        first: Bytes,
        next: Pin<Box<tokio::time::Sleep>>,
    }

    impl Slow {
        fn new(first: usize) -> Self {
            let next = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
            Self { first: Bytes::from(vec![7; first]), next }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if !self.first.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
            }
            std::task::ready!(self.next.as_mut().poll(cx));
            self.next = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"7")))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_too_slowly_is_answered_with_408() {
        let budget = budget(1 << 20);
        for (first, seconds) in [(1, 10), (80 << 10, 20)] {
            let begun = Instant::now();
            let long = Duration::from_secs(60);
            let error = read(Slow::new(first), 0, 1 << 20, &budget, long).await.unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (408, "body_timeout"));
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }

    /// Forty false deliveries hold all that large bodies may use, and then some small ones arrive.
    #[tokio::test(start_paused = true)]
    async fn slow_bodies_do_not_keep_others_out() {
        let budget = budget(100 << 20);
        let long = Duration::from_secs(60);
        let mut slow = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (budget, body) = (budget.clone(), Slow::new(16 << 20));
            slow.spawn(async move { read(body, 0, 25 << 20, &budget, long).await });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(budget.used() > 60 << 20, "{}", budget.used());
        let fast = async |bytes: usize| {
            read(Full::new(Bytes::from(vec![7; bytes])), 0, 25 << 20, &budget, long).await
        };
        let mut held = Vec::new();
        for _ in 0..90 {
            held.push(fast(1 << 20).await.unwrap());
        }
        held.clear();
        assert_eq!(fast(20 << 20).await.unwrap().len(), 20 << 20, "a large one that is faster");
        slow.abort_all();
        while slow.join_next().await.is_some() {}
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_answered_with_408() {
        let budget = budget(1000);
        let error = read(Stalled, 0, 5000, &budget, LIMIT).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (408, "body_timeout"));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_whose_bodies_never_come_give_way() {
        const HEAD: usize = 10_000;
        let budget = budget(10 * HEAD);
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..15 {
            let budget = budget.clone();
            waiting.spawn(async move { read(Stalled, HEAD, 1000, &budget, LIMIT).await });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(budget.used(), 10 * HEAD);
        let refused = async |waiting: &mut tokio::task::JoinSet<Result<Bytes, ApiError>>| {
            waiting.join_next().await.unwrap().unwrap().unwrap_err().status().as_u16()
        };
        for _ in 0..5 {
            assert_eq!(refused(&mut waiting).await, 503);
        }
        let body = Full::new(Bytes::from_static(b"abc"));
        assert_eq!(read(body, HEAD, 1000, &budget, LIMIT).await.unwrap(), "abc");
        assert_eq!(refused(&mut waiting).await, 503);
        let before = Reserved::new(&budget, 4 * HEAD).unwrap();
        assert!(Reserved::new(&budget, 7 * HEAD).is_err(), "memory is lost only while a body is read");
        drop(before);
        while waiting.join_next().await.is_some() {}
        assert_eq!(budget.used(), 0);
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
