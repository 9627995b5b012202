//! The batcher: concurrent appends of one process share statements, and each is answered after its commit.
//!
//! The table's lock makes commits serial, so whatever has queued up while the last commit was in flight goes out as
//! one statement: no timer, and no added latency when idle. Every append has [`ANSWER_WITHIN`] from its arrival. It
//! is sent only while the server's own lock_timeout still fits into that, so nothing lands after its caller gave up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use oasis_core::{NewEvent, chain};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::batch::{self, Repeats, Row};
use crate::check;
use crate::error::StoreError;
use crate::store::{self, Store};

pub use crate::batch::Appended;

/// How long an append may take from the arrival of its request. GitHub waits 10 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// The longest that a statement waits in the server: `lock_timeout` of the ordering trigger.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// When a statement is given up on from here. A wait for another lock than the trigger's (somebody's `ALTER TABLE`), or a
/// connection that went silent, takes as long; the trigger's own time-out comes first.
const SILENCE: Duration = LOCK_TIMEOUT.saturating_add(Duration::from_millis(250));
/// How long the server has to confirm that a statement given up on was cancelled.
const CANCEL_WITHIN: Duration = Duration::from_millis(500);
/// What an attempt takes at the most: whoever has less time left is not sent.
const ATTEMPT: Duration = SILENCE.saturating_add(CANCEL_WITHIN).saturating_add(Duration::from_millis(250));
/// How long repeats are looked out for after one was met: a redelivery, or a second hook, seldom comes alone.
const REPEATS: Duration = Duration::from_secs(10);
/// The pause before the next attempt when the database can't be reached.
const PAUSE: Duration = Duration::from_millis(100);
/// Rows of one statement, unless a single append has more: longer ones keep other writers waiting. These take about 15 ms.
const BATCH_ROWS: usize = 640;
/// Bytes of one statement, likewise: a slow connection must be able to take them in a part of [`SILENCE`].
const BATCH_BYTES: usize = 2 << 20;
/// Memory that waiting appends may take, in KiB.
const QUEUE_KIB: usize = 64 * 1_024;
/// Appends that may wait.
const QUEUE_LENGTH: usize = 10_000;

/// Why an append failed. Nothing was stored, unless it says that it is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The table refused the caller's own rows (SQLSTATE class 22 or 23).
    #[error("the table refused the event: {0}")]
    Refused(String),
    /// Another session held a lock that writers need, all the while.
    #[error("another session holds a lock that writers need; /ready names it")]
    Stalled,
    /// The database could not be reached or could not write.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost after the rows were sent, and they have no dedup key to send them again safely.
    #[error("the connection was lost before the commit was confirmed: {0}")]
    Unknown(String),
    /// There was no time left for an attempt: the request took too long to arrive, or too much waited before it.
    #[error("no time was left to write the event")]
    Late,
    /// Too much waits already.
    #[error("too many events wait to be written")]
    Overloaded,
}

impl AppendError {
    /// What whoever sent the events is told: a code, and a sentence without what only the log should say.
    pub fn told(&self) -> (&'static str, &'static str) {
        match self {
            Self::Refused(_) => ("not_stored", "the table refused it"),
            Self::Stalled => ("database_busy", "another session holds the table"),
            Self::Unavailable(_) => ("database_unavailable", "the database can't be written to now"),
            Self::Unknown(_) => ("outcome_unknown", "the database did not confirm it"),
            Self::Late => ("late", "there was no time left to write it"),
            Self::Overloaded => ("overloaded", "too much waits to be written"),
        }
    }
}

/// The way into the table. Cheap to clone; the batcher ends when the last clone is gone and all is answered.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

struct Job {
    rows: Vec<Row>,
    /// Bytes of them all.
    weight: usize,
    deadline: Instant,
    /// How the last attempt failed.
    failed: Option<AppendError>,
    answer: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Job {
    fn answer(self, result: Result<Vec<Appended>, AppendError>) {
        // A caller that has gone away does not need it.
        let _ = self.answer.send(result);
    }

    /// Whether sending the rows twice stores them once.
    fn repeatable(&self) -> bool {
        self.rows.iter().all(|row| row.dedup_key().is_some())
    }
}

impl Store {
    /// Starts a batcher with a connection of its own, so that writers who wait never keep readers waiting.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn appender(&self) -> Result<Appender, StoreError> {
        self.start_appender(None)
    }

    /// Likewise for who seldom appends: the connection is closed when nothing has been appended for `linger`, so that
    /// thousands of such need not be connected all the time.
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
    pub(crate) fn start(pool: Pool, tls: MakeRustlsConnect, linger: Option<Duration>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        let repeats_until = Instant::now();
        tokio::spawn(Batcher { pool, tls, linger, waiting: VecDeque::new(), jobs, repeats_until }.run());
        Self { queue, room: Arc::new(Semaphore::new(QUEUE_KIB)) }
    }

