//! Events about runs: `workflow_run`, `workflow_job`, `check_run`, `check_suite`.

use oasis_core::github::{self, Run};
use oasis_core::{Meta, cast_in_title, run_fields};
use serde::Deserialize;

use super::facts::{Facts, Place, cut, first_link, headline};
use super::json::{self, Commit, Login, Moment, Numbered, Repository, Text, Workflow};
use super::workloads::{self, ForWorkloads};

#[derive(Deserialize)]
pub(super) struct WorkflowRunDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    workflow_run: WorkflowRun<'a>,
    workflow: Option<Workflow<'a>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct WorkflowRun<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    path: Option<Text<'a>>,
    display_title: Option<Text<'a>>,
    event: Option<Text<'a>>,
    head_branch: Option<Text<'a>>,
    head_repository: Option<Repository<'a>>,
    head_sha: Option<Text<'a>>,
    head_commit: Option<Commit<'a>>,
    status: Option<Text<'a>>,
    conclusion: Option<Text<'a>>,
    html_url: Option<Text<'a>>,
    actor: Option<Login<'a>>,
    triggering_actor: Option<Login<'a>>,
    id: Option<u64>,
    run_number: Option<u64>,
    run_attempt: Option<u64>,
    pull_requests: Option<Vec<Numbered>>,
    run_started_at: Option<Moment>,
    updated_at: Option<Moment>,
    created_at: Option<Moment>,
}

/// Reads a `workflow_run` event. Each field comes from its first usable source:
///
/// - VTID: `display_title`, `head_branch`, the head commit's message
/// - `ts`: `run_started_at` (only for `requested`), `updated_at`, `run_started_at`, `created_at`
/// - link: the page of the attempt (not for the first attempt), `html_url`
pub(super) fn workflow_run(delivery: WorkflowRunDelivery<'_>) -> Facts<'_> {
    let WorkflowRunDelivery { action, workflow_run: run, workflow, repository, sender } = delivery;
    let message = run.head_commit.and_then(|commit| commit.message);
    let ts = match &*action {
        "requested" => Moment::first([run.run_started_at, run.updated_at, run.created_at]),
        _ => Moment::first([run.updated_at, run.run_started_at, run.created_at]),
    };
    let attempt_page = run.html_url.as_deref().zip(run.run_attempt.filter(|attempt| *attempt > 1));
    let attempt_page = attempt_page
        .filter(|(url, _)| !url.contains("/attempts/"))
        .map(|(url, attempt)| format!("{url}/attempts/{attempt}"));
    let number = run.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    // Anyone can choose the title of a pull request, or of a commit.
    let is_dispatched = matches!(run.event.as_deref(), Some("workflow_dispatch" | "repository_dispatch"));
    let title = run.display_title.as_deref().filter(|_| is_dispatched);
    let cast = title.and_then(cast_in_title).map(|cast| cast.as_str().to_owned());
    let started_at = Moment::first([run.run_started_at]);
    let meta = Meta::default()
        .with("name", cut(run.name.as_deref()))
        .with("title", headline(run.display_title.as_deref()).or_else(|| headline(message.as_deref())))
        .with("branch", cut(run.head_branch.as_deref()))
        .with("sha", cut(run.head_sha.as_deref()))
        .with(run_fields::RUN_ID, run.id)
        .with("run_number", run.run_number)
        .with(run_fields::ATTEMPT, run.run_attempt)
        .with(run_fields::RUN_STARTED_AT, started_at.map(|started_at| started_at.to_string()))
        .with(run_fields::CAST, cast)
        .with("number", number)
        .with(run_fields::STATUS, cut(run.status.as_deref()))
        .with(run_fields::CONCLUSION, cut(run.conclusion.as_deref()));
    let state = github::run(Run::Workflow, &action, run.status.as_deref(), run.conclusion.as_deref());
    let (workflow_name, workflow_path) =
        workflow.map(|workflow| (workflow.name, workflow.path)).unwrap_or_default();
    let names = [run.name.as_deref(), workflow_name.as_deref()];
    let for_workloads = workloads::Run {
        id: run.id,
        attempt: run.run_attempt,
        name: cut(names.into_iter().flatten().find(|name| !name.is_empty())),
        status: state.status,
        conclusion: cut(run.conclusion.as_deref()),
        started_at,
        updated_at: Moment::first([run.updated_at]),
    };
    // Anyone can open a pull request from a fork. Its runs do not build the workload.
    let of_request = run.event.as_deref().is_some_and(|event| event.starts_with("pull_request"));
    // The repository of a fork that was deleted is not known.
    let of_fork = match &run.head_repository {
        Some(head) => is_other(Some(head), repository.as_ref()),
        None => of_request,
    };
    let report = for_workloads.report().filter(|_| !of_fork);
    let path = run.path.or(workflow_path);
    Facts {
        state,
        ts,
        link: first_link([attempt_page.as_deref(), run.html_url.as_deref()]),
        places: vec![
            (title_of_run(run.event.as_deref()), run.display_title),
            (Place::Branch, run.head_branch),
            (Place::CommitMessage, message),
        ],
        action: Some(action),
        repository,
        actor: run.triggering_actor.or(run.actor).or(sender),
        meta,
        workloads: report.map(|report| ForWorkloads { report, workflow: path }),
    }
}

/// Whether the name of `head` is known and is not the name of `own`.
fn is_other(head: Option<&Repository<'_>>, own: Option<&Repository<'_>>) -> bool {
    let name =
        |repository: Option<&Repository<'_>>| repository?.full_name.as_deref().map(str::to_ascii_lowercase);
    name(head).is_some_and(|head| Some(head) != name(own))
}

/// Returns the place for a VTID that is found in a run's `display_title`. If a push started the run, the
/// title is the headline of the commit. Otherwise the title is the title of a pull request, or the name that
/// the workflow gives to its runs.
pub(super) fn title_of_run(event: Option<&str>) -> Place {
    match event {
        Some("push") => Place::CommitMessage,
        _ => Place::PrTitle,
    }
}

#[derive(Deserialize)]
pub(super) struct WorkflowJobDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    workflow_job: WorkflowJob<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct WorkflowJob<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    workflow_name: Option<Text<'a>>,
    head_branch: Option<Text<'a>>,
    head_sha: Option<Text<'a>>,
    status: Option<Text<'a>>,
    conclusion: Option<Text<'a>>,
    html_url: Option<Text<'a>>,
    run_id: Option<u64>,
    run_attempt: Option<u64>,
    completed_at: Option<Moment>,
    started_at: Option<Moment>,
    created_at: Option<Moment>,
}

