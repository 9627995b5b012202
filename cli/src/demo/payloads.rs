//! Makes the payloads of the demo. The payloads have the same fields as GitHub's payloads, except for most of
//! the `*_url` templates.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::task::{State, Step, Task};
use super::team::{ORGANIZATION, Person};

/// The event name and the payload of a `step` of `task` at `now`.
pub(super) fn of(task: &Task, step: Step, now: Timestamp) -> (&'static str, Value) {
    let (event, sender, mut payload) = match step {
        Step::PushBranch => ("push", task.author, push_branch(task, now)),
        Step::OpenPullRequest => {
            ("pull_request", task.author, pull_request(task, "opened", task.opened_at, None, false))
        }
        Step::ClosePullRequest { merged } => {
            ("pull_request", task.reviewer, pull_request(task, "closed", now, Some(now), merged))
        }
        Step::Run { attempt, state } => {
            ("workflow_run", task.author, workflow_run(task, attempt, state, now))
        }
        Step::Check { index, attempt, state } => {
            ("check_run", task.author, check_run(task, index, attempt, state, now))
        }
        Step::PushMain => ("push", task.reviewer, push_main(task, now)),
        Step::Deploy { attempt } => ("deployment", task.reviewer, deployment_created(task, attempt)),
        Step::DeployStatus { attempt, state } => {
            ("deployment_status", task.reviewer, deployment_status(task, attempt, state, now))
        }
        Step::Release => ("release", task.reviewer, release(task, now)),
    };
    payload["repository"] = repository(task, now, event == "push");
    payload["organization"] = json!({
        "login": ORGANIZATION, "id": 700_000_001, "node_id": "O_700000001",
        "url": format!("https://api.github.com/orgs/{ORGANIZATION}"), "description": "",
    });
    payload["sender"] = user(sender);
    (event, payload)
}

/// A time as GitHub writes it, in whole seconds.
fn time(instant: Timestamp) -> String {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant).to_string()
}

/// The repository's page on GitHub.
fn page(task: &Task) -> String {
    format!("https://github.com/{ORGANIZATION}/{}", task.repository.name)
}

fn user(person: &Person) -> Value {
    let login = person.login;
    json!({
        "login": login, "id": person.id, "node_id": format!("U_{}", person.id),
        "avatar_url": format!("https://github.com/identicons/{login}.png"), "gravatar_id": "",
        "url": format!("https://api.github.com/users/{login}"),
        "html_url": format!("https://github.com/{login}"),
        "type": "User", "user_view_type": "public", "site_admin": false,
    })
}

/// The repository of a payload. In a push, `created_at` and `pushed_at` are numbers. In other events, they
/// are strings.
fn repository(task: &Task, now: Timestamp, push: bool) -> Value {
    let repo = task.repository;
    json!({
        "id": repo.id, "node_id": format!("R_{}", repo.id), "name": repo.name,
        "full_name": format!("{ORGANIZATION}/{}", repo.name), "private": false, "fork": false,
        "archived": false, "disabled": false, "html_url": page(task), "description": null,
        "language": repo.language,
        "owner": {
            "login": ORGANIZATION, "id": 700_000_001, "node_id": "O_700000001", "type": "Organization",
            "html_url": format!("https://github.com/{ORGANIZATION}"), "site_admin": false,
        },
        "url": format!("https://api.github.com/repos/{ORGANIZATION}/{}", repo.name),
        "created_at": if push { json!(1_735_689_600) } else { json!("2025-01-01T00:00:00Z") },
        "pushed_at": if push { json!(now.as_second()) } else { json!(time(now)) },
        "updated_at": time(now), "visibility": "public", "default_branch": "main", "topics": [],
    })
}

fn commit(task: &Task, sha: &str, message: &str, by: &Person, now: Timestamp) -> Value {
    let email = format!("{}+{}@users.noreply.github.com", by.id, by.login);
    let person = json!({"name": by.name, "email": email, "username": by.login});
    json!({
        "id": sha, "tree_id": task.base_sha, "distinct": true, "message": message, "timestamp": time(now),
        "url": format!("{}/commit/{sha}", page(task)), "author": person, "committer": person,
        "added": [], "removed": [], "modified": ["README.md"],
    })
}

fn push(task: &Task, branch: &str, before: &str, after: &str, by: &Person, commits: Vec<Value>) -> Value {
    let created = before.bytes().all(|byte| byte == b'0');
    let compared =
        if created { after[..12].to_owned() } else { format!("{}...{}", &before[..12], &after[..12]) };
    json!({
        "ref": format!("refs/heads/{branch}"), "before": before, "after": after, "created": created,
        "deleted": false, "forced": false, "base_ref": null,
        "compare": format!("{}/compare/{compared}", page(task)),
        "head_commit": commits.last(), "commits": commits,
        "pusher": {"name": by.login, "email": format!("{}+{}@users.noreply.github.com", by.id, by.login)},
    })
}

