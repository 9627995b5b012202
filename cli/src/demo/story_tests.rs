//! Tests of the demo's story.

use std::collections::{BTreeMap, BTreeSet};

use deploy_watcher::fake::FakeLogging;
use deploy_watcher::logs::gcloud::CloudLogging;
use deploy_watcher::poll::Watcher;
use jiff::SignedDuration;
use oasis_core::{Prefixes, Status};
use oasis_postgres::testing;
use oasis_store::{DatabaseArgs, Order, PageQuery, Store};
use webhook_ingest::github::{Reading, Rules};

use super::super::resources;
use super::*;

fn deliveries(seed: u64, count: usize) -> Vec<Delivery> {
    let mut story = Story::new(seed);
    let mut now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    std::iter::repeat_with(|| {
        now += story.pause();
        story.next(now)
    })
    .take(count)
    .collect()
}

#[test]
fn a_seed_determines_the_story() {
    assert_eq!(deliveries(7, 300), deliveries(7, 300));
    assert_ne!(deliveries(7, 20), deliveries(8, 20));
}

#[test]
fn a_pause_lasts_half_a_second_to_three_seconds() {
    let mut story = Story::new(1);
    let range = Duration::from_millis(500)..=Duration::from_secs(3);
    assert!((0..1_000).all(|_| range.contains(&story.pause())));
}

#[test]
fn tasks_start_at_0031_and_are_interleaved() {
    let story = deliveries(7, 30);
    assert!(story.iter().any(|delivery| delivery.vtid == "DEV-CICDL-0031"));
    let changes = story.windows(2).filter(|pair| pair[0].vtid != pair[1].vtid).count();
    assert!(changes > 10, "{changes}");
}

#[test]
fn every_delivery_is_new_and_contains_its_task() {
    let mut seen = BTreeSet::new();
    for delivery in deliveries(7, 2_000) {
        let text = delivery.payload.to_string();
        let found = Prefixes::default().find(&text).map(|vtid| vtid.to_string());
        assert_eq!(found.as_ref(), Some(&delivery.vtid), "{}", delivery.event);
        assert!(seen.insert(text), "{delivery:?}");
    }
}

#[test]
fn each_task_goes_from_its_push_to_its_deployment_in_order() {
    let mut stories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Delivery { event, vtid, payload, .. } in deliveries(7, 3_000) {
        let run = &payload["workflow_run"];
        let line = match event {
            "workflow_run" => format!("run {} {}", run["run_attempt"], run["conclusion"]),
            "deployment_status" => format!("deploy {}", payload["deployment_status"]["state"]),
            "pull_request" => format!("pr {}", payload["pull_request"]["merged"]),
            other => other.to_owned(),
        };
        stories.entry(vtid).or_default().push(line);
    }
    let finished: Vec<&Vec<String>> =
        stories.values().filter(|lines| lines.iter().any(|line| line == r#"deploy "success""#)).collect();
    assert!(finished.len() > 50, "{}", finished.len());
    for lines in &finished {
        let at = |line: &str| lines.iter().position(|own| own == line);
        assert_eq!((at("push"), at("pr false")), (Some(0), Some(1)));
        let green = at(r#"run 1 "success""#).or(at(r#"run 2 "success""#));
        assert!(green < at("pr true") && at("pr true") < at("deployment"), "{lines:?}");
        assert!(at("deployment") < at(r#"deploy "success""#));
    }
    let any = |line: &str| stories.values().any(|lines| lines.iter().any(|own| own == line));
    for line in
        [r#"run 1 "failure""#, r#"run 1 "cancelled""#, r#"run 2 "success""#, r#"deploy "failure""#, "release"]
    {
        assert!(any(line), "{line}");
    }
}

#[test]
fn payloads_have_the_same_form_as_githubs_payloads() {
    for Delivery { event, payload, .. } in deliveries(7, 200) {
        for key in ["repository", "organization", "sender"] {
            assert!(payload[key].is_object(), "{event} has no {key}");
        }
        assert_eq!(payload["action"].is_string(), event != "push", "{event}");
        assert_eq!(payload["repository"]["pushed_at"].is_number(), event == "push");
        if event == "workflow_run" {
            let run = &payload["workflow_run"];
            assert_eq!(run["conclusion"].is_string(), run["status"] == "completed");
            let began = run["run_started_at"].as_str().unwrap();
            assert!(began.starts_with("2026-") && began.len() == 20, "{began}");
        }
    }
}

/// The runs and the deployments of the team are resource events of the demo's workloads.
#[test]
fn runs_and_deployments_change_the_workloads_of_the_demo() {
    let rules = Rules { resources: resources::mapping().parse().unwrap(), ..Rules::default() };
    let received = "2026-01-02T03:04:05Z".parse().unwrap();
    let mut seen = BTreeSet::new();
    for Delivery { event, payload, .. } in deliveries(7, 1_000) {
        let read = webhook_ingest::github::read(event, payload.to_string().as_bytes(), &rules, received);
        let Ok(Reading::Event { resources, .. }) = read else { panic!("{event}") };
        for resource in resources {
            let meta = resource.meta.as_map();
            assert_eq!(meta["cluster_id"], "eu");
            seen.insert(meta.get("status").map_or(resource.event.kind.to_string(), ToString::to_string));
        }
    }
    let statuses = ["Building", "Deploying", "Running", "Failed"].map(|status| format!("{status:?}"));
    let builds = ["build_complete", "build_failed"].map(str::to_owned);
    assert_eq!(seen, statuses.into_iter().chain(builds).collect());
}

/// deploy-watcher stores an event for each log entry. Each deploy is first requested, and later ready or
/// failed.
#[tokio::test]
async fn deploy_watcher_stores_the_log_entries_of_all_deploys() {
    let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
    let store = Store::new(DatabaseArgs::new(db.url.parse().unwrap()), "test").unwrap();
    let logs = FakeLogging::start().await.unwrap();
    let lookback = SignedDuration::from_hours(24 * 10_000);
    let mut tasks = Vec::new();
    for delivery in deliveries(7, 3_000) {
        if let Some(entry) = &delivery.log_entry {
            logs.add(entry, lookback);
            tasks.push(delivery.vtid);
        }
    }
    let client = CloudLogging::new(logs.endpoint(), true);
    let projects = vec![deploys::PROJECT.to_owned()];
    let appender = store.appender().unwrap();
    Watcher::new(projects, lookback, client, store.clone(), appender).poll().await.unwrap();
    let query = PageQuery::ticker(None, Order::NewestFirst { before: None }, 10_000);
    let events = store.page(&query).await.unwrap().events;
    let mut stored: Vec<&str> = events.iter().map(|event| event.task.as_str()).collect();
    stored.sort_unstable();
    tasks.sort_unstable();
    assert_eq!(stored, tasks);
    let count = |status| events.iter().filter(|event| event.status == status).count();
    assert!(count(Status::Failure) > 3);
    let ended = count(Status::Success) + count(Status::Failure);
    assert!((ended..ended + 5).contains(&count(Status::InProgress)));
}