/// Reads a `workflow_job` event. Each field comes from its first usable source:
///
/// - VTID: `head_branch`
/// - `ts`: `completed_at`, `started_at`, `created_at`
/// - link: `html_url`
pub(super) fn workflow_job(delivery: WorkflowJobDelivery<'_>) -> Facts<'_> {
    let WorkflowJobDelivery { action, workflow_job: job, repository, sender } = delivery;
    let meta = Meta::default()
        .with("name", cut(job.name.as_deref()))
        .with("workflow", cut(job.workflow_name.as_deref()))
        .with("branch", cut(job.head_branch.as_deref()))
        .with("sha", cut(job.head_sha.as_deref()))
        .with("run_id", job.run_id)
        .with("attempt", job.run_attempt)
        .with("status", cut(job.status.as_deref()))
        .with("conclusion", cut(job.conclusion.as_deref()));
    Facts {
        state: github::run(Run::Job, &action, job.status.as_deref(), job.conclusion.as_deref()),
        ts: Moment::first([job.completed_at, job.started_at, job.created_at]),
        link: first_link([job.html_url.as_deref()]),
        places: vec![(Place::Branch, job.head_branch)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
        workloads: None,
    }
}

#[derive(Deserialize)]
pub(super) struct CheckRunDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    check_run: CheckRun<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct CheckRun<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    head_sha: Option<Text<'a>>,
    status: Option<Text<'a>>,
    conclusion: Option<Text<'a>>,
    html_url: Option<Text<'a>>,
    details_url: Option<Text<'a>>,
    check_suite: Option<SuiteOfRun<'a>>,
    pull_requests: Option<Vec<Numbered>>,
    completed_at: Option<Moment>,
    started_at: Option<Moment>,
}

#[derive(Deserialize)]
struct SuiteOfRun<'a> {
    #[serde(borrow)]
    head_branch: Option<Text<'a>>,
    updated_at: Option<Moment>,
}

