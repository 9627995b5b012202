//! A poll: each project's log from where the last one ended, page by page, and what was read is stored before
//! the cursor moves. A crash anywhere repeats a page at the most, whose events have dedup keys.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oasis_core::NewEvent;
use oasis_service::random;
use oasis_store::{AppendError, Appender, LogWalk, Refusal, Store, UnreadEntry, WatchState};
use tokio::time::{Instant, sleep};

use crate::known::Known;
use crate::logs::{Ask, Listed, Logs, LogsError, Page};
use crate::poll_report::{Last, PollError, PollReport, Read};
use crate::{audit, quarantine};

/// List calls of one poll, over all projects: Google allows 60 a minute.
pub(crate) const MOST_CALLS: u32 = 30;
/// Entries may arrive late, so each walk begins this long before the newest one that was read.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The pause after a call that may succeed a moment later; doubled each time, with jitter.
const PAUSE: Duration = Duration::from_millis(500);
const TRIES: u32 = 4;
/// No page is asked for after this; Cloud Scheduler waits 3 minutes.
const POLL_WITHIN: Duration = Duration::from_secs(100);

/// The one who polls.
pub struct Watcher<L> {
    projects: Vec<String>,
    /// How far the first poll of a project looks back.
    lookback: SignedDuration,
    logs: L,
    store: Store,
    appender: Appender,
    known: Known,
    /// How many there have been.
    polls: AtomicUsize,
    last: Mutex<Last>,
}

impl<L: Logs> Watcher<L> {
    /// Reads the logs of `projects`, the first time from `lookback` ago on.
    pub fn new(
        projects: Vec<String>,
        lookback: SignedDuration,
        logs: L,
        store: Store,
        appender: Appender,
    ) -> Self {
        let (known, polls, last) = (Known::default(), AtomicUsize::new(0), Mutex::default());
        Self { projects, lookback, logs, store, appender, known, polls, last }
    }

    /// What the polls of this process came to.
    pub fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads what is new in each project's log. A project that can't be read does not keep the others from
    /// it.
    ///
    /// # Errors
    /// The first failure, after all projects have been tried.
    pub async fn poll(&self) -> Result<PollReport, PollError> {
        let report = self.try_poll().await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &report {
            Ok(PollReport::Skipped { .. }) => {}
            Ok(PollReport::Read(_)) => *last = Last { good: Some(Timestamp::now()), failure: None },
            Err(error) => last.failure = Some(error.code()),
        }
        report
    }

    async fn try_poll(&self) -> Result<PollReport, PollError> {
        let Some(lock) = self.store.watch_lock().await? else {
            return Ok(PollReport::Skipped { ok: true, skipped: "another poll is under way" });
        };
        let read = self.read_all().await;
        lock.release().await;
        read.map(PollReport::Read)
    }

    async fn read_all(&self) -> Result<Read, PollError> {
        let mut budget = Budget { spent: 0, most: 0, until: Instant::now() + POLL_WITHIN };
        let mut read = Read { ok: true, ..Read::default() };
        let (mut cursor, mut failure) = (None, None);
        // Another one is first each time, so that one whose calls hang does not always keep the same ones
        // waiting.
        let first = self.polls.fetch_add(1, Ordering::Relaxed) % self.projects.len().max(1);
        let projects = self.projects.iter().cycle().skip(first).take(self.projects.len());
        for (nth, project) in projects.enumerate() {
            // Each gets its share of what the earlier ones left.
            let shares = u32::try_from(self.projects.len() - nth).unwrap_or(u32::MAX);
            budget.most = budget.spent + MOST_CALLS.saturating_sub(budget.spent).div_ceil(shares);
            match self.walk(project, &mut budget, &mut read).await {
                Ok(at) => cursor = Some(cursor.map_or(at, |oldest: Timestamp| oldest.min(at))),
                Err(error) if failure.is_none() => failure = Some(error),
                // The first is told to whoever asked for the poll, and logged there.
                Err(error) => tracing::warn!(project, %error, "this project can't be read either"),
            }
        }
        read.cursor = cursor.map(|cursor| format!("{cursor:.3}"));
        failure.map_or(Ok(read), Err)
    }

