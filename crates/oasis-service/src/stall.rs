//! Ends an HTTP/2 stream whose client does not read its answer.
//!
//! hyper does not poll the body of a stream that waits for its client, so the body cannot end by itself. But
//! hyper polls the body once more when the client has room for what the body returned last. So [`Watched`]
//! wraps the future of the stream, and drops it when this takes too long. Frames that say nothing about the
//! stream, such as PING, do not help the client.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Since when a stream waits for its client.
pub(crate) struct Stall {
    begun: Instant,
    /// Milliseconds since `begun`, plus one; 0 if the stream does not wait.
    since: AtomicU64,
}

thread_local! {
    /// The stream whose future is polled now.
    static CURRENT: RefCell<Option<Arc<Stall>>> = const { RefCell::new(None) };
}

impl Stall {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), since: AtomicU64::new(0) })
    }

    /// The HTTP/2 stream whose future is polled now. `None` over HTTP/1.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// hyper asks the body for more.
    pub(crate) fn asked(&self) {
        self.since.store(0, Relaxed);
    }

    /// The body has returned a frame.
    pub(crate) fn handed(&self) {
        self.since.store(self.begun.elapsed().as_millis() as u64 + 1, Relaxed);
    }

    fn since(&self) -> Option<Instant> {
        let since = self.since.load(Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_millis(since))
    }
}

/// The future of an HTTP/2 stream. It ends when the stream ends, or has waited for its client for `limit`.
pub(crate) struct Watched<F> {
    // The future is boxed, because the fields of a pinned value can be reached without `unsafe` only then.
    stream: Pin<Box<F>>,
    stall: Arc<Stall>,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F> Watched<F> {
    pub(crate) fn new(stream: F, limit: Duration) -> Self {
        Self { stream: Box::pin(stream), stall: Stall::new(), limit, timer: None }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let before = CURRENT.replace(Some(Arc::clone(&self.stall)));
        let polled = self.stream.as_mut().poll(cx);
        CURRENT.set(before);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = self.stall.since() else {
            self.timer = None;
            return Poll::Pending;
        };
        let deadline = since + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a stream was reset, because its client does not read it");
        Poll::Ready(())
    }
}
