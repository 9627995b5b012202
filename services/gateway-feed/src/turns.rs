//! [`Turns`]: limits how many reads of the table run at the same time, and shares the turns fairly.
//!
//! The connections of clients take turns, so many requests of one connection do not delay the request of
//! another. Dear reads use only some of the turns, so cheap reads do not wait for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oasis_service::ApiError;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// The maximum number of requests that wait.
const MOST_WAITING: usize = 1_000;
/// Dear reads use this part of the turns, and at least one.
const DEAR_PART: usize = 2;

/// Stands for the connection of all reads that belong to writes.
pub(crate) const WRITES: u64 = u64::MAX;

/// How much work a read is for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The work depends only on the size of the answer.
    Cheap,
    /// The database may have to look at many more rows than the answer has.
    Dear,
}

/// The turns of the reads of one sort.
pub(crate) struct Turns(Arc<Inner>);

struct Inner {
    most: usize,
    most_dear: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    running_dear: usize,
    cheap: Queue,
    dear: Queue,
}

/// The requests that wait. The connections are in the order of their turns.
#[derive(Default)]
struct Queue {
    order: VecDeque<u64>,
    waiting: HashMap<u64, VecDeque<oneshot::Sender<Turn>>>,
    length: usize,
}

/// The right to read. Dropping this value gives the turn to the next request.
pub(crate) struct Turn {
    turns: Arc<Inner>,
    cost: Cost,
    is_taken: bool,
}

impl Turns {
    /// Turns for at most `most` reads at the same time.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = Mutex::default();
        Self(Arc::new(Inner { most, most_dear: (most / DEAR_PART).max(1), state }))
    }

    /// Waits for a turn. `connection` is the number of the connection of the request.
    ///
    /// # Errors
    /// 503 after [`PATIENCE`], or if too many requests wait.
    pub(crate) async fn take(&self, connection: u64, cost: Cost) -> Result<Turn, ApiError> {
        let overloaded = || ApiError::overloaded("too many queries are waiting");
        let turn = {
            let mut state = self.0.state();
            if state.queue(cost).length == 0 && state.has_turn(&self.0, cost) {
                return Ok(self.0.begin(&mut state, cost));
            }
            if state.cheap.length + state.dear.length >= MOST_WAITING {
                return Err(overloaded());
            }
            state.queue(cost).push(connection)
        };
        match timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, state: &mut State, cost: Cost) -> Turn {
        state.running += 1;
        state.running_dear += usize::from(cost == Cost::Dear);
        Turn { turns: Arc::clone(self), cost, is_taken: true }
    }

    fn end(state: &mut State, cost: Cost) {
        state.running -= 1;
        state.running_dear -= usize::from(cost == Cost::Dear);
    }
}

impl State {
    fn queue(&mut self, cost: Cost) -> &mut Queue {
        match cost {
            Cost::Cheap => &mut self.cheap,
            Cost::Dear => &mut self.dear,
        }
    }

    fn has_turn(&self, turns: &Inner, cost: Cost) -> bool {
        self.running < turns.most && (cost == Cost::Cheap || self.running_dear < turns.most_dear)
    }

    /// Gives the free turns to requests that wait. A dear read comes first, because dear reads can use few
    /// turns.
    fn give(&mut self, turns: &Arc<Inner>) {
        for cost in [Cost::Dear, Cost::Cheap] {
            while self.has_turn(turns, cost)
                && let Some(next) = self.queue(cost).pop()
            {
                let turn = turns.begin(self, cost);
                // A request that no longer waits needs no turn.
                if let Err(mut turn) = next.send(turn) {
                    turn.is_taken = false;
                    Inner::end(self, cost);
                }
            }
        }
    }
}

impl Queue {
    fn push(&mut self, connection: u64) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        let of_connection = self.waiting.entry(connection).or_default();
        if of_connection.is_empty() {
            self.order.push_back(connection);
        }
        of_connection.push_back(sender);
        self.length += 1;
        receiver
    }

    /// The next request of the connection whose turn it is.
    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let connection = self.order.pop_front()?;
        let of_connection = self.waiting.get_mut(&connection)?;
        let next = of_connection.pop_front();
        if of_connection.is_empty() {
            self.waiting.remove(&connection);
        } else {
            self.order.push_back(connection);
        }
        self.length -= 1;
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_taken {
            let mut state = self.turns.state();
            Inner::end(&mut state, self.cost);
            state.give(&self.turns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a turn in a task, and waits until the task waits for it.
    async fn wait(turns: &Arc<Turns>, connection: u64, cost: Cost) -> tokio::task::JoinHandle<Turn> {
        let waiting = |turns: &Turns| {
            let state = turns.0.state();
            state.cheap.length + state.dear.length
        };
        let before = waiting(turns);
        let task = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(connection, cost).await.unwrap() }
        });
        while waiting(turns) == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn connections_take_turns() {
        let turns = Arc::new(Turns::new(1));
        let first = turns.take(1, Cost::Cheap).await.unwrap();
        let greedy = [wait(&turns, 1, Cost::Cheap).await, wait(&turns, 1, Cost::Cheap).await];
        let other = wait(&turns, 2, Cost::Cheap).await;
        drop(first);
        let [second, third] = greedy;
        let second = second.await.unwrap();
        assert!(!third.is_finished() && !other.is_finished());
        drop(second);
        let other = other.await.unwrap();
        assert!(!third.is_finished());
        drop(other);
        drop(third.await.unwrap());
        assert_eq!(turns.0.state().running, 0);
        assert!(turns.0.state().cheap.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn cheap_reads_do_not_wait_for_dear_ones() {
        let turns = Turns::new(4);
        let dear = [turns.take(1, Cost::Dear).await.unwrap(), turns.take(2, Cost::Dear).await.unwrap()];
        let refused = turns.take(1, Cost::Dear).await.map(drop).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"));
        let cheap: Vec<Turn> = futures_util::future::join_all((0..2).map(|_| turns.take(1, Cost::Cheap)))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert!(turns.take(2, Cost::Cheap).await.is_err());
        drop((dear, cheap));
        let state = turns.0.state();
        assert_eq!((state.running, state.running_dear), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_too_long_gets_no_turn_later() {
        let turns = Turns::new(1);
        let first = turns.take(1, Cost::Cheap).await.unwrap();
        assert!(turns.take(2, Cost::Cheap).await.is_err());
        assert!(timeout(Duration::from_secs(1), turns.take(3, Cost::Cheap)).await.is_err());
        drop(first);
        assert_eq!(turns.0.state().running, 0);
        drop(turns.take(4, Cost::Cheap).await.unwrap());
    }
}