fn push_branch(task: &Task, now: Timestamp) -> Value {
    let message = format!("{}\n\nPart of {}.", task.title, task.vtid);
    let commits = vec![commit(task, &task.head_sha, &message, task.author, now)];
    push(task, &task.branch, &"0".repeat(40), &task.head_sha, task.author, commits)
}

fn push_main(task: &Task, now: Timestamp) -> Value {
    let message = merge_message(task);
    let own = commit(task, &task.head_sha, task.title, task.author, now);
    let merge = commit(task, &task.merge_sha, &message, task.reviewer, now);
    push(task, "main", &task.base_sha, &task.merge_sha, task.reviewer, vec![own, merge])
}

fn merge_message(task: &Task) -> String {
    let Task { number, branch, vtid, title, .. } = task;
    format!("Merge pull request #{number} from {ORGANIZATION}/{branch}\n\n[{vtid}] {title}")
}

/// The `head` or `base` of a pull request.
fn branch_tip(task: &Task, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{ORGANIZATION}:{branch}"), "ref": branch, "sha": sha,
        "user": {"login": ORGANIZATION, "id": 700_000_001, "type": "Organization"},
        "repo": {"id": task.repository.id, "name": task.repository.name, "html_url": page(task)},
    })
}

fn pull_request(task: &Task, action: &str, now: Timestamp, closed: Option<Timestamp>, merged: bool) -> Value {
    let merged_at = closed.filter(|_| merged).map(time);
    json!({
        "action": action, "number": task.number,
        "pull_request": {
            "id": task.id, "node_id": format!("PR_{}", task.id), "number": task.number,
            "url": format!(
                "https://api.github.com/repos/{ORGANIZATION}/{}/pulls/{}",
                task.repository.name, task.number
            ),
            "html_url": format!("{}/pull/{}", page(task), task.number),
            "state": if closed.is_some() { "closed" } else { "open" }, "locked": false, "draft": false,
            "title": format!("[{}] {}", task.vtid, task.title), "body": null, "user": user(task.author),
            "created_at": time(task.opened_at), "updated_at": time(now), "closed_at": closed.map(time),
            "merged_at": merged_at, "merged": merged, "merged_by": merged.then(|| user(task.reviewer)),
            "merge_commit_sha": merged.then_some(&task.merge_sha), "mergeable": null,
            "mergeable_state": "unknown",
            "head": branch_tip(task, &task.branch, &task.head_sha),
            "base": branch_tip(task, "main", &task.base_sha),
            "assignees": [], "labels": [], "requested_reviewers": [user(task.reviewer)],
            "author_association": "MEMBER", "comments": 0, "commits": 1, "additions": 42, "deletions": 17,
            "changed_files": 3,
        },
    })
}

/// The `status` and `conclusion` of a run or a check.
fn status_and_conclusion(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Queued => ("queued", None),
        State::Running => ("in_progress", None),
        State::Ended(conclusion) => ("completed", Some(conclusion)),
    }
}

/// The `pull_requests` of a run or a check.
fn pull_requests(task: &Task) -> Value {
    json!([{
        "id": task.id, "number": task.number,
        "head": {"ref": task.branch, "sha": task.head_sha}, "base": {"ref": "main", "sha": task.base_sha},
    }])
}

fn workflow_run(task: &Task, attempt: u32, state: State, now: Timestamp) -> Value {
    let (status, conclusion) = status_and_conclusion(state);
    let action = if state == State::Queued { "requested" } else { status };
    json!({
        "action": action,
        "workflow": {
            "id": task.repository.id + 7, "name": "CI", "path": ".github/workflows/ci.yml", "state": "active",
            "html_url": format!("{}/blob/main/.github/workflows/ci.yml", page(task)),
        },
        "workflow_run": {
            "id": task.id + 1, "node_id": format!("WFR_{}", task.id + 1), "name": "CI",
            "display_title": format!("[{}] {}", task.vtid, task.title), "head_branch": task.branch,
            "head_sha": task.head_sha, "path": ".github/workflows/ci.yml", "run_number": task.number + 400,
            "run_attempt": attempt, "event": "pull_request", "status": status, "conclusion": conclusion,
            "workflow_id": task.repository.id + 7, "check_suite_id": task.id + 2,
            "html_url": format!("{}/actions/runs/{}", page(task), task.id + 1),
            "pull_requests": pull_requests(task), "created_at": time(task.opened_at),
            "run_started_at": time(task.run_started_at), "updated_at": time(now),
            "actor": user(task.author), "triggering_actor": user(task.author),
            "head_commit": commit(task, &task.head_sha, task.title, task.author, task.opened_at),
            "head_repository": repository(task, now, false),
        },
    })
}

