//! [`Turns`]: limits how much work of one sort runs at the same time, and shares the turns fairly.
//!
//! The clients take turns, and so do the connections of one client. So many requests of one client do not
//! delay the request of another, and many requests of one connection do not delay the request of another
//! connection. Expensive work uses only some of the turns, so cheap work does not wait for it. If there is
//! only one turn, cheap and expensive work alternate.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oasis_service::{ApiError, Request as HttpRequest};
use oasis_store::Lanes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::access::{Lane, Viewer};

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a read may take. The database then cancels it.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// The maximum number of cheap reads that wait, and of expensive ones.
const MOST_READS_WAITING: usize = 500;
/// The turns of connections that no longer wait are forgotten when there are about this many.
const FORGOTTEN_TURNS: usize = 100;
/// Expensive work uses this part of the turns, and at least one.
const EXPENSIVE_PART: usize = 2;

/// How much work a read is for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The work depends only on the size of the answer.
    Cheap,
    /// The database may have to look at many more rows than the answer has.
    Expensive,
}

/// Who asks for a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    client: Lane<'a>,
    connection: u64,
}

impl<'a> Asker<'a> {
    /// A client that sent a request.
    pub(crate) fn new(client: Lane<'a>, request: &HttpRequest) -> Self {
        Self { client, connection: request.body().connection() }
    }

    /// A user who sent a request.
    pub(crate) fn of_viewer(viewer: &'a Viewer, request: &HttpRequest) -> Self {
        Self::new(Lane::User(&viewer.user), request)
    }

    /// A client whose connections share one line.
    pub(crate) fn of_client(client: Lane<'a>) -> Self {
        Self { client, connection: 0 }
    }
}

/// The turns of one sort of work. Clones share the turns.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Inner>);

struct Inner {
    most: usize,
    most_expensive: usize,
    most_waiting: usize,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    running_expensive: usize,
    cheap: Waiting,
    expensive: Waiting,
    /// Whether the last turn was one for expensive work.
    was_expensive: bool,
}

/// The requests that wait, each in the lane of its client.
#[derive(Default)]
struct Waiting {
    requests: Lanes<u64, Request>,
    /// The number of all requests until now.
    number: u64,
    /// For connections that have had a turn, the number of that turn.
    turns: HashMap<u64, u64>,
}

struct Request {
    turn: oneshot::Sender<Turn>,
    weight: usize,
    connection: u64,
    /// Newer requests have higher numbers.
    number: u64,
}

/// The right to work. Dropping this value gives the turn to the next request.
pub(crate) struct Turn {
    turns: Arc<Inner>,
    cost: Cost,
    is_taken: bool,
}

impl Turns {
    /// Turns for the reads of requests. They use at most half of the `connections` to the database. The
    /// streams and /ready use the other half.
    pub(crate) fn of_reads(connections: u16) -> Self {
        Self::new(usize::from(connections.div_ceil(2)), MOST_READS_WAITING)
    }

    /// Turns for at most `most` pieces of work at the same time. `most_waiting` is the maximum weight of all
    /// requests that wait: first of the cheap ones, and again of the expensive ones.
    pub(crate) fn new(most: usize, most_waiting: usize) -> Self {
        let most = most.max(1);
        Self(Arc::new(Inner {
            most,
            most_expensive: (most / EXPENSIVE_PART).max(1),
            most_waiting,
            hasher: RandomState::new(),
            state: Mutex::default(),
        }))
    }

    /// Reads the table when it is the turn of `asker`.
    ///
    /// # Errors
    /// The errors of [`Self::take`] and of `read`; 503 if `read` takes more than [`READ_WITHIN`].
    pub(crate) async fn read<T>(
        &self,
        asker: Asker<'_>,
        cost: Cost,
        read: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let _turn = self.take(asker, cost, 1).await?;
        timeout(READ_WITHIN, read).await.unwrap_or_else(|late| {
            Err(ApiError::unavailable("late", "the query took too long", late)
                .hint("ask for fewer rows, or page with `before` instead of `offset`, or try again later"))
        })
    }

