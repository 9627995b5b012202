//! Tests of the reading of runs, jobs and checks: VTID, time, link and meta.

use serde_json::{Value, json};

use crate::payloads::text;
use crate::reading::{RECEIVED, changed, event, meta, received, strict, vtid};

#[test]
fn a_workflow_run_is_read() {
    let run = changed(
        "workflow_run.completed",
        &[
            ("/workflow_run/display_title", json!("[DEV-CICDL-0031] Größere Knöpfe 🚀")),
            ("/workflow_run/event", json!("pull_request")),
            ("/workflow_run/conclusion", json!("failure")),
            ("/workflow_run/name", json!("CI")),
            ("/workflow_run/run_attempt", json!(3)),
        ],
    );
    assert_eq!(run.event.title(), "CICDL-CORE-WORKFLOW-RUN");
    assert_eq!(run.event.reference(), "vt/DEV-CICDL-0031-workflow-run");
    assert_eq!(run.event.source.as_str(), "github.actions");
    assert_eq!(run.channel.as_str(), "devhub");
    assert_eq!(
        strict(&run),
        (
            "2020-10-05T16:33:49.000Z".to_owned(),
            "failure",
            Some("https://github.com/octo-org/octo-repo/actions/runs/289782451/attempts/3")
        )
    );
    assert_eq!(
        meta(&run),
        json!({
            "repository": "octo-org/octo-repo", "action": "completed", "actor": "Codertocat",
            "vtid_from": "pr_title", "name": "CI", "title": "[DEV-CICDL-0031] Größere Knöpfe 🚀",
            "branch": "master", "sha": "3484a3fb816e0859fd6e1cea078d76385ff50625", "run_id": 289_782_451,
            "run_number": 163, "attempt": 3, "number": 2, "status": "completed", "conclusion": "failure",
            "run_started_at": "2020-10-05T16:33:49.000Z",
        })
    );
}

/// Anyone can choose the title of a pull request or of a commit.
#[test]
fn only_a_dispatched_run_names_a_cast() {
    let cast = |event: &str, title: &str| {
        let run = changed(
            "workflow_run.dispatched",
            &[("/workflow_run/event", json!(event)), ("/workflow_run/display_title", json!(title))],
        );
        meta(&run).get("cast").cloned()
    };
    let long = format!("{} [cast:site-1]", "x".repeat(2_000));
    for event in ["workflow_dispatch", "repository_dispatch"] {
        assert_eq!(cast(event, "Build [cast:site-1]"), Some(json!("site-1")), "{event}");
        assert_eq!(cast(event, &long), Some(json!("site-1")), "the title is not cut before");
        assert_eq!(cast(event, "Build site-1"), None, "{event}");
    }
    for event in ["push", "pull_request", "workflow_run", "schedule"] {
        assert_eq!(cast(event, "Build [cast:site-1]"), None, "{event}");
    }
}

#[test]
fn the_vtid_of_a_run_comes_from_the_first_of_title_branch_and_commit_that_has_one() {
    let of = |title: Value, event: &str, branch: Value, message: &str| {
        let run = changed(
            "workflow_run.dispatched",
            &[
                ("/workflow_run/display_title", title),
                ("/workflow_run/event", json!(event)),
                ("/workflow_run/head_branch", branch),
                ("/workflow_run/head_commit/message", json!(message)),
            ],
        );
        let (task, from) = vtid(&run);
        (task.to_owned(), from.map(str::to_owned))
    };
    let expect = |task: &str, from: Option<&str>| (task.to_owned(), from.map(str::to_owned));
    let (title, branch, message) =
        ("DEV-AAA-0001", json!("vt/dev-bbb-0002-x"), "Merge\n\nDEV-CCC-0003: done");
    assert_eq!(
        of(json!(title), "pull_request", branch.clone(), message),
        expect("DEV-AAA-0001", Some("pr_title"))
    );
    // For a run that a push started, the title is the headline of the commit. The branch comes first, so the
    // run has the same task as the push.
    assert_eq!(of(json!(title), "push", branch.clone(), message), expect("DEV-BBB-0002", Some("branch")));
    assert_eq!(
        of(json!(title), "push", json!("main"), message),
        expect("DEV-AAA-0001", Some("commit_message"))
    );
    assert_eq!(of(json!("x"), "push", branch, message), expect("DEV-BBB-0002", Some("branch")));
    assert_eq!(
        of(Value::Null, "merge_group", json!("gh-readonly-queue/main/pr-104-3484a3fb"), message),
        expect("DEV-CCC-0003", Some("commit_message"))
    );
    assert_eq!(of(Value::Null, "push", Value::Null, "fix-issue-1234"), expect("UNSET", None));
}

