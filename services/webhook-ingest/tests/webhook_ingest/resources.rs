//! Tests of the resource events of mapped repositories (`RESOURCES`).

use serde_json::{Value, json};
use webhook_ingest::github::{Reading, Rules, read};

use crate::payloads::{event_of, variant};
use crate::reading::received;
use crate::server::Server;

const MAPPING: &str = "Octo-Org/Octo-Repo=cluster:eu/project:shop/workload:api,\
                       octo-org/octo-repo#test.yml=workload:worker,\
                       octo-org/octo-repo#other.yml=workload:other,\
                       codertocat/hello-world=project:site/workload:pages";

const RUN: &str = "workflow_run.completed";
const DEPLOYMENT: &str = "deployment_status.pages";

/// The kinds and the `meta` of the resource events of a changed example.
fn resources(name: &str, changes: &[(&str, Value)]) -> Vec<(String, Value)> {
    let rules = Rules { resources: MAPPING.parse().unwrap(), ..Rules::default() };
    let payload = variant(name, changes);
    let Ok(Reading::Event { resources, .. }) = read(event_of(name), &payload, &rules, received()) else {
        panic!("{name} should be an event")
    };
    let of_event = |event: &oasis_core::NewEvent| {
        (event.event.kind.to_string(), Value::from(event.meta.as_map().clone()))
    };
    resources.iter().map(of_event).collect()
}

/// Like [`resources`], for changes that give one event.
fn resource(name: &str, changes: &[(&str, Value)]) -> (String, Value) {
    let mut found = resources(name, changes);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn run(status: &str, conclusion: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("/workflow_run/status", json!(status)),
        ("/workflow_run/conclusion", conclusion),
        // Only the entry without a workflow matches.
        ("/workflow_run/path", json!(".github/workflows/build.yml")),
    ]
}

#[test]
fn a_run_that_succeeded_is_a_complete_build_with_its_duration() {
    let changes = [
        ("/workflow_run/updated_at", json!("2020-10-05T16:35:50Z")),
        ("/workflow_run/head_branch", json!("vt/DEV-CICDL-0031")),
    ];
    let link = "https://github.com/octo-org/octo-repo/actions/runs/289782451";
    let build = json!({
        "resource_type": "build", "build_id": "289782451", "build_duration": 121,
        "message": "A run of the workflow test succeeded.", "vtid": "DEV-CICDL-0031", "link": link,
    });
    let with = |ids: Value| {
        let mut all = build.clone();
        all.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        ("build_complete".to_owned(), all)
    };
    // The file of the workflow is test.yml.
    let expected = [
        with(json!({"workload_id": "api", "project_id": "shop", "cluster_id": "eu"})),
        with(json!({"workload_id": "worker"})),
    ];
    assert_eq!(resources(RUN, &changes), expected);
}

#[test]
fn the_status_of_a_run_determines_its_event() {
    let (kind, started) = resource(RUN, &run("in_progress", Value::Null));
    assert_eq!((kind.as_str(), &started["status"]), ("workload_status_update", &json!("Building")));
    assert_eq!(started["message"], "A run of the workflow test has started.");
    for conclusion in ["failure", "timed_out", "startup_failure", "cancelled", "stale"] {
        let (kind, failed) = resource(RUN, &run("completed", json!(conclusion)));
        assert_eq!((kind.as_str(), &failed["build_id"]), ("build_failed", &json!("289782451")));
        assert_eq!(failed["error"], format!("{conclusion} in the workflow test"));
    }
    for conclusion in ["skipped", "neutral", "action_required", "new_word"] {
        assert_eq!(resources(RUN, &run("completed", json!(conclusion))), []);
    }
    for status in ["queued", "requested", "waiting", "pending", "new_word"] {
        assert_eq!(resources(RUN, &run(status, Value::Null)), []);
    }
}

