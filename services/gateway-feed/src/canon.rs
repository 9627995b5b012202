//! `GET /api/v1/oasis/canon`: how much of the work names its task, by day and by producer.
//!
//! The canon says that each run, each deploy and each agent belongs to a task. `oasis canon check` finds the
//! causes in the files of a repository; this answer shows the effect in the events of the last days.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use oasis_core::{Ts, emails};
use oasis_service::{ApiError, Query, Request, Response, response};
use oasis_store::{Store, Work, WorkOfDay};
use serde::Serialize;
use tokio::time::Instant;

use crate::query::params;
use crate::turns::{Asker, Cost, Turns};

const DEFAULT_DAYS: i64 = 30;
const MAX_DAYS: i64 = 90;
/// The maximum number of producers in the answer.
const MOST_WORST: usize = 20;
/// The maximum number of requests that wait for a report.
const MOST_WAITING: usize = 500;
/// How long an answer is cached. The statement reads up to 150,000 rows.
const FRESH: Duration = Duration::from_secs(30);

/// Answers requests for the report.
pub(crate) struct Canon {
    store: Store,
    /// Whether every reader must present a token. If not, e-mail addresses in names are withheld.
    readers_known: bool,
    /// One report is made at a time. The requests that wait for the same days get the same report.
    turns: Turns,
    reports: Mutex<Reports>,
}

/// The last reports by the number of days, and when they were made.
type Reports = HashMap<i64, (Instant, Arc<Report>)>;

/// How much work there is, and how much of it names no task.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Count {
    total: i64,
    without_task: i64,
}

