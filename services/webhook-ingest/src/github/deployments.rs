//! Events about deployments in GitHub: `deployment`, `deployment_status`.

use oasis_core::github;
use oasis_core::{Meta, Status};
use serde::Deserialize;

use super::facts::{Facts, Place, cut, first_link, headline, known};
use super::json::{self, Login, Moment, Repository, Text, Workflow};
use super::runs::title_of_run;
use super::workloads::{ForWorkloads, of_deployment};

#[derive(Deserialize)]
pub(super) struct DeploymentDelivery<'a> {
    #[serde(borrow)]
    action: Option<Text<'a>>,
    deployment: Deployment<'a>,
    workflow_run: Option<DeployingRun<'a>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
pub(super) struct DeploymentStatusDelivery<'a> {
    #[serde(borrow)]
    action: Option<Text<'a>>,
    deployment_status: DeploymentStatus<'a>,
    deployment: Option<Deployment<'a>>,
    workflow_run: Option<DeployingRun<'a>>,
    workflow: Option<Workflow<'a>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize, Default)]
struct Deployment<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Option<Text<'a>>,
    sha: Option<Text<'a>>,
    environment: Option<Text<'a>>,
    transient_environment: Option<bool>,
    created_at: Option<Moment>,
}

#[derive(Deserialize)]
struct DeploymentStatus<'a> {
    #[serde(borrow)]
    state: Text<'a>,
    environment: Option<Text<'a>>,
    environment_url: Option<Text<'a>>,
    log_url: Option<Text<'a>>,
    target_url: Option<Text<'a>>,
    created_at: Option<Moment>,
}

/// The workflow run that made the deployment. Null if the deployment was not made by a workflow run.
#[derive(Deserialize)]
struct DeployingRun<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    path: Option<Text<'a>>,
    display_title: Option<Text<'a>>,
    event: Option<Text<'a>>,
    head_branch: Option<Text<'a>>,
    html_url: Option<Text<'a>>,
    id: Option<u64>,
}

/// Reads a `deployment` event. Each field comes from its first usable source:
///
/// - VTID: the run's `display_title`, the deployment's `ref` (which may be a bare sha), the run's branch
/// - `ts`: `created_at`
/// - link: the run, the list of the repository's deployments
pub(super) fn deployment(delivery: DeploymentDelivery<'_>) -> Facts<'_> {
    let DeploymentDelivery { action, deployment, workflow_run, repository, sender } = delivery;
    let page = json::page(repository.as_ref());
    let deployments = page.map(|page| format!("{page}/deployments"));
    let run_page = workflow_run.as_ref().and_then(|run| run.html_url.as_deref());
    Facts {
        state: known(Status::Queued),
        ts: deployment.created_at.and_then(|at| Moment::first([Some(at)])),
        link: first_link([run_page, deployments.as_deref()]),
        meta: meta(&deployment, workflow_run.as_ref())
            .with("environment", cut(deployment.environment.as_deref())),
        places: places(deployment, workflow_run),
        action,
        repository,
        actor: sender,
        workloads: None,
    }
}

/// Reads a `deployment_status` event. Each field comes from its first usable source:
///
/// - VTID: as for a `deployment` event
/// - `ts`: `created_at`
/// - link: `environment_url`, `log_url`, `target_url` (GitHub may send empty strings), the run
pub(super) fn deployment_status(delivery: DeploymentStatusDelivery<'_>) -> Facts<'_> {
    let DeploymentStatusDelivery { action, deployment_status: status, .. } = delivery;
    let deployment = delivery.deployment.unwrap_or_default();
    let mut workflow_run = delivery.workflow_run;
    let path = workflow_run.as_mut().and_then(|run| run.path.take());
    let workflow = path.or(delivery.workflow.and_then(|workflow| workflow.path));
    let link = first_link([
        status.environment_url.as_deref(),
        status.log_url.as_deref(),
        status.target_url.as_deref(),
        workflow_run.as_ref().and_then(|run| run.html_url.as_deref()),
    ]);
    let environment = status.environment.as_deref().or(deployment.environment.as_deref());
    // An environment that exists only for a while, such as the preview of a branch, is not the workload.
    let report = of_deployment(&status.state, cut(environment))
        .filter(|_| deployment.transient_environment != Some(true));
    Facts {
        state: github::deployment(&status.state),
        ts: Moment::first([status.created_at]),
        link,
        meta: meta(&deployment, workflow_run.as_ref())
            .with("environment", cut(environment))
            .with("status", cut(Some(&status.state))),
        places: places(deployment, workflow_run),
        action,
        repository: delivery.repository,
        actor: delivery.sender,
        workloads: report.map(|report| ForWorkloads { report, workflow }),
    }
}

fn meta(deployment: &Deployment<'_>, run: Option<&DeployingRun<'_>>) -> Meta {
    let sha = deployment.sha.as_deref();
    let branch = deployment.reference.as_deref().filter(|reference| Some(*reference) != sha);
    let branch = branch.or_else(|| run.and_then(|run| run.head_branch.as_deref()));
    Meta::default()
        .with("name", cut(run.and_then(|run| run.name.as_deref())))
        .with("title", headline(run.and_then(|run| run.display_title.as_deref())))
        .with("branch", cut(branch))
        .with("sha", cut(sha))
        .with("run_id", run.and_then(|run| run.id))
}

fn places<'a>(deployment: Deployment<'a>, run: Option<DeployingRun<'a>>) -> Vec<(Place, Option<Text<'a>>)> {
    let title = title_of_run(run.as_ref().and_then(|run| run.event.as_deref()));
    let (display_title, head_branch) =
        run.map(|run| (run.display_title, run.head_branch)).unwrap_or_default();
    vec![(title, display_title), (Place::Branch, deployment.reference), (Place::Branch, head_branch)]
}
