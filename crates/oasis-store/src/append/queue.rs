//! The waiting appends, in the order of their arrival, and how many of them fit into one statement.

use std::collections::VecDeque;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::error::AppendError;
use super::insert::Appended;
use super::prepared::PreparedEvent;

/// The maximum number of rows of one statement. A statement with only one append may have more rows. A
/// statement of this size takes about 15 ms. A longer statement would delay other writers.
const BATCH_ROWS: usize = 640;
/// The maximum number of bytes of one statement. A statement with only one append may have more bytes. A slow
/// connection must be able to transfer the statement within the time limit of the statement.
const BATCH_BYTES: usize = 2 << 20;

/// One caller's append.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) rows: Vec<PreparedEvent>,
    /// The approximate memory of all rows, in bytes.
    pub(super) weight: usize,
    pub(super) deadline: Instant,
    /// Why the append has not succeeded yet: an attempt failed, or the queue is delayed.
    pub(super) failed: Option<AppendError>,
    pub(super) answer: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
    /// The share of the queue's memory that the rows use. It is returned when the job is dropped.
    pub(super) _memory: OwnedSemaphorePermit,
}

impl Job {
    pub(super) fn answer(self, result: Result<Vec<Appended>, AppendError>) {
        // A caller that no longer waits needs no answer.
        let _ = self.answer.send(result);
    }

    /// Whether every row has a dedup key. Rows with keys are stored once, even if they are sent twice.
    pub(super) fn is_idempotent(&self) -> bool {
        self.rows.iter().all(|row| row.dedup_key().is_some())
    }

    /// Answers with the error `why`. If the outcome is unknown because of an earlier attempt, the answer is
    /// the error of that attempt.
    pub(super) fn answer_failed(mut self, why: AppendError) {
        let is_unknown = matches!(why, AppendError::Unknown(_));
        let earlier = if is_unknown && self.is_in_doubt() { self.failed.take() } else { None };
        self.answer(Err(earlier.unwrap_or(why)));
    }

    /// Whether an earlier attempt may have stored the rows.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.failed, Some(AppendError::Unknown(_)))
    }

    /// Records why an attempt failed. `Unknown` is never replaced, because the rows may have been stored.
    /// `Late` is not recorded, because it does not explain why the append became late.
    pub(super) fn fail(&mut self, why: AppendError) {
        if !self.is_in_doubt() && !matches!(why, AppendError::Late) {
            self.failed = Some(why);
        }
    }
}

/// The queue of the batcher.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    waiting: VecDeque<Job>,
}

impl Queue {
    pub(super) fn new(jobs: mpsc::Receiver<Job>) -> Self {
        Self { jobs, waiting: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Waits until the queue has an append. Returns false if no caller is left.
    pub(super) async fn wait(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.jobs.recv().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
        }
        true
    }

    /// Moves all appends that have arrived into the queue.
    pub(super) fn gather(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push_back(job);
        }
    }

    /// How many waiting appends go into the next statement, and whether they fill the statement.
    fn batch(&self) -> (usize, bool) {
        let (mut rows, mut bytes) = (0, 0);
        for (before, next) in self.waiting.iter().enumerate() {
            (rows, bytes) = (rows + next.rows.len(), bytes + next.weight);
            if before > 0 && (rows > BATCH_ROWS || bytes > BATCH_BYTES) {
                return (before, true);
            }
        }
        (self.waiting.len(), rows >= BATCH_ROWS || bytes >= BATCH_BYTES)
    }

    /// Whether the waiting appends fill a statement.
    pub(super) fn fills_a_batch(&self) -> bool {
        self.batch().1
    }

    /// Takes the appends of the next statement.
    pub(super) fn take_batch(&mut self) -> Vec<Job> {
        let (jobs, _) = self.batch();
        self.waiting.drain(..jobs).collect()
    }

    /// Puts appends back at the front, so that they are tried first.
    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        jobs.into_iter().rev().for_each(|job| self.waiting.push_front(job));
    }

    /// Sets the reason why the waiting appends are delayed. An append that already has a reason keeps it.
    pub(super) fn set_reason(&mut self, why: &AppendError) {
        self.waiting.iter_mut().for_each(|job| job.failed = job.failed.take().or(Some(why.clone())));
    }

    /// Answers the appends whose deadline is before `latest`. If the rows of these appends were sent now, the
    /// rows could be stored after the callers have given up.
    pub(super) fn answer_late(&mut self, latest: Instant) {
        for mut job in std::mem::take(&mut self.waiting) {
            if job.deadline < latest {
                let why = job.failed.take().unwrap_or(AppendError::Late);
                job.answer(Err(why));
            } else {
                self.waiting.push_back(job);
            }
        }
    }
}