impl Count {
    fn add(&mut self, total: i64, without_task: i64) {
        self.total += total;
        self.without_task += without_task;
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Counts {
    /// Runs of GitHub workflows that have ended.
    runs: Count,
    /// Deploys that have ended.
    deploys: Count,
    /// Agents. An agent has no task if none of its pings names one.
    agents: Count,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    since: Ts,
    days: i64,
    #[serde(flatten)]
    counts: Counts,
    /// One entry for each day with work, the oldest first.
    trend: Vec<Day>,
    /// The producers with the most work without a task.
    worst: Vec<Producer>,
    /// Whether the whole period is counted. If not, only the newest events are.
    complete: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Day {
    day: String,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Producer {
    work: &'static str,
    /// The repository, the service or the agent.
    name: String,
    #[serde(flatten)]
    count: Count,
    /// The id of the newest event without a task.
    newest: Option<i64>,
}

impl Report {
    fn new(since: Ts, days: i64, work: Vec<WorkOfDay>) -> Self {
        let mut counts = Counts::default();
        let mut trend: BTreeMap<String, Counts> = BTreeMap::new();
        let mut producers: BTreeMap<(&'static str, String), (Count, Option<i64>)> = BTreeMap::new();
        let complete = work.iter().all(|work| work.is_whole);
        for WorkOfDay { work, name, day, total, without_task, newest, .. } in work {
            let day = trend.entry(day).or_default();
            let what = match work {
                Work::Runs => {
                    counts.runs.add(total, without_task);
                    day.runs.add(total, without_task);
                    "runs"
                }
                Work::Deploys => {
                    counts.deploys.add(total, without_task);
                    day.deploys.add(total, without_task);
                    "deploys"
                }
                Work::Pings => {
                    day.agents.add(1, i64::from(total == without_task));
                    "agents"
                }
            };
            let producer = producers.entry((what, name)).or_default();
            producer.0.add(total, without_task);
            producer.1 = producer.1.max(newest);
        }
        // An agent that is idle at times still has a task.
        let is_without = |(what, count): (&str, Count)| match what {
            "agents" => count.total == count.without_task,
            _ => count.without_task > 0,
        };
        for ((what, _), (count, _)) in &producers {
            if *what == "agents" {
                counts.agents.add(1, i64::from(is_without((what, *count))));
            }
        }
        let mut worst: Vec<Producer> = producers
            .into_iter()
            .filter(|((what, _), (count, _))| is_without((what, *count)))
            .map(|((work, name), (count, newest))| Producer { work, name, count, newest })
            .collect();
        worst.sort_by_key(|producer| std::cmp::Reverse(producer.count.without_task));
        worst.truncate(MOST_WORST);
        let trend = trend.into_iter().map(|(day, counts)| Day { day, counts }).collect();
        Self { since, days, counts, trend, worst, complete }
    }

    /// Withholds the e-mail addresses in the names of producers. An agent may have any name.
    fn withhold_emails(&mut self) {
        for producer in &mut self.worst {
            producer.name = emails::withhold_in_text(&producer.name).into_owned();
        }
    }
}

impl Canon {
    pub(crate) fn new(store: Store, readers_known: bool) -> Self {
        Self { store, readers_known, turns: Turns::new(1, MOST_WAITING), reports: Mutex::default() }
    }

    /// Answers with the report of the last days.
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 if the table cannot be read, or if too many reports are being made.
    pub(crate) async fn report(&self, request: &Request, asker: Asker<'_>) -> Result<Response, ApiError> {
        let query = Query::parse(request.uri().query(), &["days", "token"])?;
        let days = params::number(&query, "days", 1..=MAX_DAYS)?.unwrap_or(DEFAULT_DAYS);
        if let Some(report) = self.fresh(days) {
            return response::json(StatusCode::OK, &*report);
        }
        let _turn = self.turns.take(asker, Cost::Cheap, 1).await?;
        // Another request may have made the report in the meantime.
        if let Some(report) = self.fresh(days) {
            return response::json(StatusCode::OK, &*report);
        }
        let since = Timestamp::now() - SignedDuration::from_hours(24 * days);
        let work = self.store.work_since(since).await.map_err(|error| {
            ApiError::unavailable("database_unavailable", "the events cannot be counted now", error)
        })?;
        let mut report = Report::new(Ts::clamped(since), days, work);
        if !self.readers_known {
            report.withhold_emails();
        }
        let report = Arc::new(report);
        self.reports().insert(days, (Instant::now(), report.clone()));
        response::json(StatusCode::OK, &*report)
    }

    /// A report of the last days that was made a short time ago.
    fn fresh(&self, days: i64) -> Option<Arc<Report>> {
        let mut reports = self.reports();
        reports.retain(|_, (made, _)| made.elapsed() < FRESH);
        reports.get(&days).map(|(_, report)| report.clone())
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(work: Work, name: &str, day: &str, total: i64, without_task: i64) -> WorkOfDay {
        let newest = (without_task > 0).then_some(total);
        WorkOfDay {
            work,
            name: name.to_owned(),
            day: day.to_owned(),
            total,
            without_task,
            newest,
            is_whole: true,
        }
    }

    #[test]
    fn work_without_a_task_is_counted_by_day_and_producer() {
        let since = Ts::clamped(Timestamp::UNIX_EPOCH);
        let report = Report::new(
            since,
            30,
            vec![
                work(Work::Runs, "acme/shop", "2026-01-01", 4, 1),
                work(Work::Runs, "acme/shop", "2026-01-02", 6, 2),
                work(Work::Runs, "acme/web", "2026-01-02", 3, 0),
                work(Work::Deploys, "api", "2026-01-02", 5, 5),
                work(Work::Pings, "idle", "2026-01-02", 7, 7),
                work(Work::Pings, "busy", "2026-01-01", 2, 2),
                work(Work::Pings, "busy", "2026-01-02", 9, 8),
            ],
        );
        let count = |total, without_task| Count { total, without_task };
        assert_eq!((report.counts.runs, report.counts.deploys), (count(13, 3), count(5, 5)));
        // The agent `busy` had a task on one of its days.
        assert_eq!(report.counts.agents, count(2, 1));
        assert_eq!(report.trend[0].counts.agents, count(1, 1));
        assert_eq!(report.trend[1].counts.agents, count(2, 1));
        let worst: Vec<_> = report.worst.iter().map(|one| (one.work, one.name.as_str())).collect();
        assert_eq!(worst, [("agents", "idle"), ("deploys", "api"), ("runs", "acme/shop")]);
        assert_eq!(report.worst[2].newest, Some(6));
        assert!(report.complete);
    }
}
