//! The waiting appends, and how many of them fit into one statement. The senders take turns (see [`Lanes`]):
//! a statement takes one append of each sender, and then the next one of each. If the memory is used up, the
//! sender that uses most of it gives way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::AppendError;
use super::insert::Appended;
use super::prepared::PreparedEvent;
use crate::lanes::Lanes;

/// The maximum number of rows of one statement. A statement with only one append may have more rows. A
/// statement of this size takes about 15 ms. A longer statement would delay other writers.
const BATCH_ROWS: usize = 640;
/// The maximum number of bytes of one statement. A statement with only one append may have more bytes. A slow
/// connection must be able to transfer the statement within the time limit of the statement.
const BATCH_BYTES: usize = 2 << 20;
/// The maximum memory of all appends that have not been answered, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// The memory that an append counts at least. So at most 10,000 appends wait.
const MIN_CHARGE: usize = MAX_BYTES / 10_000;

/// A sender: appends of the same sender share one lane. 0 is the program itself.
pub(super) type Sender = u64;

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
    /// Whose append it is.
    pub(super) sender: Sender,
    /// The memory of the rows in the budget of the queue. It is returned when the job is dropped.
    pub(super) memory: Memory,
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

    /// Answers that there is no room for the append.
    fn give_way(mut self) {
        let earlier = if self.is_in_doubt() { self.failed.take() } else { None };
        self.answer(Err(earlier.unwrap_or(AppendError::Overloaded)));
    }

    /// Records why an attempt failed. `Unknown` is never replaced, because the rows may have been stored.
    /// `Late` is not recorded, because it does not explain why the append became late.
    pub(super) fn fail(&mut self, why: AppendError) {
        if !self.is_in_doubt() && !matches!(why, AppendError::Late) {
            self.failed = Some(why);
        }
    }
}

/// A part of the memory of the queue. It is returned when the value is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Lanes<Sender, Job>,
    rows: usize,
    bytes: usize,
    /// Whether no further append can come.
    is_closed: bool,
}

impl Waiting {
    fn push_back(&mut self, job: Job) {
        self.count_in(&job);
        self.jobs.push_back(job.sender, job.memory.bytes, job);
    }

    /// Adds an append that is to be tried before all others.
    fn push_front(&mut self, job: Job) {
        self.count_in(&job);
        self.jobs.push_front(job.sender, job.memory.bytes, job);
    }

    fn count_in(&mut self, job: &Job) {
        self.rows += job.rows.len();
        self.bytes += job.weight;
    }

    fn count_out(&mut self, job: &Job) {
        self.rows -= job.rows.len();
        self.bytes -= job.weight;
    }

    fn pop(&mut self) -> Option<Job> {
        self.jobs.pop().inspect(|job| self.count_out(job))
    }
}

/// The queue of the batcher.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    used: Arc<AtomicUsize>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes memory for an append of `weight` bytes. If it is used up, the sender that uses most of it gives
    /// way, unless it is `sender` itself.
    pub(super) fn reserve(&self, sender: Sender, weight: usize) -> Option<Memory> {
        let bytes = weight.max(MIN_CHARGE);
        loop {
            let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= MAX_BYTES);
            if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok() {
                return Some(Memory { used: self.used.clone(), bytes });
            }
            let needed = (self.used.load(Ordering::Relaxed) + bytes).saturating_sub(MAX_BYTES);
            if needed == 0 {
                // Another append has returned its memory in the meantime.
                continue;
            }
            let largest = {
                let mut waiting = self.lock();
                waiting.jobs.give_way(sender, bytes, needed).inspect(|job| waiting.count_out(job))?
            };
            metrics::counter!("append_gave_way_total").increment(1);
            largest.give_way();
        }
    }

    /// Adds an append.
    pub(super) fn push(&self, job: Job) {
        self.lock().push_back(job);
        self.arrived.notify_one();
    }

    /// No further append will come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Waits until the queue has an append. Returns false if no caller is left.
    pub(super) async fn wait(&self) -> bool {
        loop {
            {
                let waiting = self.lock();
                if !waiting.jobs.is_empty() || waiting.is_closed {
                    return !waiting.jobs.is_empty();
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Whether the waiting appends fill a statement.
    pub(super) fn fills_a_batch(&self) -> bool {
        let waiting = self.lock();
        waiting.rows >= BATCH_ROWS || waiting.bytes >= BATCH_BYTES
    }

    /// Takes the appends of the next statement: one of each lane in turn, until the statement is full.
    pub(super) fn take_batch(&self) -> Vec<Job> {
        let mut waiting = self.lock();
        let (mut jobs, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while let Some(next) = waiting.jobs.next() {
            (rows, bytes) = (rows + next.rows.len(), bytes + next.weight);
            if !jobs.is_empty() && (rows > BATCH_ROWS || bytes > BATCH_BYTES) {
                break;
            }
            jobs.extend(waiting.pop());
        }
        jobs
    }

    /// Puts appends back, so that they are tried first.
    pub(super) fn put_back(&self, jobs: Vec<Job>) {
        let mut waiting = self.lock();
        jobs.into_iter().rev().for_each(|job| waiting.push_front(job));
    }

    /// Sets the reason why the waiting appends are delayed. An append that already has a reason keeps it.
    pub(super) fn set_reason(&self, why: &AppendError) {
        let mut waiting = self.lock();
        waiting.jobs.iter_mut().for_each(|job| job.failed = job.failed.take().or_else(|| Some(why.clone())));
    }

    /// Answers the appends whose deadline is before `latest`. If the rows of these appends were sent now, the
    /// rows could be stored after the callers have given up.
    pub(super) fn answer_late(&self, latest: Instant) {
        let late = {
            let mut waiting = self.lock();
            if waiting.jobs.iter().all(|job| job.deadline >= latest) {
                return;
            }
            let late = waiting.jobs.extract(|job| job.deadline < latest);
            late.iter().for_each(|job| waiting.count_out(job));
            late
        };
        for mut job in late {
            let why = job.failed.take().unwrap_or(AppendError::Late);
            job.answer(Err(why));
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