/// Reads a `check_run` event. Each field comes from its first usable source:
///
/// - VTID: the suite's `head_branch`, which is null for forks
/// - `ts` for `rerequested` and `requested_action`: the latest of `completed_at`, `started_at` and the
///   suite's `updated_at`
/// - `ts` for other actions: `completed_at`, `started_at`
/// - link: `html_url`, `details_url`
///
/// The payload has neither a title nor a commit message. The payload of a request (`rerequested` or
/// `requested_action`) does not have the time of the request. It has the times of the run before the request.
pub(super) fn check_run(delivery: CheckRunDelivery<'_>) -> Facts<'_> {
    let CheckRunDelivery { action, check_run: check, repository, sender } = delivery;
    let (branch, suite_updated_at) =
        check.check_suite.map_or((None, None), |suite| (suite.head_branch, suite.updated_at));
    let ts = match &*action {
        "rerequested" | "requested_action" => {
            Moment::latest([suite_updated_at, check.completed_at, check.started_at])
        }
        _ => Moment::first([check.completed_at, check.started_at]),
    };
    let number = check.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    let meta = Meta::default()
        .with("name", cut(check.name.as_deref()))
        .with("branch", cut(branch.as_deref()))
        .with("sha", cut(check.head_sha.as_deref()))
        .with("number", number)
        .with("status", cut(check.status.as_deref()))
        .with("conclusion", cut(check.conclusion.as_deref()));
    Facts {
        state: github::run(Run::Check, &action, check.status.as_deref(), check.conclusion.as_deref()),
        ts,
        link: first_link([check.html_url.as_deref(), check.details_url.as_deref()]),
        places: vec![(Place::Branch, branch)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
        workloads: None,
    }
}

#[derive(Deserialize)]
pub(super) struct CheckSuiteDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    check_suite: CheckSuite<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct CheckSuite<'a> {
    #[serde(borrow)]
    app: Option<App<'a>>,
    head_branch: Option<Text<'a>>,
    head_sha: Option<Text<'a>>,
    head_commit: Option<Commit<'a>>,
    status: Option<Text<'a>>,
    conclusion: Option<Text<'a>>,
    pull_requests: Option<Vec<Numbered>>,
    updated_at: Option<Moment>,
    created_at: Option<Moment>,
}

#[derive(Deserialize)]
struct App<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

/// Reads a `check_suite` event. Each field comes from its first usable source:
///
/// - VTID: `head_branch`, the head commit's message
/// - `ts`: `updated_at`, `created_at`
/// - link: the page with the checks of the commit (a suite has no page), the repository
pub(super) fn check_suite(delivery: CheckSuiteDelivery<'_>) -> Facts<'_> {
    let CheckSuiteDelivery { action, check_suite: suite, repository, sender } = delivery;
    let message = suite.head_commit.and_then(|commit| commit.message);
    let page = json::page(repository.as_ref());
    let checks = page.zip(suite.head_sha.as_deref()).map(|(page, sha)| format!("{page}/commit/{sha}/checks"));
    let number = suite.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    let meta = Meta::default()
        .with("name", cut(suite.app.as_ref().and_then(|app| app.name.as_deref())))
        .with("title", headline(message.as_deref()))
        .with("branch", cut(suite.head_branch.as_deref()))
        .with("sha", cut(suite.head_sha.as_deref()))
        .with("number", number)
        .with("status", cut(suite.status.as_deref()))
        .with("conclusion", cut(suite.conclusion.as_deref()));
    Facts {
        state: github::run(Run::Check, &action, suite.status.as_deref(), suite.conclusion.as_deref()),
        ts: Moment::first([suite.updated_at, suite.created_at]),
        link: first_link([checks.as_deref(), page]),
        places: vec![(Place::Branch, suite.head_branch), (Place::CommitMessage, message)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
        workloads: None,
    }
}