    /// Appends `events`, all or none, and says what became of each, in their order, once they are durable. `arrived`
    /// is when the caller's request came in: the answer is there within [`ANSWER_WITHIN`] of it.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(
        &self,
        events: Vec<NewEvent>,
        arrived: Instant,
    ) -> Result<Vec<Appended>, AppendError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = events.into_iter().map(Row::from).collect();
        let weight = rows.iter().map(Row::weight).sum::<usize>();
        let kib = weight.div_ceil(1_024);
        let room = u32::try_from(kib).ok().and_then(|kib| self.room.clone().try_acquire_many_owned(kib).ok());
        let (answer, answered) = oneshot::channel();
        let deadline = arrived + ANSWER_WITHIN;
        let job =
            Job { rows, weight, deadline, failed: None, answer, _room: room.ok_or(AppendError::Overloaded)? };
        self.queue.try_send(job).map_err(|_| AppendError::Overloaded)?;
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AppendError::Unknown("the writer ended".into())),
            Err(_) => Err(AppendError::Unknown("no answer in time".into())),
        }
    }
}

struct Batcher {
    pool: Pool,
    tls: MakeRustlsConnect,
    linger: Option<Duration>,
    waiting: VecDeque<Job>,
    jobs: mpsc::Receiver<Job>,
    /// Until then rows that repeat others are looked out for.
    repeats_until: Instant,
}

/// How the batch that was tried goes on.
enum Verdict {
    /// Everybody has been answered.
    Done,
    /// Try these again after a pause; whoever has no time left for it is told why the last attempt failed.
    Again { jobs: Vec<Job>, pause: Duration },
}

impl Verdict {
    fn again(mut jobs: Vec<Job>, pause: Duration, why: &AppendError) -> Self {
        for job in &mut jobs {
            // Rows that may have landed are not said to have not, whatever came after.
            if !matches!(job.failed, Some(AppendError::Unknown(_))) {
                job.failed = Some(why.clone());
            }
        }
        Self::Again { jobs, pause }
    }
}

impl Batcher {
    async fn run(mut self) {
        while self.next_is_there().await {
            // Connecting may take long, so the late are told apart after it.
            let client = self.pool.get().await;
            if let Err(error) = &client {
                let error = AppendError::Unavailable(chain(error));
                self.waiting
                    .iter_mut()
                    .for_each(|job| job.failed = job.failed.take().or(Some(error.clone())));
            }
            self.turn_away_the_late();
            let verdict = match client {
                Err(_) => Verdict::Again { jobs: Vec::new(), pause: PAUSE },
                Ok(client) => {
                    let jobs = self.take_batch();
                    self.attempt(client, jobs).await
                }
            };
            if let Verdict::Again { jobs, pause } = verdict {
                self.blame(&jobs);
                jobs.into_iter().rev().for_each(|job| self.waiting.push_front(job));
                sleep(pause).await;
            }
        }
    }

