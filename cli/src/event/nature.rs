//! Determines what an event reports on. Producers may use any kind, so an unknown kind becomes `Other`.

use super::model::Event;

/// The thing that an event reports on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Push,
    /// The creation or deletion of a branch or a tag.
    Reference,
    Pull,
    /// A workflow run, which has jobs and attempts.
    Run,
    /// A job of a workflow run, or another check of a commit.
    Job,
    Suite,
    /// A deployment in GitHub.
    Deployment,
    /// A deploy to Cloud Run, or a deploy that another producer reports.
    Deploy,
    Release,
    /// A beat of an agent, or a notice of the gateway about an agent.
    Agent,
    Other,
}

impl Nature {
    pub(crate) fn of(event: &Event) -> Self {
        match (event.source.as_str(), event.kind.as_str()) {
            ("agent.ping", _) => Self::Agent,
            (_, "push") => Self::Push,
            (_, "create" | "delete") => Self::Reference,
            (_, "pull_request") => Self::Pull,
            (_, "workflow_run") => Self::Run,
            (_, "workflow_job" | "check_run") => Self::Job,
            (_, "check_suite") => Self::Suite,
            (_, "deployment" | "deployment_status") => Self::Deployment,
            ("gcp.deploy", _) | (_, "deploy") => Self::Deploy,
            (_, "release") => Self::Release,
            (_, _) => Self::Other,
        }
    }
}
