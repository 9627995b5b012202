//! Lets the process parse one large event at a time. Parsed JSON can need a hundred times the memory of its
//! text. The senders take turns: only one event of each sender waits for the turn, and its other events wait
//! behind that one.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::access::Lane;

/// The turn of the process.
static TURN: Semaphore = Semaphore::const_new(1);
/// For each sender with a large event, the right to wait for the turn.
static LANES: LazyLock<Mutex<HashMap<Lane<'static>, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// The right to parse a large event.
pub(super) struct Turn {
    _turn: Option<SemaphorePermit<'static>>,
    _first: First,
}

/// The right to wait for the turn. It is dropped after the turn.
struct First {
    lane: Lane<'static>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for First {
    fn drop(&mut self) {
        let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.permit.take());
        // If the map has the only reference, no other event of the sender waits.
        if lanes.get(&self.lane).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.lane);
        }
    }
}

/// Waits for the turn of a sender.
pub(super) async fn turn(lane: Lane<'static>) -> Turn {
    // This value exists before the wait, so that the lane is removed even if the request ends meanwhile.
    let mut first = First { lane, permit: None };
    let own = {
        let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(lane).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    };
    // The semaphores are never closed.
    first.permit = own.acquire_owned().await.ok();
    Turn { _turn: TURN.acquire().await.ok(), _first: first }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_sender_with_many_large_events_does_not_delay_another_one() {
        let (many, one) = (Lane::Token(1), Lane::Token(2));
        let running = turn(many).await;
        let mut second = Box::pin(turn(many));
        let mut third = Box::pin(turn(many));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        let mut other = Box::pin(turn(one));
        assert!(other.as_mut().now_or_never().is_none(), "one event is parsed at a time");
        drop(running);
        let other = other.now_or_never().expect("the other sender is next");
        assert!(second.as_mut().now_or_never().is_none());
        drop(other);
        drop(second.now_or_never().expect("the first sender is next"));
        // A request that no longer waits leaves nothing behind.
        assert!(third.as_mut().now_or_never().is_some());
        let running = turn(many).await;
        let mut waiting = Box::pin(turn(many));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((running, waiting));
        assert!(LANES.lock().unwrap().is_empty());
    }
}
