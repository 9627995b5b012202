//! A task of the demo, from its first push to its deployment, and the steps that it takes.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::team::{Person, Repository};

/// How a run, a check or a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits to begin.
    Queued,
    /// It runs.
    Running,
    /// It ended with this conclusion.
    Ended(&'static str),
}

/// What happens next to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    PushBranch,
    OpenPullRequest,
    Run { attempt: u32, state: State },
    Check { index: usize, attempt: u32, state: State },
    ClosePullRequest { merged: bool },
    PushMain,
    Deploy { attempt: u32 },
    DeployStatus { attempt: u32, state: State },
    Release,
}

/// A task, and what GitHub knows of it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) vtid: String,
    pub(super) title: &'static str,
    pub(super) branch: String,
    pub(super) repository: &'static Repository,
    pub(super) author: &'static Person,
    pub(super) reviewer: &'static Person,
    pub(super) number: u64,
    /// The first of the ids that GitHub gives to what belongs to this task.
    pub(super) id: u64,
    pub(super) base_sha: String,
    pub(super) head_sha: String,
    pub(super) merge_sha: String,
    pub(super) opened_at: Timestamp,
    pub(super) run_started_at: Timestamp,
    pub(super) deployed_at: Timestamp,
    /// The steps that are left.
    pub(super) plan: VecDeque<Step>,
}
