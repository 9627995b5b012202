//! The journey of a task: its pull requests, runs and deploys, made from the task's events.

mod slot;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use oasis_core::Status;

use crate::event::{Description, Event, Nature};
use slot::Slot;

pub(crate) use slot::Lane;

/// A pull request, an attempt of a run, a deploy, or another part of a task.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) lane: Lane,
    pub(crate) about: Description,
    pub(crate) link: String,
    /// `None` for a status that this version does not know.
    pub(crate) status: Option<Status>,
    pub(crate) began: Timestamp,
    /// `None` until the item has ended.
    pub(crate) ended: Option<Timestamp>,
    /// The jobs of a run, by name.
    pub(crate) jobs: BTreeMap<String, Option<Status>>,
    /// Of the items in one group, only the last item counts.
    group: String,
    /// For an attempt of a workflow run: the id of the run, and the number of the attempt.
    run: Option<(String, u64)>,
}

impl Item {
    /// The names of the jobs that failed.
    pub(crate) fn failed_jobs(&self) -> impl Iterator<Item = &str> {
        let failed = self.jobs.iter().filter(|(_, status)| **status == Some(Status::Failure));
        failed.map(|(name, _)| name.as_str())
    }

    /// Whether the item waits or runs.
    pub(crate) fn is_active(&self) -> bool {
        self.ended.is_none() && is_active(self.status)
    }

    /// The name of the item, with its failed jobs.
    pub(crate) fn summary(&self) -> String {
        let jobs: Vec<&str> = self.failed_jobs().collect();
        let name = &self.about.name;
        if jobs.is_empty() { name.clone() } else { format!("{name} ({})", jobs.join(", ")) }
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Failure,
    Cancelled,
}

/// The state of a task.
#[derive(Debug)]
pub(crate) enum State<'a> {
    /// Neither a run nor a deploy has started.
    NotStarted,
    /// These runs and deploys wait or run.
    Active(Vec<&'a Item>),
    /// No run or deploy waits or runs. The items are the failed or cancelled items that decide the verdict.
    Ended(Verdict, Vec<&'a Item>),
}

/// The parts of a task, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Journey {
    pub(crate) items: Vec<Item>,
}

impl Journey {
    /// Makes the journey from the events of a task, in any order.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut sorted: Vec<(Timestamp, &Event)> =
            events.iter().filter_map(|event| Some((event.at()?, event))).collect();
        // GitHub's times are whole seconds, so events of one run can have the same time.
        sorted.sort_by_key(|(at, event)| (*at, rank(event.state()), event.id));
        let has_runs = sorted.iter().any(|(_, event)| Nature::of(event) == Nature::Run);
        let mut journey = Self::default();
        let mut last: HashMap<String, usize> = HashMap::new();
        let is_job = |event: &Event| Nature::of(event) == Nature::Job;
        // Runs come first, because a job may have an earlier time than its run.
        for (at, event) in sorted.iter().filter(|(_, event)| !is_job(event)) {
            if let Some(slot) = Slot::of(event, has_runs) {
                journey.take(&mut last, slot, event, *at);
            }
        }
        for (at, event) in sorted.iter().filter(|(_, event)| is_job(event)) {
            match journey.run_of(event, *at) {
                Some(run) => {
                    run.jobs.insert(job_name(event), event.state());
                }
                None => journey.take(&mut last, Slot::job(event), event, *at),
            }
        }
        journey.items.sort_by_key(|item| (item.began, item.run.as_ref().map(|(_, attempt)| *attempt)));
        journey
    }

