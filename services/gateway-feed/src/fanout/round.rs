//! A round: the time from the arrival of a page at a topic until every subscriber that waited for it has been
//! woken.
//!
//! The tail must not outrun subscribers that only wait for a processor, and must not wait for one whose
//! client reads slowly. So:
//!
//! 1. A subscriber with nothing to send takes a [`Share`] of the topic's current round and waits for the
//!    pulse.
//! 2. The tail pushes a page: the pulse gets a new round, and the tail keeps the [`End`] of the one before.
//! 3. The pulse wakes the subscriber. It drops its share before it looks at the page.
//! 4. Once the last share is dropped, the `End` is ready, and the tail reads on.
//!
//! A subscriber that is busy sending holds no share, and nobody waits for it. A share is only ever dropped;
//! nothing is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// One waiting subscriber's part of a round, and the pulse's own.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// Its receiver, the [`End`], learns of the drop of the last clone.
    _held: Arc<oneshot::Sender<Infallible>>,
}

/// Is ready once all shares of its round have been dropped.
#[derive(Debug)]
pub(crate) struct End(oneshot::Receiver<Infallible>);

/// A new round.
pub(crate) fn begin() -> (Share, End) {
    let (held, end) = oneshot::channel();
    (Share { _held: Arc::new(held) }, End(end))
}

impl Future for End {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The only possible outcome is that the sender was dropped.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
