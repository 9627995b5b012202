//! Tests of the status of each event, and of deliveries that are ignored or cannot be read.

use serde_json::{Value, json};
use webhook_ingest::github::{Reading, Rules, read};

use crate::payloads::{STATUSES, event_of, text, variant};
use crate::reading::received;

/// Returns the status of the event, and whether GitHub's word for the state is known.
fn state(name: &str, changes: &[(&str, Value)]) -> (&'static str, bool) {
    match read(event_of(name), &variant(name, changes), &Rules::default(), received()).unwrap() {
        Reading::Event { new, state_known, .. } => (new.event.status.as_str(), state_known),
        Reading::Ignored => panic!("{name} was ignored"),
    }
}

fn refused(event_name: &str, payload: &[u8]) -> String {
    read(event_name, payload, &Rules::default(), received()).unwrap_err().to_string()
}

#[test]
fn every_example_payload_is_read() {
    for (name, expected) in STATUSES {
        match read(event_of(name), text(name).as_bytes(), &Rules::default(), received()).unwrap() {
            Reading::Event { new, state_known, .. } => {
                assert_eq!((Some(new.event.status), state_known), (*expected, true), "{name}");
            }
            Reading::Ignored => assert_eq!(*expected, None, "{name} was ignored"),
        }
    }
}

#[test]
fn githubs_states_become_statuses_of_events() {
    let run = |status: &str, conclusion: Value| {
        state(
            "workflow_run.completed",
            &[("/workflow_run/status", json!(status)), ("/workflow_run/conclusion", conclusion)],
        )
    };
    assert_eq!(run("in_progress", Value::Null), ("in_progress", true));
    assert_eq!(run("completed", json!("startup_failure")), ("failure", true));
    assert_eq!(run("completed", json!("stale")), ("cancelled", true));
    assert_eq!(run("completed", Value::Null), ("info", false));
    assert_eq!(run("completed", json!("exploded")), ("info", false));
    assert_eq!(run("levitating", Value::Null), ("info", false));
    let job = [("/workflow_job/conclusion", json!("action_required"))];
    assert_eq!(state("workflow_job.failed", &job), ("failure", true));
    let deployed =
        |word: &str| state("deployment_status.pages", &[("/deployment_status/state", json!(word))]);
    assert_eq!(deployed("error"), ("failure", true));
    assert_eq!(deployed("destroyed"), ("info", false));
    let released = |action: &str| state("release.published", &[("/action", json!(action))]);
    assert_eq!((released("released").0, released("prereleased").0), ("success", "info"));
}

#[test]
fn other_events_are_ignored_if_their_payload_is_an_object() {
    for name in ["star", "a_new_event", "Push", "", "push "] {
        let reading = read(name, text("star.created").as_bytes(), &Rules::default(), received());
        assert_eq!(reading, Ok(Reading::Ignored), "{name}");
        for payload in ["", "[]", "7", "null", "\"{}\"", "{", "{}x"] {
            assert!(!refused(name, payload.as_bytes()).is_empty());
        }
    }
}

#[test]
fn a_payload_that_cannot_be_read_is_refused() {
    for (name, pointer, value) in [
        ("workflow_run.completed", "/workflow_run/head_branch", json!(7)),
        ("workflow_run.completed", "/workflow_run/id", json!("7")),
        ("workflow_run.completed", "/workflow_run", Value::Null),
        ("workflow_run.completed", "/workflow_run", json!([])),
        ("workflow_run.completed", "/action", Value::Null),
        ("pull_request.closed", "/pull_request/title", json!(["x"])),
        ("pull_request.closed", "/pull_request/number", json!(-1)),
        ("pull_request.closed", "/pull_request/merged", json!("true")),
        ("push.branch", "/ref", Value::Null),
        ("push.branch", "/commits", json!({})),
        ("push.branch", "/repository/pushed_at", json!(1.5)),
        ("check_run.completed", "/repository/full_name", json!(false)),
        ("deployment_status.pages", "/deployment_status/state", json!(1)),
    ] {
        let message = refused(event_of(name), &variant(name, &[(pointer, value)]));
        assert!(message.contains(" at line "), "{name} {pointer}: {message}");
    }
    for name in
        ["workflow_run", "workflow_job", "check_run", "check_suite", "pull_request", "push", "release"]
    {
        let message = refused(name, b"{}");
        assert!(message.contains("missing field"), "{name}: {message}");
    }
}