#[test]
fn the_time_and_the_link_of_a_run_follow_its_action_and_attempt() {
    let times = [
        ("/workflow_run/run_started_at", json!("2026-01-01T00:00:01Z")),
        ("/workflow_run/updated_at", json!("2026-01-01T00:00:09Z")),
    ];
    let of = |action: &str, more: &[(&str, Value)]| {
        let changes = [&times[..], &[("/action", json!(action))], more].concat();
        changed("workflow_run.dispatched", &changes)
    };
    assert_eq!(of("requested", &[]).event.ts.to_string(), "2026-01-01T00:00:01.000Z");
    assert_eq!(of("in_progress", &[]).event.ts.to_string(), "2026-01-01T00:00:09.000Z");
    let not_started = ("/workflow_run/run_started_at", Value::Null);
    assert_eq!(of("requested", &[not_started]).event.ts.to_string(), "2026-01-01T00:00:09.000Z");

    let page = "https://github.com/octo-org/octo-repo/actions/runs/1589141559";
    let link = |changes: &[(&str, Value)]| {
        changed("workflow_run.dispatched", changes).event.link.map(|link| link.as_str().to_owned())
    };
    assert_eq!(link(&[]).as_deref(), Some(page));
    let second = format!("{page}/attempts/2");
    assert_eq!(link(&[("/workflow_run/run_attempt", json!(2))]), Some(second.clone()));
    let already = [("/workflow_run/run_attempt", json!(2)), ("/workflow_run/html_url", json!(second))];
    assert_eq!(link(&already), Some(second));
    for unusable in [json!("javascript:alert(1)"), json!(""), json!("/relative"), Value::Null] {
        assert_eq!(link(&[("/workflow_run/html_url", unusable)]), None);
    }
}

#[test]
fn most_fields_of_a_run_may_be_null_or_absent() {
    let bare = br#"{"action":"completed","workflow_run":{"status":"completed","conclusion":"success"}}"#;
    let run = event("workflow_run", bare);
    assert_eq!(strict(&run), (RECEIVED.to_owned(), "success", None));
    assert_eq!(meta(&run), json!({"action": "completed", "status": "completed", "conclusion": "success"}));

    let nulls = [
        "name",
        "actor",
        "triggering_actor",
        "head_commit",
        "head_branch",
        "display_title",
        "pull_requests",
        "updated_at",
        "run_started_at",
        "created_at",
    ];
    let pointers = nulls.map(|name| format!("/workflow_run/{name}"));
    let changes: Vec<_> = pointers.iter().map(|pointer| (pointer.as_str(), Value::Null)).collect();
    let run = changed("workflow_run.completed", &changes);
    assert_eq!((vtid(&run), run.event.ts), (("UNSET", None), received()));
    assert_eq!(meta(&run)["actor"], "Codertocat", "the sender is used instead");
}

