//! A round of a topic. Subscribers join the round to wait for the next page. The round ends once the page
//! has woken all subscribers that joined.
//!
//! The tail must wait for subscribers that need only processor time to continue. But the tail must not wait
//! for a subscriber whose client reads slowly. So:
//!
//! 1. A subscriber with nothing to send takes a [`Share`] of the topic's current round and waits for the
//!    pulse.
//! 2. The tail pushes a page. The pulse gets a new round, and the tail keeps the [`End`] of the previous
//!    round.
//! 3. The pulse wakes the subscriber. The subscriber drops its share before it processes the page.
//! 4. Once the last share is dropped, the `End` is ready, and the tail reads the next page.
//!
//! A subscriber that is busy sending holds no share, so the tail does not wait for this subscriber. A share
//! contains no data: only its drop has an effect.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Keeps a round open. Each waiting subscriber holds a share of its round, and the pulse holds a share of
/// the current round.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// The [`End`] holds the receiver of this channel. The receiver is ready when the last clone of the
    /// sender is dropped.
    _held: Arc<oneshot::Sender<Infallible>>,
}

/// A future that is ready once all shares of its round have been dropped.
#[derive(Debug)]
pub(crate) struct End(oneshot::Receiver<Infallible>);

/// Begins a round.
pub(crate) fn begin() -> (Share, End) {
    let (held, end) = oneshot::channel();
    (Share { _held: Arc::new(held) }, End(end))
}

impl Future for End {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // `Infallible` has no values, so the only possible outcome is that the sender was dropped.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
