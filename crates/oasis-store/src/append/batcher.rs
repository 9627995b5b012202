//! The loop that takes what waits, sends it as one statement and answers each caller after the commit.
//!
//! Every append is sent only while the server's own lock_timeout still fits into the time that its caller
//! waits, so nothing lands after the caller gave up. What becomes of those whose statement failed is said in
//! `verdict.rs`.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use oasis_core::chain;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::AppendError;
use super::insert::{Appended, Repeats, insert};
use super::prepared::PreparedEvent;
use super::queue::{Job, Queue};
use super::refusal::Refusal;
use super::verdict::{Circumstances, Failure, PAUSE, Reason, Verdict, verdict};
use crate::check;

/// The longest that a statement waits in the server: `lock_timeout` of the ordering trigger.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// When a statement is given up on from here. A wait for another lock than the trigger's (somebody's `ALTER
/// TABLE`), or a connection that went silent, takes as long; the trigger's own time-out comes first.
const SILENCE: Duration = LOCK_TIMEOUT.saturating_add(Duration::from_millis(250));
/// How long the server has to confirm that a statement given up on was cancelled.
const CANCEL_WITHIN: Duration = Duration::from_millis(500);
/// The longest that an attempt takes. An append with less time left is not sent.
const ATTEMPT: Duration = SILENCE.saturating_add(CANCEL_WITHIN).saturating_add(Duration::from_millis(250));
/// How long repeats are passed over after one was met: a redelivery, or a second hook, seldom comes alone.
const REPEATS: Duration = Duration::from_secs(10);

/// The writer of one [`Appender`](super::Appender).
pub(super) struct Batcher {
    pool: Pool,
    tls: MakeRustlsConnect,
    /// After how long without an append the connection is closed.
    linger: Option<Duration>,
    queue: Queue,
    /// Until then statements pass over rows that repeat others.
    repeats_until: Instant,
}

/// What an attempt left to be tried again.
#[derive(Default)]
struct Unfinished {
    jobs: Vec<Job>,
    pause: Duration,
}

impl Batcher {
    pub(super) fn new(pool: Pool, tls: MakeRustlsConnect, linger: Option<Duration>, queue: Queue) -> Self {
        Self { pool, tls, linger, queue, repeats_until: Instant::now() }
    }

