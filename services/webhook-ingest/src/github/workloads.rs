//! What runs and deployments mean for the workloads of their repository (`RESOURCES`).

use oasis_core::bridge::{Change, Report};
use oasis_core::resource::ResourceId;
use oasis_core::resource::WorkloadStatus;
use oasis_core::{Status, Ts};

use super::json::Text;

/// What a delivery means for the workloads of its repository.
pub(super) struct ForWorkloads<'a> {
    pub(super) report: Report,
    /// The path of the workflow's file, if a workflow caused the event.
    pub(super) workflow: Option<Text<'a>>,
}

/// The facts about a workflow run that a report needs.
pub(super) struct Run<'t> {
    pub(super) id: Option<u64>,
    pub(super) attempt: Option<u64>,
    /// The name of the workflow, if it is known.
    pub(super) name: Option<&'t str>,
    pub(super) status: Status,
    pub(super) conclusion: Option<&'t str>,
    pub(super) started_at: Option<Ts>,
    pub(super) updated_at: Option<Ts>,
}

impl Run<'_> {
    /// The report of the run. `None` if the run waits, or if it ended without a result.
    pub(super) fn report(&self) -> Option<Report> {
        let name = self.name.map_or_else(|| "the workflow".to_owned(), |name| format!("the workflow {name}"));
        let conclusion = self.conclusion.unwrap_or_default();
        let (change, message) = match self.status {
            Status::InProgress => {
                (Change::Status(WorkloadStatus::Building), format!("A run of {name} has started."))
            }
            Status::Success => {
                let (build, seconds) = (self.build()?, self.seconds());
                (Change::BuildComplete { build, seconds }, format!("A run of {name} succeeded."))
            }
            Status::Failure | Status::Cancelled => {
                let error = format!("{conclusion} in {name}");
                let message = format!("A run of {name} ended with {conclusion}.");
                (Change::BuildFailed { build: self.build()?, error }, message)
            }
            Status::Queued | Status::Info => return None,
        };
        Some(Report { change, message, detail: None })
    }

    /// The id of the build: the id of the run, and the number of the attempt unless it is the first.
    fn build(&self) -> Option<ResourceId> {
        let (id, attempt) = (self.id?, self.attempt.filter(|attempt| *attempt > 1));
        let text = attempt.map_or_else(|| id.to_string(), |attempt| format!("{id}-{attempt}"));
        ResourceId::parse(&text).ok()
    }

    fn seconds(&self) -> Option<i64> {
        let took = self.updated_at?.instant().duration_since(self.started_at?.instant());
        Some(took.as_secs()).filter(|seconds| *seconds >= 0)
    }
}

/// The report of a deployment in the state `state`. `None` if the deployment waits for an approval, or if a
/// newer deployment has replaced it.
pub(super) fn of_deployment(state: &str, environment: Option<&str>) -> Option<Report> {
    let what = match environment {
        Some(environment) => format!("The deployment to {environment}"),
        None => "The deployment".to_owned(),
    };
    let (status, message) = match state {
        "queued" | "pending" => (WorkloadStatus::Deploying, format!("{what} is queued.")),
        "in_progress" => (WorkloadStatus::Deploying, format!("{what} has started.")),
        "success" => (WorkloadStatus::Running, format!("{what} succeeded.")),
        "failure" | "error" => (WorkloadStatus::Failed, format!("{what} failed.")),
        _ => return None,
    };
    let detail = environment.map(|environment| ("environment", environment.to_owned()));
    Some(Report { change: Change::Status(status), message, detail })
}
