//! Appends events. Concurrent appends of one process share statements, and each is answered after its
//! commit.
//!
//! The table's lock allows one commit at a time, so all appends that queued up during the last commit go out
//! as one statement. This needs no timer and adds no latency when idle. Every append is answered
//! within [`ANSWER_WITHIN`] of its arrival.
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

/// How long an append may take from the arrival of its request. GitHub gives up after 10 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// How much memory the waiting appends may take, in KiB.
const QUEUE_KIB: usize = 64 * 1_024;
/// How many appends may wait.
const QUEUE_LENGTH: usize = 10_000;

/// Appends events to the table. It is cheap to clone. Its batcher ends when the last clone is gone and
/// every append is answered.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Job>,
    memory: Arc<Semaphore>,
}

impl Store {
    /// Starts a batcher with its own connection, so that waiting writers never delay readers.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn appender(&self) -> Result<Appender, StoreError> {
        self.start_appender(None)
    }

    /// Starts a batcher for a program that seldom appends. Its connection is closed after `linger` without
    /// an append, so thousands of such programs need not stay connected.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn occasional_appender(&self, linger: Duration) -> Result<Appender, StoreError> {
        self.start_appender(Some(linger))
    }

    fn start_appender(&self, linger: Option<Duration>) -> Result<Appender, StoreError> {
        let pool = store::pool(&self.args.database_url, self.name, 1)?;
        Ok(Appender::start(pool, self.tls.clone(), linger))
    }
}

impl Appender {
    /// With `linger`, the connection is closed after that long without an append.
    fn start(pool: Pool, tls: MakeRustlsConnect, linger: Option<Duration>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(Batcher::new(pool, tls, linger, Queue::new(jobs)).run());
        Self { queue, memory: Arc::new(Semaphore::new(QUEUE_KIB)) }
    }

    /// Appends all of `events` or none. Returns a result for each event, in order, once all are durable.
    /// `arrived` is the arrival of the caller's request; the answer comes within [`ANSWER_WITHIN`] of it.
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
        let kib = u32::try_from(weight.div_ceil(1_024)).map_err(|_| AppendError::Overloaded)?;
        let memory = self.memory.clone().try_acquire_many_owned(kib).map_err(|_| AppendError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let deadline = arrived + ANSWER_WITHIN;
        let job = Job { rows, weight, deadline, failed: None, answer, _memory: memory };
        self.queue.try_send(job).map_err(|_| AppendError::Overloaded)?;
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AppendError::Unknown("the writer stopped".into())),
            Err(_) => Err(AppendError::Unknown("the database did not answer in time".into())),
        }
    }
}
