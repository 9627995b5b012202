//! [`Watcher`]: polls the log of each project, page by page, from a saved cursor.
//!
//! A poll stores the events of a page before it saves the cursor. So after a crash, the next poll reads at
//! most one page again, and the dedup keys prevent duplicate events.
//!
//! A walk is the sequence of pages that one query of a log returns. The poll saves the state of the walk
//! after each page. If the budget of a poll is too small for the walk, the next poll continues the walk.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oasis_core::bridge::Mapping;
use oasis_core::{DedupKey, NewEvent};
use oasis_service::random;
use oasis_store::{AppendError, Appended, Appender, LogWalk, Refusal, Store, UnreadEntry, WatchState};
use tokio::time::{Instant, sleep};

use crate::known::Known;
use crate::logs::{EntryId, Listed, Logs, LogsError, Page, PageRequest};
use crate::operations::Operations;
use crate::poll_report::{PollError, PollReport, PollStatus, ReadSummary};
use crate::resources::with_resources;
use crate::{audit, quarantine};

/// The maximum number of list calls in one poll, for all projects together. Google allows 60 calls a minute.
pub(crate) const MAX_CALLS: u32 = 30;
/// Each walk starts this long before the cursor, because entries can arrive late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The pause after the first failed try of a call. Each later pause is twice as long as the pause before it.
/// All pauses have jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_TRIES: u32 = 4;
/// The time after which a poll starts no more calls. Cloud Scheduler waits 3 minutes for an answer.
const POLL_TIMEOUT: Duration = Duration::from_secs(100);

/// Polls the logs of several projects.
pub struct Watcher<L> {
    projects: Vec<String>,
    /// How far the first poll of a project looks back.
    lookback: SignedDuration,
    logs: L,
    store: Store,
    appender: Appender,
    /// The workloads of services.
    resources: Mapping,
    known: Known,
    /// The number of polls so far. This number determines the project that the next poll starts with.
    polls: AtomicUsize,
    status: Mutex<PollStatus>,
}

impl<L: Logs> Watcher<L> {
    /// Makes a watcher of the logs of `projects`. The first poll of a project looks back by `lookback`.
    pub fn new(
        projects: Vec<String>,
        lookback: SignedDuration,
        logs: L,
        store: Store,
        appender: Appender,
    ) -> Self {
        let (known, polls, status) = (Known::default(), AtomicUsize::new(0), Mutex::default());
        Self {
            projects,
            lookback,
            logs,
            store,
            appender,
            resources: Mapping::default(),
            known,
            polls,
            status,
        }
    }

    /// The same watcher, which also stores the resource events of the workloads in `resources`.
    #[must_use]
    pub fn with_resources(self, resources: Mapping) -> Self {
        Self { resources, ..self }
    }

    /// When the last successful poll ended, and whether the last poll failed.
    pub fn status(&self) -> PollStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the new entries of each project's log and stores their events. A project that can't be read
    /// does not block the others.
    ///
    /// # Errors
    /// The first failure, after all projects have been tried.
    pub async fn poll(&self) -> Result<PollReport, PollError> {
        let report = self.try_poll().await;
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match &report {
            Ok(PollReport::Skipped { .. }) => {}
            Ok(PollReport::Read(_)) => {
                *status = PollStatus { last_good: Some(Timestamp::now()), failure: None };
            }
            Err(error) => status.failure = Some(error.code()),
        }
        report
    }

    async fn try_poll(&self) -> Result<PollReport, PollError> {
        let Some(lock) = self.store.watch_lock().await? else {
            return Ok(PollReport::Skipped { ok: true, skipped: "another poll is under way" });
        };
        let summary = self.read_all().await;
        lock.release().await;
        summary.map(PollReport::Read)
    }