#[test]
fn each_attempt_is_a_build_of_its_own() {
    let with = |more: &[(&'static str, Value)]| [&run("completed", json!("success")), more].concat();
    let (_, build) = resource(RUN, &with(&[("/workflow_run/run_attempt", json!(2))]));
    assert_eq!(build["build_id"], "289782451-2");
    // A duration below zero is left out.
    let (_, build) = resource(RUN, &with(&[("/workflow_run/updated_at", json!("2020-10-05T16:33:00Z"))]));
    assert_eq!(build.get("build_duration"), None);
}

#[test]
fn the_file_of_the_workflow_is_also_read_from_the_workflow() {
    let changes = [
        ("/workflow_run/path", Value::Null),
        ("/workflow/path", json!(".github/workflows/other.yml@refs/heads/main")),
    ];
    let found = resources(RUN, &changes);
    let workloads: Vec<&Value> = found.iter().map(|(_, meta)| &meta["workload_id"]).collect();
    assert_eq!(workloads, ["api", "other"]);
}

#[test]
fn a_run_of_a_fork_and_an_unknown_repository_give_no_resource_event() {
    let fork = ("/workflow_run/head_repository", json!({"full_name": "mallory/octo-repo"}));
    assert_eq!(resources(RUN, &[fork]), []);
    let deleted = ("/workflow_run/head_repository", Value::Null);
    let of_request = ("/workflow_run/event", json!("pull_request"));
    assert_eq!(resources(RUN, &[deleted.clone(), of_request]), []);
    assert_eq!(resources(RUN, &[deleted, ("/workflow_run/event", json!("push"))]).len(), 2);
    let own = ("/workflow_run/head_repository", json!({"full_name": "OCTO-ORG/octo-repo"}));
    assert_eq!(resources(RUN, &[own]).len(), 2);
    assert_eq!(resources(RUN, &[("/repository/full_name", json!("octo-org/another"))]), []);
    assert_eq!(resources("push.branch", &[]), []);
}

#[test]
fn the_state_of_a_deployment_determines_the_status_of_the_workload() {
    for (state, status) in [
        ("queued", "Deploying"),
        ("pending", "Deploying"),
        ("in_progress", "Deploying"),
        ("success", "Running"),
        ("failure", "Failed"),
        ("error", "Failed"),
    ] {
        let (kind, meta) = resource(DEPLOYMENT, &[("/deployment_status/state", json!(state))]);
        assert_eq!((kind.as_str(), &meta["status"]), ("workload_status_update", &json!(status)), "{state}");
        assert_eq!((&meta["workload_id"], &meta["project_id"]), (&json!("pages"), &json!("site")));
    }
    let (_, meta) = resource(DEPLOYMENT, &[]);
    assert_eq!(meta["message"], "The deployment to github-pages has started.");
    assert_eq!(meta["environment"], "github-pages");
    for state in ["inactive", "waiting", "new_word"] {
        assert_eq!(resources(DEPLOYMENT, &[("/deployment_status/state", json!(state))]), [], "{state}");
    }
    assert_eq!(resources(DEPLOYMENT, &[("/deployment/transient_environment", json!(true))]), []);
}

/// The channels and the kinds of all rows.
fn rows(rows: &[Value]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row["channel"].as_str().unwrap(), row["kind"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_redelivery_stores_neither_event_again() {
    let server = Server::start_with(&["--resources", MAPPING]).await;
    let payload = variant(RUN, &run("in_progress", Value::Null));
    let stored = server.deliver("workflow_run", &payload).await;
    let all = server.rows().await;
    let expected = [("devhub", "workflow_run"), ("resources", "workload_status_update")];
    assert_eq!(rows(&all), expected);
    assert_eq!((stored.status.as_u16(), &stored.body["id"]), (200, &all[0]["id"]));
    assert_eq!(all[1]["ts"], all[0]["ts"]);
    assert_eq!(all[1]["meta"]["workload_id"], "api");
    for _ in 0..2 {
        let again = server.deliver("workflow_run", &payload).await;
        assert_eq!((again.status.as_u16(), again.body), (200, json!({"ok": true, "duplicate": true})));
    }
    assert_eq!(server.rows().await, all);
    // A delivery that was stored before its repository had a workload gets its resource event.
    server.execute("DELETE FROM oasis_events WHERE channel = 'resources'").await;
    let again = server.deliver("workflow_run", &payload).await;
    assert_eq!(again.body, json!({"ok": true, "duplicate": true}));
    assert_eq!(rows(&server.rows().await), expected);
    server.stop().await;
}

/// The table refuses one of two resource events, so it stores nothing.
#[tokio::test]
async fn the_events_of_a_delivery_are_stored_together_or_not_at_all() {
    let server = Server::start_with(&["--resources", MAPPING]).await;
    let refuse = "CHECK (channel <> 'resources' OR meta ->> 'workload_id' <> 'worker')";
    server.execute(&format!("ALTER TABLE oasis_events ADD CONSTRAINT ours {refuse}")).await;
    let payload = variant(RUN, &[]);
    let refused = server.deliver("workflow_run", &payload).await;
    assert_eq!(refused.refusal(), (500, "internal"));
    assert_eq!(server.rows().await, [Value::Null; 0]);
    server.execute("ALTER TABLE oasis_events DROP CONSTRAINT ours").await;
    assert_eq!(server.deliver("workflow_run", &payload).await.status, 200);
    let resource = ("resources", "build_complete");
    assert_eq!(rows(&server.rows().await), [("devhub", "workflow_run"), resource, resource]);
    server.stop().await;
}