fn check_run(task: &Task, index: usize, attempt: u32, state: State, now: Timestamp) -> Value {
    let (status, conclusion) = status_and_conclusion(state);
    let name = task.repository.checks.get(index).copied().unwrap_or("test");
    // Each attempt has new check runs.
    let id = task.id + 10 * u64::from(attempt) + index as u64;
    json!({
        "action": if conclusion.is_some() { "completed" } else { "created" },
        "check_run": {
            "id": id, "node_id": format!("CR_{id}"), "name": name, "head_sha": task.head_sha,
            "external_id": "",
            "html_url": format!("{}/actions/runs/{}/job/{id}", page(task), task.id + 1),
            "details_url": format!("{}/actions/runs/{}/job/{id}", page(task), task.id + 1),
            "status": status, "conclusion": conclusion, "started_at": time(task.run_started_at),
            "completed_at": conclusion.map(|_| time(now)),
            "output": {"title": null, "summary": null, "text": null, "annotations_count": 0},
            "check_suite": {
                "id": task.id + 2, "head_branch": task.branch, "head_sha": task.head_sha,
                "status": if conclusion.is_some() { "in_progress" } else { "queued" }, "conclusion": null,
                "pull_requests": pull_requests(task),
            },
            "app": {"id": 15_368, "slug": "github-actions", "name": "GitHub Actions"},
            "pull_requests": pull_requests(task),
        },
    })
}

fn deployment(task: &Task, attempt: u32) -> Value {
    let id = task.id + 100 * u64::from(attempt);
    json!({
        "id": id, "node_id": format!("DE_{id}"), "sha": task.merge_sha, "ref": "main", "task": "deploy",
        "payload": {}, "original_environment": "production", "environment": "production", "description": null,
        "creator": user(task.reviewer), "created_at": time(task.deployed_at),
        "updated_at": time(task.deployed_at),
        "transient_environment": false, "production_environment": true,
    })
}

/// The workflow run that deploys, in the form in which the events of a deployment contain it.
fn deploy_run(task: &Task, attempt: u32) -> Value {
    let id = task.id + 200 + u64::from(attempt);
    json!({
        "id": id, "name": "Deploy", "display_title": merge_message(task).lines().next(),
        "head_branch": "main", "head_sha": task.merge_sha, "event": "push", "status": "in_progress",
        "conclusion": null, "run_attempt": 1,
        "html_url": format!("{}/actions/runs/{id}", page(task)), "actor": user(task.reviewer),
        "created_at": time(task.deployed_at), "updated_at": time(task.deployed_at),
    })
}

fn deployment_created(task: &Task, attempt: u32) -> Value {
    json!({
        "action": "created", "deployment": deployment(task, attempt),
        "workflow": {"name": "Deploy", "path": ".github/workflows/deploy.yml"},
        "workflow_run": deploy_run(task, attempt),
    })
}

fn deployment_status(task: &Task, attempt: u32, state: State, now: Timestamp) -> Value {
    let id = task.id + 300 + 10 * u64::from(attempt);
    let (offset, state) = match state {
        State::Queued => (0, "queued"),
        State::Running => (1, "in_progress"),
        State::Ended(conclusion) => (2, conclusion),
    };
    let run = deploy_run(task, attempt);
    json!({
        "action": "created", "deployment": deployment(task, attempt),
        "deployment_status": {
            "id": id + offset, "node_id": format!("DES_{}", id + offset), "state": state,
            "creator": user(task.reviewer), "description": "", "environment": "production",
            "environment_url": "", "target_url": run["html_url"],
            "log_url": run["html_url"], "created_at": time(now), "updated_at": time(now),
        },
        "workflow_run": run,
    })
}

fn release(task: &Task, now: Timestamp) -> Value {
    let tag = format!("v1.{}.0", task.number);
    json!({
        "action": "published",
        "release": {
            "id": task.id + 500, "node_id": format!("RE_{}", task.id + 500), "tag_name": tag,
            "target_commitish": "main", "name": format!("{tag} with {}", task.vtid), "draft": false,
            "prerelease": false, "author": user(task.reviewer), "created_at": time(task.deployed_at),
            "published_at": time(now), "html_url": format!("{}/releases/tag/{tag}", page(task)), "assets": [],
            "body": format!("- {} (#{})", task.title, task.number),
        },
    })
}