    /// Reads a project's log to its end, or as far as the budget goes, and gives the time of the newest entry
    /// read.
    async fn walk(
        &self,
        project: &str,
        budget: &mut Budget,
        read: &mut Read,
    ) -> Result<Timestamp, PollError> {
        let mut kept = self.store.watch_state(project).await?;
        let first = || WatchState { cursor: whole(Timestamp::now() - self.lookback), walk: None };
        let mut state = kept.clone().unwrap_or_else(first);
        let mut begun_anew = false;
        while budget.allows() {
            let from = state.walk.as_ref().map_or(state.cursor - OVERLAP, |walk| walk.from);
            let began = state.walk.as_ref().map_or_else(|| whole(Timestamp::now()), |walk| walk.began);
            let token = state.walk.as_ref().map(|walk| walk.token.as_str());
            let page = match self.page(Ask { project, from, token }, budget).await {
                Ok(page) => page,
                // The token is too old. Everything up to the cursor is stored, so another walk begins there;
                // whoever comes after a crash must not try the token again.
                Err(LogsError::Refused(why)) if token.is_some() && !begun_anew => {
                    tracing::warn!(project, why, "the walk can't be resumed and begins anew");
                    (begun_anew, state.walk) = (true, None);
                    self.store.keep_watch_state(project, &state, &[]).await?;
                    kept = Some(state.clone());
                    continue;
                }
                Err(why) => return Err(PollError::Logs { project: project.to_owned(), why }),
            };
            let unread = self.keep(project, &page.entries, read).await?;
            let newest = page.entries.iter().map(|listed| listed.id.timestamp).max();
            // No further than when the walk began, however long ago: what came since may stand on pages that
            // were passed, and the next walk must find it. Nor does an entry of the future hide those that
            // come before it.
            let newest = newest.map(|newest| whole(newest.min(began)));
            state.cursor = state.cursor.max(newest.unwrap_or(state.cursor));
            state.walk = page.next.map(|token| LogWalk { from, began, token });
            if kept.as_ref() != Some(&state) || !unread.is_empty() {
                self.store.keep_watch_state(project, &state, &unread).await?;
                kept = Some(state.clone());
            }
            self.known.remember(project, page.entries, state.cursor - OVERLAP);
            if state.walk.is_none() {
                return Ok(state.cursor);
            }
        }
        read.more = true;
        Ok(state.cursor)
    }

    /// One page, with as many tries as it takes within the budget.
    async fn page(&self, ask: Ask<'_>, budget: &mut Budget) -> Result<Page, LogsError> {
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            (tries, budget.spent) = (tries + 1, budget.spent + 1);
            match self.logs.list(ask).await {
                Err(why) if why.is_passing() && tries < TRIES && budget.allows() => {
                    tracing::debug!(%why, "trying again");
                    sleep(pause.mul_f64(0.5 + random())).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }

    /// Stores the events of what was not known, and gives the entries that can't be read.
    async fn keep(
        &self,
        project: &str,
        entries: &[Listed],
        read: &mut Read,
    ) -> Result<Vec<UnreadEntry>, PollError> {
        let fresh = self.known.fresh(project, entries);
        read.seen += fresh.len();
        let (mut events, mut unread, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
        for listed in fresh {
            let event = listed.entry.as_ref().map_err(Clone::clone);
            match event.and_then(|entry| audit::read(&listed.id, entry).map_err(|why| why.to_string())) {
                Ok(Some(new)) if new.dedup_key.as_ref().is_none_or(|key| keys.insert(key.clone())) => {
                    events.push((listed, new));
                }
                Ok(_) => {}
                Err(reason) => unread.push(quarantine::unreadable(project, listed, &reason)),
            }
        }
        for (listed, refusal) in self.append(events, read).await? {
            unread.push(quarantine::refused(project, listed, &refusal));
        }
        read.unread += unread.len();
        metrics::counter!("deploy_entries_unread_total").increment(unread.len() as u64);
        Ok(unread)
    }

    /// Stores `events`, and gives those that the table refuses, which hold up no others.
    async fn append<'e>(
        &self,
        events: Vec<(&'e Listed, NewEvent)>,
        read: &mut Read,
    ) -> Result<Vec<(&'e Listed, Box<Refusal>)>, PollError> {
        let all: Vec<NewEvent> = events.iter().map(|(_, new)| new.clone()).collect();
        let append = async |events| {
            let appended = self.appender.append(events, Instant::now()).await?;
            Ok(appended.iter().filter(|one| !one.duplicate).count())
        };
        let mut refused = Vec::new();
        match append(all).await {
            Ok(new) => read.published += new,
            Err(AppendError::Refused(_)) => {
                for (listed, new) in events {
                    match append(vec![new]).await {
                        Ok(new) => read.published += new,
                        Err(AppendError::Refused(refusal)) => refused.push((listed, refusal)),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(refused)
    }
}

/// What a poll may still ask for.
struct Budget {
    spent: u32,
    most: u32,
    until: Instant,
}

impl Budget {
    fn allows(&self) -> bool {
        self.spent < self.most && Instant::now() < self.until
    }
}

/// As Postgres keeps it, in whole microseconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