    fn take(&mut self, last: &mut HashMap<String, usize>, slot: Slot, event: &Event, at: Timestamp) {
        let status = event.state();
        let known = last.get(&slot.key).and_then(|nth| self.items.get_mut(*nth));
        let ended = if slot.lane.is_at_end(status) { Some(at) } else { None };
        match known {
            // GitHub reports that a deployment has been replaced by a later one.
            Some(item)
                if slot.lane == Lane::Deploy && item.ended.is_some() && status == Some(Status::Info) => {}
            // A late event of an attempt that has ended.
            Some(item) if item.run.is_some() && item.ended.is_some() && ended.is_none() => {}
            Some(item) if item.run.is_some() || !(slot.lane.repeats() && item.ended.is_some()) => {
                item.about = Description::of(event);
                item.link.clone_from(&event.link);
                item.status = status;
                item.ended = ended;
            }
            Some(_) | None => {
                last.insert(slot.key, self.items.len());
                self.items.push(Item {
                    lane: slot.lane,
                    about: Description::of(event),
                    link: event.link.clone(),
                    status,
                    began: at,
                    ended,
                    jobs: BTreeMap::new(),
                    group: slot.group,
                    run: slot.run,
                });
            }
        }
    }

    /// The attempt that a job belongs to.
    fn run_of(&mut self, job: &Event, at: Timestamp) -> Option<&mut Item> {
        let (id, attempt) = (job.run_id()?, job.attempt());
        let attempts = || {
            let nths = 0..self.items.len();
            nths.filter(|nth| self.items[*nth].run.as_ref().is_some_and(|(run, _)| *run == id))
        };
        let stated = attempts().find(|nth| {
            self.items[*nth].run.as_ref().is_some_and(|(_, number)| attempt > 0 && *number == attempt)
        });
        let begun =
            attempts().filter(|nth| self.items[*nth].began <= at).max_by_key(|nth| self.items[*nth].began);
        let nth = stated.or(begun).or_else(|| attempts().next())?;
        self.items.get_mut(nth)
    }

    /// The last item of each group. Earlier items do not count, because a later run has replaced them.
    fn latest(&self) -> impl Iterator<Item = &Item> {
        let last: HashMap<&str, usize> =
            self.items.iter().enumerate().map(|(nth, item)| (item.group.as_str(), nth)).collect();
        let items = self.items.iter().enumerate();
        items.filter(move |(nth, item)| last.get(item.group.as_str()) == Some(nth)).map(|(_, item)| item)
    }

    /// The state of the task.
    pub(crate) fn state(&self) -> State<'_> {
        let work = |item: &&Item| matches!(item.lane, Lane::Run | Lane::Deploy);
        let active: Vec<&Item> = self.items.iter().filter(work).filter(|item| item.is_active()).collect();
        if !active.is_empty() {
            return State::Active(active);
        }
        let counts = |item: &&Item| match item.lane {
            Lane::Run | Lane::Deploy | Lane::Pull => item.ended.is_some(),
            // A producer's event counts only if it is final, because the next event of the same work may have
            // another kind.
            Lane::Other => item.status.is_some_and(Status::is_final),
            Lane::Code | Lane::Agent => false,
        };
        let counted: Vec<&Item> = self.latest().filter(counts).collect();
        if counted.is_empty() {
            return State::NotStarted;
        }
        let with = |status: Status| -> Vec<&Item> {
            counted.iter().copied().filter(|item| item.status == Some(status)).collect()
        };
        match (with(Status::Failure), with(Status::Cancelled)) {
            (failed, _) if !failed.is_empty() => State::Ended(Verdict::Failure, failed),
            (_, cancelled) if !cancelled.is_empty() => State::Ended(Verdict::Cancelled, cancelled),
            (_, _) => State::Ended(Verdict::Success, Vec::new()),
        }
    }
}

fn job_name(event: &Event) -> String {
    let name = event.meta("name");
    if name.is_empty() { Description::of(event).name } else { name }
}

fn is_active(status: Option<Status>) -> bool {
    matches!(status, Some(Status::Queued | Status::InProgress))
}

fn rank(status: Option<Status>) -> u8 {
    match status {
        Some(Status::Queued) => 0,
        Some(Status::InProgress) => 1,
        Some(Status::Success | Status::Failure | Status::Cancelled | Status::Info) | None => 2,
    }
}

#[cfg(test)]
mod tests;