    /// Runs until the last caller is gone and everything is answered.
    pub(super) async fn run(mut self) {
        while self.next_is_there().await {
            // Connecting may take long, so the late are told apart after it.
            let client = self.pool.get().await;
            if let Err(error) = &client {
                self.queue.blame(&AppendError::Unavailable(chain(error)));
            }
            self.queue.turn_away_the_late(Instant::now() + ATTEMPT);
            let Unfinished { jobs, pause } = match client {
                Err(_) => Unfinished { jobs: Vec::new(), pause: PAUSE },
                Ok(client) => {
                    let jobs = self.queue.take_batch();
                    self.attempt(client, jobs).await
                }
            };
            self.queue.put_back(jobs);
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    async fn next_is_there(&mut self) -> bool {
        let there = match self.linger {
            None => self.queue.wait().await,
            Some(linger) => match timeout(linger, self.queue.wait()).await {
                Ok(there) => there,
                Err(_) => {
                    self.pool.retain(|_, _| false);
                    self.queue.wait().await
                }
            },
        };
        // The first of many callers is here; others are about to ask, such as those who have just been
        // answered.
        let mut before = 0;
        while before < self.queue.len() && !self.queue.fills_a_batch() {
            before = self.queue.len();
            yield_now().await;
            self.queue.gather();
        }
        there
    }

    /// Sends `jobs` as one statement and answers those that are done with.
    async fn attempt(&mut self, client: Object, jobs: Vec<Job>) -> Unfinished {
        if jobs.is_empty() {
            return Unfinished::default();
        }
        let rows: Vec<&PreparedEvent> = jobs.iter().flat_map(|job| &job.rows).collect();
        let started = Instant::now();
        // There must be time for a second attempt; and what failed before may have been stored.
        let hurried = |job: &Job| job.failed.is_some() || job.deadline < started + LOCK_TIMEOUT + ATTEMPT;
        let look_out = started < self.repeats_until || jobs.iter().any(hurried);
        let repeats = if look_out { Repeats::PassedOver } else { Repeats::Refused };
        let outcome = self.insert(&client, &rows, repeats).await;
        metrics::histogram!("append_statement_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("append_statement_rows").record(rows.len() as f64);
        let error = match outcome {
            Some(Ok(appended)) => {
                self.answer(jobs, appended);
                return Unfinished::default();
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        self.settle(client, jobs, repeats, error.as_ref()).await
    }

    /// Sends the statement. One that takes too long is cancelled in the server, so that it can't land later;
    /// `None` when not even that was answered.
    async fn insert(
        &self,
        client: &Object,
        rows: &[&PreparedEvent],
        repeats: Repeats,
    ) -> Option<Result<Vec<Appended>, Error>> {
        let mut insert = std::pin::pin!(insert(client, rows, repeats));
        if let Ok(outcome) = timeout(SILENCE, &mut insert).await {
            return Some(outcome);
        }
        tracing::warn!("an append takes too long and is cancelled");
        let cancelled = async {
            let sent = client.cancel_token().cancel_query(self.tls.clone()).await;
            sent.ok()?;
            Some(insert.await)
        };
        timeout(CANCEL_WITHIN, cancelled).await.ok().flatten()
    }

    /// Gives each append its own rows' ids.
    fn answer(&mut self, jobs: Vec<Job>, appended: Vec<Appended>) {
        if appended.iter().any(|appended| appended.duplicate) {
            self.repeats_until = Instant::now() + REPEATS;
        }
        let mut appended = appended.into_iter();
        for job in jobs {
            let own = appended.by_ref().take(job.rows.len()).collect();
            job.answer(Ok(own));
        }
    }

    /// Decides about the appends of a statement that failed; without an error, nobody answered.
    async fn settle(
        &mut self,
        client: Object,
        jobs: Vec<Job>,
        repeats: Repeats,
        error: Option<&Error>,
    ) -> Unfinished {
        let failure = Failure::of(error.and_then(Error::code));
        let text = error.map_or_else(|| "the database fell silent".to_owned(), |error| chain(error));
        self.report(failure, &text, &client, jobs.len()).await;
        if failure == Failure::Repeat && repeats == Repeats::Refused {
            // More may come, of the same redelivery or second hook.
            self.repeats_until = Instant::now() + REPEATS;
        }
        if let Some(reason) = failure.holds_up() {
            self.queue.gather();
            self.queue.blame(&error_of(reason, &text));
        }
        let (shared, latest) = (jobs.len() > 1, Instant::now() + ATTEMPT);
        let (mut unfinished, mut halved) = (Unfinished::default(), Vec::new());
        for mut job in jobs {
            let its = Circumstances {
                repeats,
                shared,
                repeatable: job.is_repeatable(),
                doubtful: job.is_doubtful(),
                in_time: job.deadline >= latest,
            };
            match verdict(failure, its) {
                Verdict::Again { after, otherwise } => {
                    job.fail(error_of(otherwise, &text));
                    unfinished.jobs.push(job);
                    unfinished.pause = after;
                }
                Verdict::Halves => halved.push(job),
                // Whoever handles the error logs it.
                Verdict::Refuse => {
                    let refusal = Refusal::new(error.and_then(Error::as_db_error), &job.rows);
                    job.answer(Err(AppendError::Refused(Box::new(refusal))));
                }
                Verdict::Answer(reason) => job.answer_failed(error_of(reason, &text)),
            }
        }
        if failure.closes_the_connection() {
            drop(Object::take(client));
        } else if !halved.is_empty() {
            return self.in_halves(client, halved).await;
        }
        unfinished
    }

    /// Logs a failure that is not the caller's own.
    async fn report(&self, failure: Failure, text: &str, client: &Object, tried: usize) {
        match failure {
            Failure::LockTimeout => {
                metrics::counter!("append_lock_timeouts_total").increment(1);
                let waiting = tried + self.queue.len();
                tracing::warn!(waiting, "another session holds the table's lock");
                check::log_blockers(client).await;
            }
            Failure::Lost => tracing::warn!(error = text, "the connection broke during an append"),
            Failure::CannotWrite => tracing::error!(error = text, "append failed"),
            Failure::Cancelled | Failure::Conflict | Failure::Repeat | Failure::Refused => {}
        }
    }

    /// Tries each half by itself, and so on until the bad row is alone.
    async fn in_halves(&mut self, client: Object, mut jobs: Vec<Job>) -> Unfinished {
        let mut again = Vec::new();
        let mut client = Some(client);
        let second = jobs.split_off(jobs.len() / 2);
        for half in [jobs, second] {
            // Earlier ones may have taken long, and the connection with them.
            let latest = Instant::now() + ATTEMPT;
            let Some(own) = client.take().filter(|_| half.iter().all(|job| job.deadline >= latest)) else {
                again.extend(half);
                continue;
            };
            again.extend(Box::pin(self.attempt(own, half)).await.jobs);
            client = self.pool.get().await.ok();
        }
        let pause = if again.is_empty() { Duration::ZERO } else { PAUSE };
        Unfinished { jobs: again, pause }
    }
}

/// The error of a verdict, with what the database said.
fn error_of(reason: Reason, text: &str) -> AppendError {
    match reason {
        Reason::Stalled => AppendError::Stalled,
        Reason::Unavailable => AppendError::Unavailable(text.to_owned()),
        Reason::Unknown => AppendError::Unknown(text.to_owned()),
        Reason::Late => AppendError::Late,
    }
}
