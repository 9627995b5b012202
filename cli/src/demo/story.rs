//! The story of the demo. Several tasks are in progress at once, and each task goes from its first push to
//! its deployment. The story depends only on its seed and on the times that the caller passes.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::task::{State, Step, Task};
use super::team::{PEOPLE, REPOSITORIES, WORK};
use super::{deploys, payloads};
use crate::random::Seeded;

/// The number of tasks in progress at the same time.
const AT_ONCE: usize = 4;
/// The number of the first task.
const FIRST_TASK: u32 = 31;

/// A delivery of the story.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    /// The event name.
    pub(crate) event: &'static str,
    /// The task that the delivery belongs to.
    pub(crate) vtid: String,
    /// The payload, as GitHub would send it.
    pub(crate) payload: Value,
    /// The entry that Cloud Run would write to Cloud Logging. `None` if this step of the task has no entry.
    pub(crate) log_entry: Option<Value>,
}

/// An endless sequence of deliveries.
#[derive(Debug)]
pub(crate) struct Story {
    random: Seeded,
    tasks: Vec<Task>,
    begun: u32,
    first_id: u64,
}

impl Story {
    /// Makes the story that `seed` determines.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let first_id = 16_000_000_000 + random.bits() % 1_000_000_000;
        let mut story = Self { random, tasks: Vec::new(), begun: 0, first_id };
        story.tasks = (0..AT_ONCE).map(|_| story.begin()).collect();
        story
    }

    /// The pause before the next delivery: 0.5 to 3 s.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_secs_f64(0.5 + 2.5 * self.random.unit())
    }

    /// The next delivery, which happens at `now`.
    pub(crate) fn next(&mut self, now: Timestamp) -> Delivery {
        let index = self.random.below(self.tasks.len());
        let task = &mut self.tasks[index];
        let Some(step) = task.plan.pop_front() else {
            self.tasks[index] = self.begin();
            return self.next(now);
        };
        match step {
            Step::OpenPullRequest => task.opened_at = now,
            Step::Run { state: State::Queued, .. } => task.run_started_at = now,
            Step::Deploy { .. } => task.deployed_at = now,
            _ => {}
        }
        let (event, payload) = payloads::of(task, step, now);
        Delivery { event, vtid: task.vtid.clone(), payload, log_entry: deploys::of(task, step, now) }
    }

    fn begin(&mut self) -> Task {
        let work = &WORK[self.begun as usize % WORK.len()];
        let number = FIRST_TASK + self.begun;
        // The number in a VTID has four to six digits.
        let vtid = format!("DEV-{}-{:04}", work.layer, number % 1_000_000);
        let repository = &REPOSITORIES[work.repository];
        let slug = work.title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let author = self.random.below(PEOPLE.len());
        let reviewer = (author + 1 + self.random.below(PEOPLE.len() - 1)) % PEOPLE.len();
        let task = Task {
            branch: format!("vt/{}-{slug}", vtid.to_lowercase()),
            vtid,
            title: work.title,
            repository,
            author: &PEOPLE[author],
            reviewer: &PEOPLE[reviewer],
            number: 100 + u64::from(self.begun),
            id: self.first_id + u64::from(self.begun) * 1_000,
            base_sha: self.sha(),
            head_sha: self.sha(),
            merge_sha: self.sha(),
            opened_at: Timestamp::UNIX_EPOCH,
            run_started_at: Timestamp::UNIX_EPOCH,
            deployed_at: Timestamp::UNIX_EPOCH,
            plan: self.plan(repository.checks.len()),
        };
        self.begun += 1;
        task
    }

    fn plan(&mut self, checks: usize) -> VecDeque<Step> {
        let mut plan = VecDeque::from([Step::PushBranch, Step::OpenPullRequest]);
        match self.random.bits() % 100 {
            0..65 => run(&mut plan, 1, checks, "success"),
            65..90 => {
                run(&mut plan, 1, checks, "failure");
                run(&mut plan, 2, checks, "success");
            }
            90..95 => {
                run(&mut plan, 1, checks, "cancelled");
                run(&mut plan, 2, checks, "success");
            }
            _ => {
                run(&mut plan, 1, checks, "failure");
                plan.push_back(Step::ClosePullRequest { merged: false });
                return plan;
            }
        }
        plan.extend([Step::ClosePullRequest { merged: true }, Step::PushMain]);
        if self.random.chance(10) {
            deploy(&mut plan, 1, "failure");
            deploy(&mut plan, 2, "success");
        } else {
            deploy(&mut plan, 1, "success");
        }
        if self.random.chance(30) {
            plan.push_back(Step::Release);
        }
        plan
    }

    fn sha(&mut self) -> String {
        let random = &mut self.random;
        format!("{:016x}{:016x}{:08x}", random.bits(), random.bits(), random.bits() >> 32)
    }
}

/// Adds a workflow run and its checks to `plan`. If the run does not succeed, its first check has the same
/// conclusion.
fn run(plan: &mut VecDeque<Step>, attempt: u32, checks: usize, conclusion: &'static str) {
    plan.push_back(Step::Run { attempt, state: State::Queued });
    plan.push_back(Step::Run { attempt, state: State::Running });
    plan.extend((0..checks).map(|index| Step::Check { index, attempt, state: State::Queued }));
    for index in (0..checks).rev() {
        let conclusion = if index == 0 { conclusion } else { "success" };
        plan.push_back(Step::Check { index, attempt, state: State::Ended(conclusion) });
    }
    plan.push_back(Step::Run { attempt, state: State::Ended(conclusion) });
}

fn deploy(plan: &mut VecDeque<Step>, attempt: u32, conclusion: &'static str) {
    plan.push_back(Step::Deploy { attempt });
    let states = [State::Queued, State::Running, State::Ended(conclusion)];
    plan.extend(states.map(|state| Step::DeployStatus { attempt, state }));
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