#[test]
fn checks_and_suites_are_read() {
    let run = changed(
        "check_run.completed",
        &[("/check_run/check_suite/head_branch", json!("feat/DEV-CICDL-0031"))],
    );
    assert_eq!(vtid(&run), ("DEV-CICDL-0031", Some("branch")));
    assert_eq!(
        strict(&run),
        (
            "2019-05-15T15:21:12.000Z".to_owned(),
            "failure",
            Some("https://github.com/Codertocat/Hello-World/runs/128620228")
        )
    );
    assert_eq!(
        meta(&run),
        json!({
            "repository": "Codertocat/Hello-World", "action": "completed", "actor": "Codertocat",
            "vtid_from": "branch", "name": "Octocoders-linter", "branch": "feat/DEV-CICDL-0031",
            "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "number": 2, "status": "completed",
            "conclusion": "failure",
        })
    );
    let fork = changed("check_run.completed", &[("/check_run/check_suite/head_branch", Value::Null)]);
    assert_eq!(vtid(&fork), ("UNSET", None));
    let details = changed(
        "check_run.completed",
        &[("/check_run/html_url", Value::Null), ("/check_run/details_url", json!("https://ci.example/1"))],
    );
    assert_eq!(details.event.link.unwrap().as_str(), "https://ci.example/1");
    assert_eq!(strict(&event("check_run", text("check_run.rerequested").as_bytes())).1, "queued");

    let suite = changed(
        "check_suite.completed",
        &[
            ("/check_suite/head_branch", Value::Null),
            ("/check_suite/head_commit/message", json!("DEV-CICDL-0031\n\nmore")),
        ],
    );
    assert_eq!(vtid(&suite), ("DEV-CICDL-0031", Some("commit_message")));
    let checks = concat!(
        "https://github.com/Codertocat/Hello-World/commit/",
        "ec26c3e57ca3a959ca5aad62de7213c562f8c821/checks"
    );
    assert_eq!(strict(&suite), ("2019-05-15T15:21:14.000Z".to_owned(), "success", Some(checks)));
}

/// GitHub does not send the time of the request. The check has the times of its first run.
#[test]
fn a_request_to_run_a_check_again_has_the_latest_time_of_the_check_and_its_suite() {
    let of = |action: &str, suite: Value, completed: Value| {
        let changes = [
            ("/action", json!(action)),
            ("/check_run/check_suite/updated_at", suite),
            ("/check_run/completed_at", completed),
            ("/check_run/started_at", json!("2018-05-04T01:10:00Z")),
        ];
        changed("check_run.rerequested", &changes).event.ts.to_string()
    };
    let (suite, completed) = ("2018-05-07T09:00:00.000Z", "2018-05-04T01:14:52.000Z");
    for action in ["rerequested", "requested_action"] {
        assert_eq!(of(action, json!(suite), json!(completed)), suite);
        assert_eq!(of(action, json!("2018-05-04T01:00:00Z"), json!(completed)), completed);
        assert_eq!(of(action, Value::Null, json!(completed)), completed);
        assert_eq!(of(action, Value::Null, Value::Null), "2018-05-04T01:10:00.000Z");
    }
    assert_eq!(of("completed", json!(suite), json!(completed)), completed);
}

#[test]
fn the_time_of_a_job_is_the_time_of_its_end_or_else_of_its_start() {
    let of = |completed: Value, started: Value| {
        let changes = [("/workflow_job/completed_at", completed), ("/workflow_job/started_at", started)];
        changed("workflow_job.failed", &changes).event.ts.to_string()
    };
    let started = "2021-08-05T10:37:00.000Z";
    assert_eq!(of(json!("2021-08-05T10:38:16Z"), json!(started)), "2021-08-05T10:38:16.000Z");
    assert_eq!(of(Value::Null, json!(started)), started);
    assert_eq!(of(json!("0001-01-01T00:00:00Z"), json!(started)), started);
    let job = changed("workflow_job.failed", &[("/workflow_job/head_branch", json!("vt/stg-web-12345"))]);
    assert_eq!(vtid(&job), ("STG-WEB-12345", Some("branch")));
    assert_eq!(meta(&job)["workflow"], "CodeQL");
    assert_eq!(meta(&job)["run_id"], 2_202_229_078_u64);
}