    /// Waits for the turn of `asker`. If the requests that wait have too much weight, the newest one of the
    /// client whose requests have the most weight gives way.
    ///
    /// # Errors
    /// 503 after [`PATIENCE`], or if the request gives way.
    pub(crate) async fn take(&self, asker: Asker<'_>, cost: Cost, weight: usize) -> Result<Turn, ApiError> {
        let overloaded = || ApiError::overloaded("too many requests are waiting");
        let mut turn = self.0.request(asker, cost, weight).ok_or_else(overloaded)?;
        if let Ok(turn) = turn.try_recv() {
            return Ok(turn);
        }
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

    /// Adds a request, and gives it a turn if one is free. `None` if there is no room for the request.
    fn request(
        self: &Arc<Self>,
        asker: Asker<'_>,
        cost: Cost,
        weight: usize,
    ) -> Option<oneshot::Receiver<Turn>> {
        let client = self.hasher.hash_one(asker.client);
        let mut state = self.state();
        let waiting = state.waiting(cost);
        waiting.make_room(client, asker.connection, weight, self.most_waiting)?;
        waiting.number += 1;
        let (turn, receiver) = oneshot::channel();
        let request = Request { turn, weight, connection: asker.connection, number: waiting.number };
        waiting.requests.push_back(client, weight, request);
        state.give(self);
        Some(receiver)
    }
}

impl State {
    fn waiting(&mut self, cost: Cost) -> &mut Waiting {
        match cost {
            Cost::Cheap => &mut self.cheap,
            Cost::Expensive => &mut self.expensive,
        }
    }

    fn has_turn(&self, turns: &Inner, cost: Cost) -> bool {
        self.running < turns.most && (cost == Cost::Cheap || self.running_expensive < turns.most_expensive)
    }

    /// Gives the free turns to requests that wait. Cheap and expensive work alternate, so neither waits for
    /// all of the other if there is only one turn.
    fn give(&mut self, turns: &Arc<Inner>) {
        while let Some((cost, next)) = self.next(turns) {
            self.was_expensive = cost == Cost::Expensive;
            self.begin(cost);
            let turn = Turn { turns: Arc::clone(turns), cost, is_taken: true };
            // A request that no longer waits needs no turn.
            if let Err(mut turn) = next.turn.send(turn) {
                turn.is_taken = false;
                self.end(cost);
            }
        }
    }

    /// The request that gets the next turn.
    fn next(&mut self, turns: &Inner) -> Option<(Cost, Request)> {
        let order = [Cost::Expensive, Cost::Cheap];
        let order = if self.was_expensive { [order[1], order[0]] } else { order };
        order.into_iter().find_map(|cost| {
            let has_turn = self.has_turn(turns, cost);
            has_turn.then(|| self.waiting(cost).pop()).flatten().map(|request| (cost, request))
        })
    }

    fn begin(&mut self, cost: Cost) {
        self.running += 1;
        self.running_expensive += usize::from(cost == Cost::Expensive);
    }

    fn end(&mut self, cost: Cost) {
        self.running -= 1;
        self.running_expensive -= usize::from(cost == Cost::Expensive);
    }
}

impl Waiting {
    /// The next request of the client whose turn it is: that of the connection whose last turn was the
    /// longest time ago.
    fn pop(&mut self) -> Option<Request> {
        let turns = &self.turns;
        let next = self.requests.pop_lowest(|request| turns.get(&request.connection).copied())?;
        self.number += 1;
        self.turns.insert(next.connection, self.number);
        if self.turns.len() > 2 * self.requests.len() + FORGOTTEN_TURNS {
            let waiting: HashSet<u64> = self.requests.iter().map(|request| request.connection).collect();
            self.turns.retain(|connection, _| waiting.contains(connection));
        }
        Some(next)
    }

    /// Makes room for a request with this `weight`: the newest requests of the client with the most give
    /// way, or those of the connection with the most. `None` if this is the one that asks.
    fn make_room(&mut self, client: u64, connection: u64, weight: usize, most: usize) -> Option<()> {
        let needed = |waiting: &Self| match waiting.requests.weight() {
            0 => 0,
            sum => (sum + weight).saturating_sub(most),
        };
        if needed(self) > 0 {
            // Requests that no longer wait need no room.
            self.requests.extract(|request| request.turn.is_closed());
        }
        while needed(self) > 0 {
            if self.requests.give_way(client, weight, needed(self)).is_none() {
                self.give_way_by_connection(connection, weight)?;
            }
        }
        Some(())
    }

    /// Removes the newest request of the connection with the most, if it has more than `connection` would
    /// have.
    fn give_way_by_connection(&mut self, connection: u64, weight: usize) -> Option<()> {
        let mut connections: HashMap<u64, (usize, u64)> = HashMap::new();
        for request in self.requests.iter() {
            let (sum, newest) = connections.entry(request.connection).or_default();
            (*sum, *newest) = (*sum + request.weight, request.number.max(*newest));
        }
        let own = connections.get(&connection).map_or(0, |(sum, _)| *sum) + weight;
        let (_, newest) = connections.into_values().max().filter(|(sum, _)| *sum > own)?;
        self.requests.extract(|request| request.number == newest);
        Some(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_taken {
            let mut state = self.turns.state();
            state.end(self.cost);
            state.give(&self.turns);
        }
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
