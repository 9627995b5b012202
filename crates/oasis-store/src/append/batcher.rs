//! The loop that sends the waiting appends as one statement, and answers each caller after the commit.
//!
//! An append is sent only if even the longest possible attempt would end before the append's deadline. So no
//! event is stored after its caller has given up. `verdict.rs` decides what happens to appends whose
//! statement failed.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use oasis_core::chain;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::AppendError;
use super::insert::{AppendSql, Appended, Duplicates, insert};
use super::prepared::PreparedEvent;
use super::queue::{Job, Queue};
use super::refusal::Refusal;
use super::verdict::{Circumstances, Failure, PAUSE, Reason, Verdict, verdict};
use crate::check;
use crate::schema::Schema;

/// How long a statement waits in the server for the writers' lock. This is the `lock_timeout` of the ordering
/// trigger.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the batcher waits for a statement. The `lock_timeout` ends a wait for the writers' lock earlier.
/// So this limit only ends a wait for another lock, such as the lock of an `ALTER TABLE`, and a wait for a
/// server that no longer answers.
const STATEMENT_TIMEOUT: Duration = LOCK_TIMEOUT.saturating_add(Duration::from_millis(250));
/// The time limit for the server to confirm that it has cancelled a statement.
const CANCEL_WITHIN: Duration = Duration::from_millis(500);
/// The maximum duration of an attempt. An append with less time left is not sent.
const MAX_ATTEMPT: Duration =
    STATEMENT_TIMEOUT.saturating_add(CANCEL_WITHIN).saturating_add(Duration::from_millis(250));
/// How long statements skip duplicates after a duplicate was found. More duplicates usually follow, because a
/// redelivery or a second webhook sends many events again.
const SKIP_DUPLICATES_FOR: Duration = Duration::from_secs(10);

/// The writer of one [`Appender`](super::Appender).
pub(super) struct Batcher {
    pool: Pool,
    tls: MakeRustlsConnect,
    schema: Schema,
    sql: AppendSql,
    /// How long the connection stays open without an append. `None` keeps it open.
    linger: Option<Duration>,
    queue: Arc<Queue>,
    /// Statements skip duplicates until this instant.
    skip_duplicates_until: Instant,
}

/// The appends that an attempt did not answer, and the pause before the next attempt.
#[derive(Default)]
struct Unfinished {
    jobs: Vec<Job>,
    pause: Duration,
}

impl Batcher {
    pub(super) fn new(
        pool: Pool,
        tls: MakeRustlsConnect,
        schema: Schema,
        linger: Option<Duration>,
        queue: Arc<Queue>,
    ) -> Self {
        let sql = AppendSql::new(&schema);
        Self { pool, tls, schema, sql, linger, queue, skip_duplicates_until: Instant::now() }
    }

