//! What runs: `workflow_run`, `workflow_job`, `check_run`, `check_suite`.

use oasis_core::Meta;
use oasis_core::github::{Run, run};
use serde::Deserialize;

use super::facts::{Facts, Place, cut, first_link, headline};
use super::json::{self, Commit, Login, Moment, Numbered, Repository, Text};

#[derive(Deserialize)]
pub(super) struct WorkflowRunDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    workflow_run: WorkflowRun<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct WorkflowRun<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    display_title: Option<Text<'a>>,
    event: Option<Text<'a>>,
    head_branch: Option<Text<'a>>,
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

/// VTID: `display_title`, `head_branch`, the head commit's message. ts: `run_started_at` when requested, else
/// `updated_at`. link: `html_url`, from the second attempt on that attempt's own page.
pub(super) fn workflow_run(delivery: WorkflowRunDelivery<'_>) -> Facts<'_> {
    let WorkflowRunDelivery { action, workflow_run: its, repository, sender } = delivery;
    let message = its.head_commit.and_then(|commit| commit.message);
    let ts = match &*action {
        "requested" => Moment::first([its.run_started_at, its.updated_at, its.created_at]),
        _ => Moment::first([its.updated_at, its.run_started_at, its.created_at]),
    };
    let of_attempt = its.html_url.as_deref().zip(its.run_attempt.filter(|attempt| *attempt > 1));
    let of_attempt = of_attempt
        .filter(|(url, _)| !url.contains("/attempts/"))
        .map(|(url, attempt)| format!("{url}/attempts/{attempt}"));
    let number = its.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    let meta = Meta::default()
        .with("name", cut(its.name.as_deref()))
        .with("title", headline(its.display_title.as_deref()).or_else(|| headline(message.as_deref())))
        .with("branch", cut(its.head_branch.as_deref()))
        .with("sha", cut(its.head_sha.as_deref()))
        .with("run_id", its.id)
        .with("run_number", its.run_number)
        .with("attempt", its.run_attempt)
        .with("number", number)
        .with("status", cut(its.status.as_deref()))
        .with("conclusion", cut(its.conclusion.as_deref()));
    Facts {
        state: run(Run::Workflow, &action, its.status.as_deref(), its.conclusion.as_deref()),
        ts,
        link: first_link([of_attempt.as_deref(), its.html_url.as_deref()]),
        places: vec![
            (title_of_run(its.event.as_deref()), its.display_title),
            (Place::Branch, its.head_branch),
            (Place::CommitMessage, message),
        ],
        action: Some(action),
        repository,
        actor: its.triggering_actor.or(its.actor).or(sender),
        meta,
    }
}

/// What the `display_title` of a run is: the headline of the commit if a push started it, else a pull
/// request's title (or the name that the workflow gives its runs, which stands in the same place).
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

/// VTID: `head_branch`. ts: `completed_at`, `started_at`, `created_at`. link: `html_url`.
pub(super) fn workflow_job(delivery: WorkflowJobDelivery<'_>) -> Facts<'_> {
    let WorkflowJobDelivery { action, workflow_job: its, repository, sender } = delivery;
    let meta = Meta::default()
        .with("name", cut(its.name.as_deref()))
        .with("workflow", cut(its.workflow_name.as_deref()))
        .with("branch", cut(its.head_branch.as_deref()))
        .with("sha", cut(its.head_sha.as_deref()))
        .with("run_id", its.run_id)
        .with("attempt", its.run_attempt)
        .with("status", cut(its.status.as_deref()))
        .with("conclusion", cut(its.conclusion.as_deref()));
    Facts {
        state: run(Run::Job, &action, its.status.as_deref(), its.conclusion.as_deref()),
        ts: Moment::first([its.completed_at, its.started_at, its.created_at]),
        link: first_link([its.html_url.as_deref()]),
        places: vec![(Place::Branch, its.head_branch)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
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
}

/// The payload has neither a title nor a message. VTID: the suite's `head_branch`, which is null for forks.
/// ts: `completed_at`, `started_at`. link: `html_url`, `details_url`.
pub(super) fn check_run(delivery: CheckRunDelivery<'_>) -> Facts<'_> {
    let CheckRunDelivery { action, check_run: its, repository, sender } = delivery;
    let branch = its.check_suite.and_then(|suite| suite.head_branch);
    let number = its.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    let meta = Meta::default()
        .with("name", cut(its.name.as_deref()))
        .with("branch", cut(branch.as_deref()))
        .with("sha", cut(its.head_sha.as_deref()))
        .with("number", number)
        .with("status", cut(its.status.as_deref()))
        .with("conclusion", cut(its.conclusion.as_deref()));
    Facts {
        state: run(Run::Check, &action, its.status.as_deref(), its.conclusion.as_deref()),
        ts: Moment::first([its.completed_at, its.started_at]),
        link: first_link([its.html_url.as_deref(), its.details_url.as_deref()]),
        places: vec![(Place::Branch, branch)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
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

/// VTID: `head_branch`, the head commit's message. ts: `updated_at`, `created_at`. A suite has no page of its
/// own; link: the checks of its commit.
pub(super) fn check_suite(delivery: CheckSuiteDelivery<'_>) -> Facts<'_> {
    let CheckSuiteDelivery { action, check_suite: its, repository, sender } = delivery;
    let message = its.head_commit.and_then(|commit| commit.message);
    let page = json::page(repository.as_ref());
    let checks = page.zip(its.head_sha.as_deref()).map(|(page, sha)| format!("{page}/commit/{sha}/checks"));
    let number = its.pull_requests.and_then(|requests| requests.first().and_then(|first| first.number));
    let meta = Meta::default()
        .with("name", cut(its.app.as_ref().and_then(|app| app.name.as_deref())))
        .with("title", headline(message.as_deref()))
        .with("branch", cut(its.head_branch.as_deref()))
        .with("sha", cut(its.head_sha.as_deref()))
        .with("number", number)
        .with("status", cut(its.status.as_deref()))
        .with("conclusion", cut(its.conclusion.as_deref()));
    Facts {
        state: run(Run::Check, &action, its.status.as_deref(), its.conclusion.as_deref()),
        ts: Moment::first([its.updated_at, its.created_at]),
        link: first_link([checks.as_deref(), page]),
        places: vec![(Place::Branch, its.head_branch), (Place::CommitMessage, message)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
    }
}