    async fn read_all(&self) -> Result<ReadSummary, PollError> {
        let mut budget = Budget { calls: 0, max_calls: 0, deadline: Instant::now() + POLL_TIMEOUT };
        let mut summary = ReadSummary { ok: true, ..ReadSummary::default() };
        let (mut cursor, mut failure) = (None, None);
        // Each poll starts with a different project. Otherwise, if the calls for one project hang, polls
        // would never reach the projects after that project.
        let first = self.polls.fetch_add(1, Ordering::Relaxed) % self.projects.len().max(1);
        let projects = self.projects.iter().cycle().skip(first).take(self.projects.len());
        for (nth, project) in projects.enumerate() {
            // Divide the remaining calls evenly among the remaining projects.
            let shares = u32::try_from(self.projects.len() - nth).unwrap_or(u32::MAX);
            budget.max_calls = budget.calls + MAX_CALLS.saturating_sub(budget.calls).div_ceil(shares);
            match self.walk(project, &mut budget, &mut summary).await {
                Ok(at) => cursor = Some(cursor.map_or(at, |oldest: Timestamp| oldest.min(at))),
                Err(error) if failure.is_none() => failure = Some(error),
                // The caller reports and logs only the first failure, so log the other failures here.
                Err(error) => tracing::warn!(project, %error, "the log of another project can't be read"),
            }
        }
        summary.cursor = cursor.map(|cursor| format!("{cursor:.3}"));
        failure.map_or(Ok(summary), Err)
    }

    /// Continues the walk of a project, or starts one. Stops at the last page or at the end of the budget.
    /// Returns the project's cursor.
    async fn walk(
        &self,
        project: &str,
        budget: &mut Budget,
        summary: &mut ReadSummary,
    ) -> Result<Timestamp, PollError> {
        let mut saved = self.store.watch_state(project).await?;
        let initial = || WatchState { cursor: to_micros(Timestamp::now() - self.lookback), walk: None };
        let mut state = saved.clone().unwrap_or_else(initial);
        let mut restarted = false;
        while budget.allows_call() {
            let from = state.walk.as_ref().map_or(state.cursor - OVERLAP, |walk| walk.from);
            let began = state.walk.as_ref().map_or_else(|| to_micros(Timestamp::now()), |walk| walk.began);
            let token = state.walk.as_ref().map(|walk| walk.token.as_str());
            let page = match self.fetch_page(PageRequest { project, from, token }, budget).await {
                Ok(page) => page,
                // The token may have expired. All events up to the cursor are stored, so a new walk can start
                // at the cursor. Forget the token first, so that the next poll does not use the token again
                // after a crash.
                Err(LogsError::Refused(why)) if token.is_some() && !restarted => {
                    tracing::warn!(project, why, "the walk can't continue; a new walk starts at the cursor");
                    (restarted, state.walk) = (true, None);
                    self.store.keep_watch_state(project, &state, &[]).await?;
                    saved = Some(state.clone());
                    continue;
                }
                Err(why) => return Err(PollError::Logs { project: project.to_owned(), why }),
            };
            let Aside { unread, held } = self.store_page(project, &page.entries, summary).await?;
            let newest = page.entries.iter().map(|listed| listed.id.timestamp).max();
            // The cursor never passes the time at which the walk began, even if the walk began long ago.
            // Entries that arrived after this time may belong to pages that the walk has already read, and
            // the next walk must find these entries. The limit also prevents an entry with a future timestamp
            // from hiding later entries.
            let newest = newest.map(|newest| to_micros(newest.min(began)));
            state.cursor = state.cursor.max(newest.unwrap_or(state.cursor));
            state.walk = page.next.map(|token| LogWalk { from, began, token });
            if saved.as_ref() != Some(&state) || !unread.is_empty() {
                self.store.keep_watch_state(project, &state, &unread).await?;
                saved = Some(state.clone());
            }
            self.known.remember(project, page.entries, held, state.cursor - OVERLAP);
            if state.walk.is_none() {
                return Ok(state.cursor);
            }
        }
        summary.more = true;
        Ok(state.cursor)
    }

