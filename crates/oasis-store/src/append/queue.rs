//! The appends that wait, in the order of their arrival, and how many of them fit into one statement.

use std::collections::VecDeque;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::error::AppendError;
use super::insert::Appended;
use super::prepared::PreparedEvent;

/// Rows of one statement, unless a single append has more. Longer ones keep other writers waiting; these take
/// about 15 ms.
const BATCH_ROWS: usize = 640;
/// Bytes of one statement, likewise: a slow connection must be able to take them before the statement is
/// given up on.
const BATCH_BYTES: usize = 2 << 20;

/// One caller's append.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) rows: Vec<PreparedEvent>,
    /// Bytes of them all.
    pub(super) weight: usize,
    pub(super) deadline: Instant,
    /// How the last attempt failed.
    pub(super) failed: Option<AppendError>,
    pub(super) answer: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
    /// The memory that the rows may take, given back with them.
    pub(super) _memory: OwnedSemaphorePermit,
}

impl Job {
    pub(super) fn answer(self, result: Result<Vec<Appended>, AppendError>) {
        // A caller that has gone away does not need it.
        let _ = self.answer.send(result);
    }

    /// Whether sending the rows twice stores them once.
    pub(super) fn is_repeatable(&self) -> bool {
        self.rows.iter().all(|row| row.dedup_key().is_some())
    }

    /// Answers why it failed. Where the outcome is unknown, the attempt that may have stored the rows says
    /// why.
    pub(super) fn answer_failed(mut self, why: AppendError) {
        let is_unknown = matches!(why, AppendError::Unknown(_));
        let earlier = if is_unknown && self.is_doubtful() { self.failed.take() } else { None };
        self.answer(Err(earlier.unwrap_or(why)));
    }

    /// Whether an earlier attempt may have stored the rows.
    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self.failed, Some(AppendError::Unknown(_)))
    }

    /// Remembers why an attempt failed. Rows that may have landed are not said to have not, whatever comes
    /// after; and an append that only becomes late has no reason of its own for that.
    pub(super) fn fail(&mut self, why: AppendError) {
        if !self.is_doubtful() && !matches!(why, AppendError::Late) {
            self.failed = Some(why);
        }
    }
}

/// What the batcher works off.
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

    /// Waits until an append waits here. False once there are no callers left.
    pub(super) async fn wait(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.jobs.recv().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
        }
        true
    }

    /// Takes in everything that has arrived.
    pub(super) fn gather(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push_back(job);
        }
    }

    /// How many of those that wait go into the next statement, and whether it is full with them.
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

    /// Whether what waits fills a statement.
    pub(super) fn fills_a_batch(&self) -> bool {
        self.batch().1
    }

    /// Takes what goes into the next statement.
    pub(super) fn take_batch(&mut self) -> Vec<Job> {
        let (jobs, _) = self.batch();
        self.waiting.drain(..jobs).collect()
    }

    /// Puts back appends that are to be tried before all others.
    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        jobs.into_iter().rev().for_each(|job| self.waiting.push_front(job));
    }

    /// Gives those that wait and have not failed yet a reason why they wait.
    pub(super) fn blame(&mut self, why: &AppendError) {
        self.waiting.iter_mut().for_each(|job| job.failed = job.failed.take().or(Some(why.clone())));
    }

    /// Answers the appends whose deadline is before `latest`: sent now, their rows could land after the
    /// caller gave up.
    pub(super) fn turn_away_the_late(&mut self, latest: Instant) {
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
