//! Tests `oasis events`, `oasis task` and the lines of `oasis tail` with a real gateway.

use serde_json::Value;

use crate::gateway::Gateway;
use crate::process::{Done, oasis};

const TASK: &str = "DEV-CICDL-0031";
const RUN: &str = "https://github.com/acme/gateway/actions/runs/7";
const CI: [&str; 4] = [
    "name=CI",
    "repository=acme/gateway",
    "title=Add rate limits to the gateway",
    "branch=vt/dev-cicdl-0031",
];

fn run(gateway: &Gateway, arguments: &[&str]) -> Done {
    oasis(&[arguments, &["--url", &gateway.url]].concat()).finish()
}

/// Stores the journey of a task: a pull request, a run with a failed job, a second attempt, and a deploy.
fn store_journey(gateway: &Gateway) {
    let emit = |kind: &str, status: &str, ts: &str, link: &str, facts: &[&str]| {
        let ts = format!("2026-01-02T{ts}Z");
        let mut flags = vec!["--vtid", TASK, "--source", "github.actions", "--ts", &ts];
        if !link.is_empty() {
            flags.extend(["--link", link]);
        }
        gateway.emit(kind, status, &flags, facts);
    };
    let job = format!("{RUN}/job/8");
    let second = format!("{RUN}/attempts/2");
    let pull = [&CI[1..], &["number:=100", "action=opened"]].concat();
    emit("pull_request", "info", "03:04:05", "https://github.com/acme/gateway/pull/100", &pull);
    emit("workflow_run", "queued", "03:04:10", RUN, &CI);
    emit("check_run", "failure", "03:06:00", &job, &["name=test", CI[1]]);
    emit("workflow_run", "failure", "03:06:13", RUN, &CI);
    emit("workflow_run", "queued", "03:08:00", &second, &[&CI[..], &["attempt:=2"]].concat());
    emit("workflow_run", "success", "03:10:00", &second, &[&CI[..], &["attempt:=2"]].concat());
    let closed = [&CI[1..], &["number:=100", "action=closed"]].concat();
    emit("pull_request", "success", "03:24:05", "https://github.com/acme/gateway/pull/100", &closed);
    let ping = |status: &str, ts: &str| {
        gateway.emit(
            "ping",
            status,
            &["--vtid", TASK, "--source", "agent.ping", "--ts", ts],
            &["agent=planner"],
        );
    };
    ping("in_progress", "2026-01-02T03:05:00Z");
    ping("success", "2026-01-02T03:20:00Z");
    let production = ["environment=production", CI[1]];
    emit("deployment_status", "in_progress", "03:30:00", "", &production);
    emit("deployment_status", "failure", "03:30:45", "", &production);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_shown_with_its_runs_deploys_and_durations() {
    let gateway = Gateway::start().await;
    let done = run(&gateway, &["task", TASK]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("DEV-CICDL-0031 has no events"), "{}", done.stderr);
    let done = run(&gateway, &["events"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "no events are stored yet\n"));

    store_journey(&gateway);
    let done = run(&gateway, &["task", "dev-cicdl-0031"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let expected = format!(
        "\
DEV-CICDL-0031  failure: deploy to production
Add rate limits to the gateway
acme/gateway  vt/dev-cicdl-0031
2026-01-02 03:04:05 to 2026-01-02 03:30:45 (26m 40s)

2026-01-02 03:04:05      20m  success      PR #100 merged  https://github.com/acme/gateway/pull/100
2026-01-02 03:04:10    2m 3s  failure      CI  {RUN}
                                           failed: test
2026-01-02 03:05:00      15m  success      planner
2026-01-02 03:08:00       2m  success      CI, attempt 2  {RUN}/attempts/2
2026-01-02 03:30:00      45s  failure      deploy to production
"
    );
    assert_eq!(done.stdout, expected);
    let done = oasis(&["task", TASK, "--url", &gateway.url]).env("COLUMNS", "50").finish();
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 50), "{}", done.stdout);
    assert!(done.stdout.contains("\n01-02 03:04:10    2m 3s  failure      CI\n"), "{}", done.stdout);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_printed_like_a_log() {
    let gateway = Gateway::start().await;
    store_journey(&gateway);
    gateway.emit("backup", "failure", &["--module", "DATABASE"], &["message=disk full"]);
    let done = run(&gateway, &["events", "--limit", "2"]);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", done.stderr);
    assert_eq!(
        lines[0],
        "2026-01-02 03:30:45  failure      DEV-CICDL-0031  deploy to production  acme/gateway"
    );
    assert!(lines[1].ends_with("  failure      UNSET           backup  disk full  DATABASE"), "{lines:?}");

    let done = run(&gateway, &["events", "--since", "2h"]);
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    let filtered = ["events", "--json", "--status", "failure", "--until", "2026-01-02T04:00:00Z"];
    let events: Vec<Value> =
        run(&gateway, &filtered).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["check_run", "workflow_run", "deployment_status"]);
    assert_eq!(events[0]["meta"]["name"], "test");
    let done = run(&gateway, &["events", "--vtid", "DEV-CICDL-0099"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "no event matches the filters\n"));
    let done = run(&gateway, &["events", "--kind", "Push"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("parameter `kind`"), "{}", done.stderr);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_events_than_one_answer_holds_are_read_page_by_page() {
    let gateway = Gateway::start().await;
    let body: Vec<String> = (0..1_050)
        .map(|n| {
            format!(r#"{{"kind":"k","status":"info","source":"oasis.events","meta":{{"title":"{n}"}}}}"#)
        })
        .collect();
    let base: oasis_service::client::Base = gateway.url.parse().unwrap();
    for part in body.chunks(500) {
        let request = base
            .request(hyper::Method::POST, "/events/ingest")
            .header("content-type", "application/json")
            .body(http_body_util::Full::new(bytes::Bytes::from(format!("[{}]", part.join(",")))))
            .unwrap();
        let mut sender = oasis_service::client::connect(&base).await.unwrap();
        let answer = oasis_service::client::exchange(&mut sender, request).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let titles = |limit: &str| -> Vec<usize> {
        let done = run(&gateway, &["events", "--json", "--limit", limit]);
        let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let title = |line: &str| event(line)["meta"]["title"].as_str().unwrap().parse().unwrap();
        done.stdout.lines().map(title).collect()
    };
    assert_eq!(titles("1020"), (30..1_050).collect::<Vec<_>>());
    assert_eq!(titles("5000"), (0..1_050).collect::<Vec<_>>());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_says_what_broke() {
    let gateway = Gateway::start().await;
    store_journey(&gateway);
    let tail = ["tail", "--no-follow", "--vtid", TASK, "--url", &gateway.url];
    let done = oasis(&tail).env("COLUMNS", "100").finish();
    let lines: Vec<&str> = done.stdout.lines().collect();
    // The time has a year, unless the year is the current year.
    assert!(lines[2].ends_with("-02 03:06:00  failure      DEV-CICDL-0031  test  acme/gateway"), "{lines:?}");
    assert!(lines[3].contains("-02 03:06:13  failure      DEV-CICDL-0031  CI  Add rate limi"), "{lines:?}");
    assert!(lines[3].contains("…  gateway  vt/dev-cicdl-"), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{}", done.stdout);
    gateway.stop().await;
}
