//! [`Runs`]: the workflow runs of GitHub drive casts.
//!
//! Deliveries of runs arrive as rows of the ticker. The tail notes which deliveries and which casts are new.
//! A task then reads these casts together with all deliveries of their runs, and appends the rows that
//! [`oasis_core::drive`] makes from them. So one read covers every case: a new delivery, a run that was
//! mapped later than it ended, and the start of the tail, when all casts that a run may still drive are read.
//!
//! Every gateway does this. The dedup keys of the rows store each of them once.

use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oasis_core::cast::{
    CASTS, CastId, fields,
    kinds::{CHANGES, UPDATED},
};
use oasis_core::{Channel, Meta, NewEvent, Source, chain, drive};
use oasis_store::{AppendError, Appender, CastWithRuns, SelectCasts, Store, StoreError, StoredEvent, Update};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The maximum number of deliveries and casts that wait. If there are more, all casts are read.
const MOST_WAITING: usize = 1_000;
/// The maximum number of casts of one read.
const PAGE: usize = 200;
/// The pause after a failure. It doubles with each further failure in a row, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause after the database has refused the read: a right or a migration is missing.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// The kind of a delivery's row.
const WORKFLOW_RUN: &str = "workflow_run";

/// Drives casts. See the head of this file.
pub(crate) struct Runs {
    store: Store,
    appender: Appender,
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// Whether there may be a cast. Without casts, a delivery needs no read.
    has_casts: AtomicBool,
}

/// What the task must read.
#[derive(Debug, Default)]
struct Waiting {
    /// Whether all casts that a run may still drive must be read.
    all: bool,
    deliveries: Vec<i64>,
    casts: Vec<Channel>,
    /// The last id that the tail has read. A read must contain it.
    head: i64,
}

#[derive(Debug, thiserror::Error)]
enum DriveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the database server that answered is behind the server that the tail reads")]
    Stale,
}

