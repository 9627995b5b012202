//! Appending: concurrent appends of one process share statements, and each is answered after its commit.
//!
//! The table's lock makes commits serial, so everything that has queued up while the last commit was in
//! flight goes out as one statement: no timer, and no added latency when idle. Every append has
//! [`ANSWER_WITHIN`] from its arrival.
//!
//! [`Appender`] → `queue.rs` (what waits) → `batcher.rs` (the loop) → `insert.rs` (the statement);
//! `verdict.rs` says what becomes of an append whose statement failed.

mod batcher;
mod error;
mod insert;
mod prepared;
mod queue;
mod refusal;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use oasis_core::NewEvent;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;
use crate::store::{self, Store};

pub use error::AppendError;
pub use insert::Appended;
pub use prepared::PreparedEvent;
pub use refusal::{Refusal, RefusedEvent};

use batcher::Batcher;
use queue::{Job, Queue};

/// How long an append may take from the arrival of its request. GitHub waits 10 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Memory that waiting appends may take, in KiB.
const QUEUE_KIB: usize = 64 * 1_024;
/// Appends that may wait.
const QUEUE_LENGTH: usize = 10_000;

/// The way into the table. Cheap to clone; its batcher ends when the last clone is gone and everything is
/// answered.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Job>,
    memory: Arc<Semaphore>,
}

impl Store {
    /// Starts a batcher with a connection of its own, so that writers who wait never keep readers waiting.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn appender(&self) -> Result<Appender, StoreError> {
        self.start_appender(None)
    }

    /// Likewise for a program that seldom appends: the connection is closed when nothing has been appended
    /// for `linger`, so that thousands of such programs need not be connected all the time.
    ///
    /// # Errors
    /// As of [`Store::appender`].
    pub fn occasional_appender(&self, linger: Duration) -> Result<Appender, StoreError> {
        self.start_appender(Some(linger))
    }

    fn start_appender(&self, linger: Option<Duration>) -> Result<Appender, StoreError> {
        let pool = store::pool(&self.args.database_url, self.name, 1)?;
        Ok(Appender::start(pool, self.tls.clone(), linger))
    }
}

impl Appender {
    /// With `linger` the connection is closed when nothing has been appended for that long.
    fn start(pool: Pool, tls: MakeRustlsConnect, linger: Option<Duration>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(Batcher::new(pool, tls, linger, Queue::new(jobs)).run());
        Self { queue, memory: Arc::new(Semaphore::new(QUEUE_KIB)) }
    }

    /// Appends `events`, all or none, and says what became of each, in their order, once they are durable.
    /// `arrived` is when the caller's request came in: the answer is there within [`ANSWER_WITHIN`] of it.
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

    /// Likewise, for a caller that needs what is computed from an event, such as its title.
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
        let kib = u32::try_from(weight.div_ceil(1_024)).map_err(|_| AppendError::Overloaded)?;
        let memory = self.memory.clone().try_acquire_many_owned(kib).map_err(|_| AppendError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let deadline = arrived + ANSWER_WITHIN;
        let job = Job { rows, weight, deadline, failed: None, answer, _memory: memory };
        self.queue.try_send(job).map_err(|_| AppendError::Overloaded)?;
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AppendError::Unknown("the writer ended".into())),
            Err(_) => Err(AppendError::Unknown("no answer in time".into())),
        }
    }
}