    /// Runs until the last `Appender` has been dropped and every append has been answered.
    pub(super) async fn run(mut self) {
        while self.wait_for_appends().await {
            // Connecting may take long, so the appends that became late in the meantime are answered
            // afterwards.
            let client = self.pool.get().await;
            if let Err(error) = &client {
                self.queue.set_reason(&AppendError::Unavailable(chain(error)));
            }
            self.queue.answer_late(Instant::now() + MAX_ATTEMPT);
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

    /// Waits for an append, and for other appends that arrive at the same moment. Returns false if no caller
    /// is left.
    async fn wait_for_appends(&mut self) -> bool {
        let has_append = match self.linger {
            None => self.queue.wait().await,
            Some(linger) => match timeout(linger, self.queue.wait()).await {
                Ok(has_append) => has_append,
                Err(_) => {
                    self.pool.retain(|_, _| false);
                    self.queue.wait().await
                }
            },
        };
        // Other callers may be about to append, such as callers that have just been answered. The loop lets
        // these callers run first, until no more appends arrive or the appends fill a statement.
        let mut before = 0;
        while before < self.queue.len() && !self.queue.fills_a_batch() {
            before = self.queue.len();
            yield_now().await;
        }
        has_append
    }

    /// Sends `jobs` as one statement. Returns the jobs to try again. All other jobs are answered.
    async fn attempt(&mut self, client: Object, jobs: Vec<Job>) -> Unfinished {
        if jobs.is_empty() {
            return Unfinished::default();
        }
        let rows: Vec<&PreparedEvent> = jobs.iter().flat_map(|job| &job.rows).collect();
        let started = Instant::now();
        // If a statement refuses duplicates, there must be time for a second attempt. If an earlier attempt
        // of an append failed, the rows may be stored already, so the statement must skip duplicates.
        let deadline_for_two = started + LOCK_TIMEOUT + MAX_ATTEMPT;
        let must_skip = |job: &Job| job.failed.is_some() || job.deadline < deadline_for_two;
        let skip = started < self.skip_duplicates_until || jobs.iter().any(must_skip);
        let duplicates = if skip { Duplicates::Skipped } else { Duplicates::Refused };
        let outcome = self.insert(&client, &rows, duplicates).await;
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
        self.handle_failure(client, jobs, duplicates, error.as_ref()).await
    }

    /// Sends the statement. A statement that takes too long is cancelled in the server, so that it can't
    /// store its rows later. Returns `None` if the server does not answer after the cancellation either.
    async fn insert(
        &self,
        client: &Object,
        rows: &[&PreparedEvent],
        duplicates: Duplicates,
    ) -> Option<Result<Vec<Appended>, Error>> {
        let mut insert = std::pin::pin!(insert(client, &self.sql, rows, duplicates));
        if let Ok(outcome) = timeout(STATEMENT_TIMEOUT, &mut insert).await {
            return Some(outcome);
        }
        tracing::warn!("an append took too long and is being cancelled");
        let cancelled = async {
            let sent = client.cancel_token().cancel_query(self.tls.clone()).await;
            sent.ok()?;
            Some(insert.await)
        };
        timeout(CANCEL_WITHIN, cancelled).await.ok().flatten()
    }

    /// Answers each append with the results of its own rows.
    fn answer(&mut self, jobs: Vec<Job>, appended: Vec<Appended>) {
        if appended.iter().any(|appended| appended.duplicate) {
            self.skip_duplicates_until = Instant::now() + SKIP_DUPLICATES_FOR;
        }
        let mut appended = appended.into_iter();
        for job in jobs {
            let own = appended.by_ref().take(job.rows.len()).collect();
            job.answer(Ok(own));
        }
    }

    /// Decides what happens to the appends of a statement that failed. If `error` is `None`, the server did
    /// not answer.
    async fn handle_failure(
        &mut self,
        client: Object,
        jobs: Vec<Job>,
        duplicates: Duplicates,
        error: Option<&Error>,
    ) -> Unfinished {
        let failure = Failure::of(error.and_then(Error::code));
        let text = error.map_or_else(|| "the database stopped answering".to_owned(), |error| chain(error));
        self.report(failure, &text, &client, jobs.len()).await;
        if failure == Failure::Duplicate && duplicates == Duplicates::Refused {
            self.skip_duplicates_until = Instant::now() + SKIP_DUPLICATES_FOR;
        }
        if let Some(reason) = failure.queue_reason() {
            self.queue.set_reason(&error_of(reason, &text));
        }
        let (shared, latest) = (jobs.len() > 1, Instant::now() + MAX_ATTEMPT);
        let (mut unfinished, mut split) = (Unfinished::default(), Vec::new());
        for mut job in jobs {
            let circumstances = Circumstances {
                duplicates,
                shared,
                idempotent: job.is_idempotent(),
                in_doubt: job.is_in_doubt(),
                in_time: job.deadline >= latest,
            };
            match verdict(failure, circumstances) {
                Verdict::Retry { after, otherwise } => {
                    job.fail(error_of(otherwise, &text));
                    unfinished.jobs.push(job);
                    unfinished.pause = after;
                }
                Verdict::Split => split.push(job),
                // The refusal is not logged here, because the caller logs the error that it receives.
                Verdict::Refuse => {
                    let refusal = Refusal::new(error.and_then(Error::as_db_error), &job.rows);
                    job.answer(Err(AppendError::Refused(Box::new(refusal))));
                }
                Verdict::Answer(reason) => job.answer_failed(error_of(reason, &text)),
            }
        }
        if failure.closes_connection() {
            drop(Object::take(client));
        } else if !split.is_empty() {
            return self.attempt_halves(client, split).await;
        }
        unfinished
    }

    /// Logs a failure that the rows of the callers did not cause.
    async fn report(&self, failure: Failure, text: &str, client: &Object, tried: usize) {
        match failure {
            Failure::LockTimeout => {
                metrics::counter!("append_lock_timeouts_total").increment(1);
                let waiting = tried + self.queue.len();
                tracing::warn!(waiting, "another session holds the table's lock");
                check::log_blockers(client, &self.schema).await;
            }
            Failure::Lost => tracing::warn!(error = text, "the connection broke during an append"),
            Failure::CannotWrite => tracing::error!(error = text, "append failed: the database can't write"),
            Failure::Cancelled | Failure::Conflict | Failure::Duplicate | Failure::Refused => {}
        }
    }

    /// Sends each half of `jobs` as a separate statement. A half that the table refuses is split again, until
    /// the append with the bad row is alone in a statement.
    async fn attempt_halves(&mut self, client: Object, mut jobs: Vec<Job>) -> Unfinished {
        let mut unfinished = Vec::new();
        let mut client = Some(client);
        let second = jobs.split_off(jobs.len() / 2);
        for half in [jobs, second] {
            // The attempt of the first half may have used up the time or lost the connection.
            let latest = Instant::now() + MAX_ATTEMPT;
            let Some(own) = client.take().filter(|_| half.iter().all(|job| job.deadline >= latest)) else {
                unfinished.extend(half);
                continue;
            };
            unfinished.extend(Box::pin(self.attempt(own, half)).await.jobs);
            client = self.pool.get().await.ok();
        }
        let pause = if unfinished.is_empty() { Duration::ZERO } else { PAUSE };
        Unfinished { jobs: unfinished, pause }
    }
}

/// The error for a reason. `text` is the message of the database. Some errors contain this message.
fn error_of(reason: Reason, text: &str) -> AppendError {
    match reason {
        Reason::Stalled => AppendError::Stalled,
        Reason::Unavailable => AppendError::Unavailable(text.to_owned()),
        Reason::Unknown => AppendError::Unknown(text.to_owned()),
        Reason::Late => AppendError::Late,
    }
}
