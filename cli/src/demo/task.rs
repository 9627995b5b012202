//! A task of the demo, and its steps from the first push to the deployment.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::team::{Person, Repository};

/// The state of a run, a check or a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet started.
    Queued,
    /// Running.
    Running,
    /// Ended with this conclusion.
    Ended(&'static str),
}

/// A step of a task.
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

/// A task, and its data on GitHub.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) vtid: String,
    pub(super) title: &'static str,
    pub(super) branch: String,
    pub(super) repository: &'static Repository,
    pub(super) author: &'static Person,
    pub(super) reviewer: &'static Person,
    pub(super) number: u64,
    /// The first of the ids on GitHub that belong to this task.
    pub(super) id: u64,
    pub(super) base_sha: String,
    pub(super) head_sha: String,
    pub(super) merge_sha: String,
    pub(super) opened_at: Timestamp,
    pub(super) run_started_at: Timestamp,
    pub(super) deployed_at: Timestamp,
    /// The remaining steps.
    pub(super) plan: VecDeque<Step>,
}
