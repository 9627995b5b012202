//! Appends events. Concurrent appends of one process share statements. Each append is answered after the
//! commit of its statement.
//!
//! The table's lock allows one commit at a time, so all appends that arrive during one commit are sent
//! together as the next statement. This batching needs no timer, and a single append does not wait for
//! others. Every append is answered within [`ANSWER_WITHIN`] of its arrival.
//!
//! The path of an append: [`Appender`] → `queue.rs` (waiting appends) → `batcher.rs` (the loop) →
//! `insert.rs` (the statement). `verdict.rs` decides what happens to an append whose statement failed.

mod batcher;
mod error;
mod insert;
mod prepared;
mod queue;
mod refusal;
mod verdict;

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use oasis_core::NewEvent;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::StoreError;
use crate::store::{self, Store};

pub use error::AppendError;
pub use insert::Appended;
pub use prepared::PreparedEvent;
pub use refusal::{Refusal, RefusedEvent};

use batcher::Batcher;
use queue::{Job, Queue, Sender};

/// The time limit for the answer to an append, counted from the arrival of the request. GitHub waits 10 s for
/// an answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Appends events to the table, for one sender. An `Appender` is cheap to clone. The batcher ends when the
/// last clone has been dropped and every append has been answered.
#[derive(Clone)]
pub struct Appender {
    queue: Arc<Callers>,
    sender: Sender,
}

/// The callers' side of the queue.
struct Callers {
    queue: Arc<Queue>,
    hasher: RandomState,
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Store {
    /// Starts a batcher with a separate connection, so that waiting writers never delay readers.
    ///
    /// # Errors
    /// When TLS can't be set up in the way that the URL requires.
    pub fn appender(&self) -> Result<Appender, StoreError> {
        self.start_appender(None)
    }

    /// Starts a batcher for a program that seldom appends. The batcher closes its connection after `linger`
    /// without an append, so that thousands of such programs do not stay connected.
    ///
    /// # Errors
    /// When TLS can't be set up in the way that the URL requires.
    pub fn occasional_appender(&self, linger: Duration) -> Result<Appender, StoreError> {
        self.start_appender(Some(linger))
    }

    /// If `linger` is set, the batcher closes its connection after this time without an append.
    fn start_appender(&self, linger: Option<Duration>) -> Result<Appender, StoreError> {
        let pool = store::pool(&self.args.database_url, self.name, 1)?;
        let queue = Arc::new(Queue::default());
        let schema = self.args.schema.clone();
        tokio::spawn(Batcher::new(pool, self.tls.clone(), schema, linger, queue.clone()).run());
        let callers = Callers { queue, hasher: RandomState::new() };
        Ok(Appender { queue: Arc::new(callers), sender: 0 })
    }
}

impl Appender {
    /// An appender for one of several senders, such as the clients of a service. The senders take turns. If
    /// too many appends wait, the sender with the most gives way.
    #[must_use]
    pub fn of(&self, sender: impl Hash) -> Self {
        Self { queue: self.queue.clone(), sender: self.queue.hasher.hash_one(sender) }
    }

    /// Appends all `events` or none of them. After the commit, returns a result for each event, in the same
    /// order. `arrived` is the time at which the caller's request arrived. The answer comes within
    /// [`ANSWER_WITHIN`] of that time.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(
        &self,
        events: Vec<NewEvent>,
        arrived: Instant,
    ) -> Result<Vec<Appended>, AppendError> {
        self.append_prepared(events.into_iter().map(PreparedEvent::from).collect(), arrived).await
    }

    /// Like [`Appender::append`], for a caller that has prepared the events because it needs their computed
    /// fields, such as the title.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append_prepared(
        &self,
        rows: Vec<PreparedEvent>,
        arrived: Instant,
    ) -> Result<Vec<Appended>, AppendError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let weight = rows.iter().map(PreparedEvent::weight).sum::<usize>();
        let queue = &self.queue.queue;
        let memory = queue.reserve(self.sender, weight).ok_or(AppendError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let deadline = arrived + ANSWER_WITHIN;
        let sender = self.sender;
        queue.push(Job { rows, weight, deadline, failed: None, answer, sender, memory });
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AppendError::Unknown("the writer stopped".into())),
            Err(_) => Err(AppendError::Unknown("the database did not answer in time".into())),
        }
    }
}
