//! Keeps each phase of a connection within its time, and tells it about the shutdown.
//!
//! hyper's own header timeout also cuts connections that merely idle between requests, and nothing of
//! hyper's covers the time before the protocol is known, or a client that never reads. So the limits are
//! kept here: one timer for each connection, which no byte resets, reads the activity when it fires.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::time::{Instant, sleep_until};

use crate::Shutdown;
use crate::activity::Activity;

/// The time limits of one connection.
pub(crate) struct Timekeeper {
    pub(crate) activity: Arc<Activity>,
    pub(crate) shutdown: Shutdown,
    pub(crate) peer: SocketAddr,
}

/// What happens to a phase when the shutdown begins.
pub(crate) enum OnShutdown<F> {
    /// The phase is cut.
    Cut,
    /// The function asks the phase to end, which it does when its requests are answered.
    Leave(fn(Pin<&mut F>)),
    /// The phase ends by itself: the app knows of the shutdown, and so do the bodies that it makes.
    Stay,
}

impl Timekeeper {
    /// Polls `phase` to its end; `None` if it ran out of time, or was cut.
    pub(crate) async fn hold<F: Future>(
        &self,
        mut phase: Pin<&mut F>,
        on_shutdown: OnShutdown<F>,
    ) -> Option<F::Output> {
        let mut timer = pin!(sleep_until(self.activity.deadline()));
        // The polls of all connections meet at the token's lock, so it is polled only while it matters.
        let mut triggered = pin!(match on_shutdown {
            OnShutdown::Stay => None,
            OnShutdown::Cut | OnShutdown::Leave(_) => Some(self.shutdown.token().clone().cancelled_owned()),
        });
        poll_fn(|cx| {
            if let Some(trigger) = triggered.as_mut().as_pin_mut()
                && trigger.poll(cx).is_ready()
            {
                triggered.set(None);
                match on_shutdown {
                    OnShutdown::Leave(leave) => leave(phase.as_mut()),
                    OnShutdown::Cut => return Poll::Ready(None),
                    OnShutdown::Stay => {}
                }
            }
            if let Poll::Ready(output) = phase.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            loop {
                // A later deadline waits for the timer to fire; only an earlier one moves it.
                let deadline = self.activity.deadline();
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                if deadline <= Instant::now() {
                    tracing::debug!(peer = %self.peer, "connection timed out");
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await
    }
}