    /// Fetches one page. Retries transient errors, but makes at most [`MAX_TRIES`] calls in total, and no
    /// more than the budget allows.
    async fn fetch_page(&self, request: PageRequest<'_>, budget: &mut Budget) -> Result<Page, LogsError> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            (tries, budget.calls) = (tries + 1, budget.calls + 1);
            match self.logs.list(request).await {
                Err(why) if why.is_transient() && tries < MAX_TRIES && budget.allows_call() => {
                    tracing::debug!(%why, "a list call failed; trying again");
                    sleep(pause.mul_f64(0.5 + random())).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }

    /// Stores the events of the new entries, and returns the entries whose events were not stored.
    async fn store_page(
        &self,
        project: &str,
        entries: &[Listed],
        summary: &mut ReadSummary,
    ) -> Result<Aside, PollError> {
        let fresh = self.known.fresh(project, entries);
        summary.seen += fresh.seen;
        let (mut reports, mut unread) = (Vec::new(), Vec::new());
        for listed in fresh.entries {
            let entry = listed.entry.as_ref().map_err(Clone::clone);
            match entry.and_then(|entry| audit::read(&listed.id, entry).map_err(|why| why.to_string())) {
                Ok(report) => reports.extend(report.map(|report| (listed, report))),
                Err(reason) => unread.push(quarantine::unreadable(project, listed, &reason)),
            }
        }
        let mut operations = Operations::new(reports);
        let keys = operations.keys();
        let keys: Vec<&str> = keys.iter().map(DedupKey::as_str).collect();
        operations.add_stored(&self.store.attributions(&keys).await?);
        operations.add_requests(self.store.newest_requests(&operations.lookups()).await?);
        let settled = operations.settle(Timestamp::now());
        let groups = settled.events.into_iter();
        let groups = groups.map(|(listed, deploy)| (listed, with_resources(deploy, &self.resources)));
        for (listed, refusal) in self.append(groups.collect(), summary).await? {
            unread.push(quarantine::refused(project, listed, &refusal));
        }
        summary.unread += unread.len();
        summary.held += settled.held.len();
        metrics::counter!("deploy_entries_unread_total").increment(unread.len() as u64);
        Ok(Aside { unread, held: settled.held.into_iter().map(|listed| listed.id.clone()).collect() })
    }

    /// Stores groups of events: the event of a deploy, and its resource events. Returns the entries of the
    /// groups that the table refuses. After a refusal, appends each group separately, so that a refused group
    /// does not block the other groups.
    async fn append<'e>(
        &self,
        groups: Vec<(&'e Listed, Vec<NewEvent>)>,
        summary: &mut ReadSummary,
    ) -> Result<Vec<(&'e Listed, Box<Refusal>)>, PollError> {
        // Counts the deploys, not their resource events.
        let append = async |groups: &[(&Listed, Vec<NewEvent>)]| {
            let events = groups.iter().flat_map(|(_, events)| events).cloned().collect();
            let mut appended = self.appender.append(events, Instant::now()).await?.into_iter();
            let is_new = |(_, events): &&(&Listed, Vec<NewEvent>)| {
                let own: Vec<Appended> = appended.by_ref().take(events.len()).collect();
                own.first().is_some_and(|deploy| !deploy.duplicate)
            };
            Ok(groups.iter().filter(is_new).count())
        };
        let mut refused = Vec::new();
        match append(&groups).await {
            Ok(new) => summary.published += new,
            Err(AppendError::Refused(_)) => {
                for group in &groups {
                    match append(std::slice::from_ref(group)).await {
                        Ok(new) => summary.published += new,
                        Err(AppendError::Refused(refusal)) => refused.push((group.0, refusal)),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(refused)
    }
}

/// The entries of a page whose events were not stored.
struct Aside {
    /// The entries that can't be read, and the entries whose event the table refuses.
    unread: Vec<UnreadEntry>,
    /// The entries that the next poll must read again, because their request may arrive late.
    held: HashSet<EntryId>,
}

/// Limits the list calls and the time of a poll.
struct Budget {
    /// The calls that the poll has made so far.
    calls: u32,
    /// The value of `calls` at which the walk of the current project stops.
    max_calls: u32,
    deadline: Instant,
}

impl Budget {
    fn allows_call(&self) -> bool {
        self.calls < self.max_calls && Instant::now() < self.deadline
    }
}

/// Truncates to whole microseconds, the precision of Postgres, so that a saved time equals the original.
fn to_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