    async fn next_is_there(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.job().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
        }
        // The first of many callers is here; others are about to ask, such as those who have just been answered.
        let mut before = 0;
        while before < self.waiting.len() && !self.batch().1 {
            before = self.waiting.len();
            yield_now().await;
            self.gather();
        }
        true
    }

    async fn job(&mut self) -> Option<Job> {
        if let Some(linger) = self.linger {
            match timeout(linger, self.jobs.recv()).await {
                Ok(job) => return job,
                Err(_) => drop(self.pool.retain(|_, _| false)),
            }
        }
        self.jobs.recv().await
    }

    /// How many of those who wait go into the next statement, and whether it is full with them.
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

    fn gather(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push_back(job);
        }
    }

    /// Whoever waits behind an attempt that failed is kept waiting by the same thing.
    fn blame(&mut self, tried: &[Job]) {
        let why = match tried.first().and_then(|job| job.failed.clone()) {
            // What those may have stored, these have not.
            Some(AppendError::Unknown(why)) => AppendError::Unavailable(why),
            Some(why) => why,
            None => return,
        };
        self.gather();
        self.waiting.iter_mut().for_each(|job| job.failed = job.failed.take().or(Some(why.clone())));
    }

    /// Answers whoever has no time left for an attempt: sent now, their rows could land after they gave up.
    fn turn_away_the_late(&mut self) {
        let latest = Instant::now() + ATTEMPT;
        for mut job in std::mem::take(&mut self.waiting) {
            match job.deadline < latest {
                true => {
                    let why = job.failed.take().unwrap_or(AppendError::Late);
                    job.answer(Err(why));
                }
                false => self.waiting.push_back(job),
            }
        }
    }

    fn take_batch(&mut self) -> Vec<Job> {
        let (jobs, _) = self.batch();
        self.waiting.drain(..jobs).collect()
    }

    async fn attempt(&mut self, client: Object, jobs: Vec<Job>) -> Verdict {
        if jobs.is_empty() {
            return Verdict::Done;
        }
        let rows: Vec<&Row> = jobs.iter().flat_map(|job| &job.rows).collect();
        let started = Instant::now();
        // There must be time for a second attempt; and what failed before may have been stored.
        let hurried = |job: &Job| job.failed.is_some() || job.deadline < started + LOCK_TIMEOUT + ATTEMPT;
        let look_out = started < self.repeats_until || jobs.iter().any(hurried);
        let repeats = if look_out { Repeats::PassedOver } else { Repeats::Refused };
        let outcome = self.insert(&client, &rows, repeats).await;
        metrics::histogram!("append_statement_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("append_statement_rows").record(rows.len() as f64);
        match outcome {
            Some(Ok(appended)) => {
                if appended.iter().any(|appended| appended.duplicate) {
                    self.repeats_until = Instant::now() + REPEATS;
                }
                let mut appended = appended.into_iter();
                for job in jobs {
                    let own = appended.by_ref().take(job.rows.len()).collect();
                    job.answer(Ok(own));
                }
                Verdict::Done
            }
            Some(Err(error)) if repeats == Repeats::Refused && is_repeat(&error) => {
                // Nothing of it was stored. More may come, of the same redelivery or second hook.
                self.repeats_until = Instant::now() + REPEATS;
                Verdict::Again { jobs, pause: Duration::ZERO }
            }
            Some(Err(error)) => self.failed(client, jobs, &error).await,
            None => {
                close(client);
                lost(jobs, "the database fell silent")
            }
        }
    }

    /// Sends the statement. One that takes too long is cancelled in the server, so that it can't land later; `None` when
    /// not even that was answered.
    async fn insert(
        &self,
        client: &Object,
        rows: &[&Row],
        repeats: Repeats,
    ) -> Option<Result<Vec<Appended>, tokio_postgres::Error>> {
        let mut insert = std::pin::pin!(batch::insert(client, rows, repeats));
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

    async fn failed(&mut self, client: Object, jobs: Vec<Job>, error: &tokio_postgres::Error) -> Verdict {
        let text = chain(error);
        let Some(state) = error.code() else {
            close(client);
            return lost(jobs, &text);
        };
        if *state == SqlState::LOCK_NOT_AVAILABLE {
            metrics::counter!("append_lock_timeouts_total").increment(1);
            tracing::warn!(
                waiting = jobs.len() + self.waiting.len(),
                "another session holds the table's lock"
            );
            check::log_blockers(&client).await;
            return Verdict::again(jobs, Duration::ZERO, &AppendError::Stalled);
        }
        if *state == SqlState::QUERY_CANCELED {
            return Verdict::again(jobs, PAUSE, &AppendError::Stalled);
        }
        match &state.code()[..2] {
            // One of us was the victim of a deadlock or a serialization failure: nothing was stored.
            "40" => Verdict::again(jobs, Duration::from_millis(5), &AppendError::Unavailable(text)),
            "22" | "23" => match <[Job; 1]>::try_from(jobs) {
                Ok([job]) => {
                    tracing::error!(error = text, "the table refused an event that passed our own checks");
                    job.answer(Err(AppendError::Refused(text)));
                    Verdict::Done
                }
                // One caller's bad row must not fail another's.
                Err(jobs) => self.in_halves(client, jobs).await,
            },
            // The session or the server is going down.
            "57" | "08" => {
                close(client);
                lost(jobs, &text)
            }
            _ => {
                // The next attempt gets a new connection: this one may be to a server that is read-only by now.
                close(client);
                tracing::error!(error = text, "append failed");
                for job in jobs {
                    job.answer(Err(AppendError::Unavailable(text.clone())));
                }
                Verdict::Done
            }
        }
    }

    /// Tries each half by itself, and so on until the bad row is alone.
    async fn in_halves(&mut self, client: Object, mut jobs: Vec<Job>) -> Verdict {
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
            if let Verdict::Again { jobs, .. } = Box::pin(self.attempt(own, half)).await {
                again.extend(jobs);
            }
            client = self.pool.get().await.ok();
        }
        match again.is_empty() {
            true => Verdict::Done,
            false => Verdict::Again { jobs: again, pause: PAUSE },
        }
    }
}

fn is_repeat(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Closes a connection instead of giving it back to the pool.
fn close(client: Object) {
    drop(Object::take(client));
}

/// The connection broke after the rows were sent: those with a dedup key can be sent again, for the others nobody
/// knows.
fn lost(jobs: Vec<Job>, why: &str) -> Verdict {
    tracing::warn!(error = why, "the connection broke during an append");
    let (repeatable, unknown): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(Job::repeatable);
    for job in unknown {
        job.answer(Err(AppendError::Unknown(why.to_owned())));
    }
    match repeatable.is_empty() {
        true => Verdict::Done,
        false => Verdict::again(repeatable, PAUSE, &AppendError::Unknown(why.to_owned())),
    }
}
