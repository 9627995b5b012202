//! Enforces the time limits of a connection in each of its phases, and makes the current phase end at the
//! shutdown. The phases are: detecting the protocol, serving requests over HTTP/1 or HTTP/2, and sending an
//! endless answer.
//!
//! hyper's header timeout also closes connections that are idle between requests. hyper has no limit for the
//! time before the protocol is known, and no limit for a client that never reads. So this file enforces all
//! limits. Each connection has one timer. Reading or writing bytes does not reset the timer. When the timer
//! fires, the recorded activity decides whether the connection has timed out.

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

/// What the shutdown does to a phase.
pub(crate) enum OnShutdown<F> {
    /// Ends the phase at once.
    Cut,
    /// Calls a function that asks the phase to end. The phase ends when all its requests are answered.
    Leave(fn(Pin<&mut F>)),
    /// Does nothing. The phase ends by itself, because the app ends its endless bodies at the shutdown.
    Stay,
}

impl Timekeeper {
    /// Polls `phase` to its end. Returns `None` if the phase timed out or was cut.
    pub(crate) async fn hold<F: Future>(
        &self,
        mut phase: Pin<&mut F>,
        on_shutdown: OnShutdown<F>,
    ) -> Option<F::Output> {
        let mut timer = pin!(sleep_until(self.activity.deadline()));
        // All connections compete for the lock of the token. So the timekeeper polls the token only if the
        // shutdown must end the phase.
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
                // Only an earlier deadline moves the timer. A later deadline is noticed when the timer fires.
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
