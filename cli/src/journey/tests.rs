//! Tests of journeys.

use serde_json::{Value, json};

use super::*;

const RUN: &str = "https://github.com/acme/gateway/actions/runs";

/// An event of the task `second` seconds after the start.
fn event(second: u8, kind: &str, status: &str, link: &str, meta: Value) -> Event {
    Event::read(&json!({
        "id": 100 + u64::from(second), "ts": format!("2026-01-02T03:04:{second:02}.000Z"), "kind": kind,
        "status": status, "link": link, "source": "github.actions", "module": "CORE", "meta": meta,
    }))
}

fn run(second: u8, status: &str, id: u64, attempt: u64) -> Event {
    let link = if attempt > 1 { format!("{RUN}/{id}/attempts/{attempt}") } else { format!("{RUN}/{id}") };
    let meta = json!({"name": "CI", "run_id": id, "attempt": attempt, "repository": "acme/gateway"});
    event(second, "workflow_run", status, &link, meta)
}

fn job(second: u8, status: &str, run: u64, name: &str) -> Event {
    let meta = json!({"name": name, "repository": "acme/gateway"});
    event(second, "check_run", status, &format!("{RUN}/{run}/job/{second}{name}"), meta)
}

fn deployment(second: u8, status: &str) -> Event {
    let meta = json!({"environment": "production", "repository": "acme/gateway"});
    event(second, "deployment_status", status, "", meta)
}

/// The state as text, such as `failure: CI (test)`.
fn state(events: &[Event]) -> String {
    let journey = Journey::of(events);
    let names = |items: Vec<&Item>| items.iter().map(|item| item.summary()).collect::<Vec<_>>().join(", ");
    match journey.state() {
        State::NotStarted => "not started".to_owned(),
        State::Active(items) => format!("active: {}", names(items)),
        State::Ended(Verdict::Success, _) => "success".to_owned(),
        State::Ended(Verdict::Failure, items) => format!("failure: {}", names(items)),
        State::Ended(Verdict::Cancelled, items) => format!("cancelled: {}", names(items)),
    }
}

#[test]
fn a_run_ends_a_task_and_its_failed_jobs_are_named() {
    let events = [
        run(1, "queued", 7, 1),
        run(2, "in_progress", 7, 1),
        job(3, "success", 7, "lint"),
        job(4, "failure", 7, "test"),
        run(5, "failure", 7, 1),
    ];
    assert_eq!(state(&events[..0]), "not started");
    assert_eq!(state(&events[..1]), "active: CI");
    assert_eq!(state(&events[..4]), "active: CI (test)");
    assert_eq!(state(&events), "failure: CI (test)");
    let journey = Journey::of(&events);
    let [item] = &journey.items[..] else { panic!("{journey:?}") };
    assert_eq!(item.ended.unwrap().duration_since(item.began).as_secs(), 4);
}

#[test]
fn a_later_attempt_or_run_replaces_a_failure() {
    let mut events = vec![run(1, "in_progress", 7, 1), job(2, "failure", 7, "test"), run(3, "failure", 7, 1)];
    events.extend([run(4, "in_progress", 7, 2), job(5, "success", 7, "test")]);
    assert_eq!(state(&events), "active: CI, attempt 2");
    events.push(run(6, "success", 7, 2));
    assert_eq!(state(&events), "success");
    events.extend([run(7, "queued", 8, 1), run(8, "cancelled", 8, 1)]);
    assert_eq!(state(&events), "cancelled: CI");
}

#[test]
fn the_order_of_the_events_does_not_matter() {
    let mut events = vec![
        run(1, "queued", 7, 1),
        run(1, "in_progress", 7, 1),
        job(1, "failure", 7, "test"),
        run(1, "failure", 7, 1),
        deployment(2, "queued"),
        deployment(2, "success"),
    ];
    let expected = state(&events);
    assert_eq!(expected, "failure: CI (test)");
    for _ in 0..events.len() {
        events.rotate_left(1);
        assert_eq!(state(&events), expected);
    }
    events.reverse();
    assert_eq!(state(&events), expected);
}

#[test]
fn a_deployment_that_was_replaced_stays_a_success() {
    let mut events = vec![deployment(1, "queued"), deployment(2, "in_progress"), deployment(3, "failure")];
    assert_eq!(state(&events), "failure: deploy to production");
    events.extend([deployment(4, "queued"), deployment(5, "success"), deployment(6, "info")]);
    assert_eq!(state(&events), "success");
    assert_eq!(Journey::of(&events).items.len(), 2);
}

#[test]
fn deploys_to_cloud_run_are_told_apart_by_their_operation() {
    let deploy = |second: u8, status: &str, operation: &str| Event {
        source: "gcp.deploy".into(),
        ..event(second, "deploy", status, "", json!({"service": "gateway", "operation": operation}))
    };
    let mut events =
        vec![deploy(1, "in_progress", "a"), deploy(2, "in_progress", "b"), deploy(3, "failure", "a")];
    assert_eq!(state(&events), "active: deploy gateway");
    events.push(deploy(4, "success", "b"));
    assert_eq!(state(&events), "success");
}

#[test]
fn other_events_and_agents_never_keep_a_task_active() {
    let other = |second: u8, kind: &str, status: &str| Event {
        source: "oasis.events".into(),
        ..event(second, kind, status, "", json!({}))
    };
    let ping = Event { source: "agent.ping".into(), ..event(1, "ping", "in_progress", "", json!({})) };
    let mut events = vec![ping, other(2, "task.init", "queued")];
    assert_eq!(state(&events), "not started");
    events.push(other(3, "backup", "failure"));
    assert_eq!(state(&events), "failure: backup");
}

#[test]
fn a_pull_request_ends_a_task_without_runs() {
    let pull = |second: u8, action: &str, status: &str| {
        event(second, "pull_request", status, "", json!({"number": 7, "action": action}))
    };
    let mut events = vec![pull(1, "opened", "info")];
    assert_eq!(state(&events), "not started");
    events.push(pull(2, "closed", "cancelled"));
    assert_eq!(state(&events), "cancelled: PR #7 closed");
    events.push(pull(3, "reopened", "info"));
    assert_eq!(state(&events), "not started");
    events.push(pull(4, "closed", "success"));
    assert_eq!(state(&events), "success");
    assert_eq!(Journey::of(&events).items.len(), 1);
}

#[test]
fn jobs_without_their_run_count_by_name() {
    let events = [job(1, "failure", 7, "test"), job(2, "queued", 7, "test"), job(3, "success", 7, "test")];
    assert_eq!(state(&events[..1]), "failure: test");
    assert_eq!(state(&events[..2]), "active: test");
    // The job of a later attempt has another link.
    assert_eq!(state(&[events[0].clone(), events[2].clone()]), "success");
}