impl Runs {
    pub(crate) fn new(store: Store, appender: Appender) -> Self {
        let has_casts = AtomicBool::new(true);
        Self { store, appender, waiting: Mutex::default(), wake: Notify::new(), has_casts }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an update from the tail contains.
    pub(crate) fn update(&self, update: &Update) {
        match update {
            Update::Start { head, .. } => {
                *self.waiting() = Waiting { all: true, head: *head, ..Waiting::default() };
                self.wake.notify_one();
            }
            Update::Events(events) => self.observe(events),
            Update::Pruned(_) | Update::Up { .. } | Update::Down(_) => {}
        }
    }

    fn observe(&self, events: &[StoredEvent]) {
        let deliveries = events.iter().filter(|event| is_delivery(event)).map(|event| event.id);
        let of_casts = events.iter().filter(|event| event.channel.family() == CASTS);
        let casts = of_casts.clone().filter(|event| may_map(event)).map(|event| event.channel.clone());
        if of_casts.clone().next().is_some() {
            self.has_casts.store(true, Ordering::Relaxed);
        }
        let mut waiting = self.waiting();
        let before = waiting.deliveries.len() + waiting.casts.len();
        waiting.deliveries.extend(deliveries);
        waiting.casts.extend(casts);
        waiting.head = events.last().map_or(waiting.head, |last| last.id);
        let after = waiting.deliveries.len() + waiting.casts.len();
        if after > MOST_WAITING {
            *waiting = Waiting { all: true, head: waiting.head, ..Waiting::default() };
        }
        if after > before {
            self.wake.notify_one();
        }
    }

    /// Drives casts until the future is dropped.
    pub(crate) async fn follow(&self) {
        let mut pause = Duration::ZERO;
        loop {
            self.wake.notified().await;
            while let Some(mut work) = self.next() {
                let done = self.catch_up(&mut work).await;
                let is_refused = matches!(&done, Err(DriveError::Store(error)) if error.is_refusal());
                match done {
                    Ok(()) => {
                        if !pause.is_zero() {
                            tracing::info!("workflow runs drive casts again");
                        }
                        pause = Duration::ZERO;
                        continue;
                    }
                    Err(error) if pause.is_zero() => {
                        tracing::warn!(error = chain(&error), "a workflow run can't drive its cast yet");
                    }
                    Err(_) => {}
                }
                self.put_back(work);
                pause = if is_refused { AFTER_REFUSAL } else { (pause * 2).clamp(PAUSE, LONGEST_PAUSE) };
                sleep(pause).await;
            }
        }
    }

    /// What waits now.
    fn next(&self) -> Option<Waiting> {
        let mut waiting = self.waiting();
        let head = waiting.head;
        let next = take(&mut *waiting);
        waiting.head = head;
        (next.all || !next.deliveries.is_empty() || !next.casts.is_empty()).then_some(next)
    }

    /// Puts back what a failed turn has not done.
    fn put_back(&self, work: Waiting) {
        let mut waiting = self.waiting();
        waiting.all |= work.all;
        waiting.deliveries.extend(work.deliveries);
        waiting.casts.extend(work.casts);
    }

    /// Brings casts to the states of their runs, and removes from `work` what is done.
    async fn catch_up(&self, work: &mut Waiting) -> Result<(), DriveError> {
        if work.all {
            self.drive_all(work.head).await?;
            work.all = false;
        }
        if !self.has_casts.load(Ordering::Relaxed) {
            work.deliveries.clear();
        }
        while !work.deliveries.is_empty() {
            let some = work.deliveries.len().saturating_sub(PAGE);
            self.drive_some(SelectCasts::OfDeliveries(work.deliveries[some..].to_vec()), work.head).await?;
            work.deliveries.truncate(some);
        }
        while !work.casts.is_empty() {
            let some = work.casts.len().saturating_sub(PAGE);
            self.drive_some(SelectCasts::Named(work.casts[some..].to_vec()), work.head).await?;
            work.casts.truncate(some);
        }
        Ok(())
    }

    /// Drives all casts that a run may still drive.
    async fn drive_all(&self, head: i64) -> Result<(), DriveError> {
        let mut after = None;
        // A cast that is opened meanwhile sets this again.
        self.has_casts.store(false, Ordering::Relaxed);
        loop {
            let select = SelectCasts::Driven { after: after.take(), most: PAGE as i64 };
            let read = self.drive_some(select, head).await.inspect_err(|_| {
                self.has_casts.store(true, Ordering::Relaxed);
            })?;
            match read.last() {
                Some(last) if read.len() >= PAGE => after = Some(last.cast.channel.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Drives some casts, and returns them as they were before.
    async fn drive_some(&self, select: SelectCasts, head: i64) -> Result<Vec<CastWithRuns>, DriveError> {
        let found = self.store.casts_with_runs(&select).await?;
        if found.head < head {
            return Err(DriveError::Stale);
        }
        if found.has_casts {
            self.has_casts.store(true, Ordering::Relaxed);
        }
        let events: Vec<NewEvent> = found.casts.iter().filter_map(next_row).collect();
        let maps: Vec<Option<Channel>> = events.iter().map(maps_run).collect();
        match self.appender.append(events, Instant::now()).await {
            Ok(appended) => {
                // Another row with this dedup key may not have the id of the run. So the cast is read again.
                let again = maps.into_iter().zip(&appended).filter(|(_, appended)| appended.duplicate);
                self.waiting().casts.extend(again.filter_map(|(channel, _)| channel));
                Ok(found.casts)
            }
            Err(AppendError::Refused(why)) => {
                tracing::error!(%why, "the table refused rows that workflow runs require for casts");
                Ok(found.casts)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The row that brings a cast to the state of its run.
fn next_row(found: &CastWithRuns) -> Option<NewEvent> {
    let cast = CastId::of_channel(&found.cast.channel)?;
    drive(&cast, &found.cast.state, &found.rows()).unwrap_or_else(|why| {
        tracing::error!(%why, %cast, "the row that a workflow run requires for this cast is not valid");
        None
    })
}

/// The cast of a row that changes the status and also sets the run.
fn maps_run(event: &NewEvent) -> Option<Channel> {
    let sets_run = event.event.kind.as_str() != UPDATED && event.meta.as_map().contains_key(fields::RUN_ID);
    sets_run.then(|| event.channel.clone())
}

fn is_delivery(event: &StoredEvent) -> bool {
    event.channel.is_devhub() && event.source == Source::GithubActions && event.kind.as_str() == WORKFLOW_RUN
}

/// Whether a row of a cast can map the cast to a run.
fn may_map(event: &StoredEvent) -> bool {
    let names = [fields::RUN_ID, fields::REPOSITORY];
    let has_any = |meta: &Meta| names.iter().any(|name| meta.as_map().contains_key(*name));
    CHANGES.contains(&event.kind.as_str()) && event.meta.as_ref().is_some_and(has_any)
}
