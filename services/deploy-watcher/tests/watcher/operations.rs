//! Tests that all events of an operation have the task, the layer and the module of its request, and that an
//! operation has one outcome.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::entries::{Deploy, PROJECT, at};
use crate::{Setup, watcher};

/// A deploy with Terraform. The service has labels, but the template and so the revision have none.
fn labels_on_service_only() -> Vec<Value> {
    let entries: Value = include_str!("labels_on_service_only.json").parse().unwrap();
    let with_time = |entry: &Value| {
        let mut entry = entry.clone();
        entry["timestamp"] = at(entry["at"].as_i64().unwrap()).to_string().into();
        entry.to_string().replace("acme-proj", PROJECT).parse().unwrap()
    };
    entries.as_array().unwrap().iter().map(with_time).collect()
}

/// Labels of another task than the labels of [`Deploy::new`].
fn old_labels() -> Value {
    json!({ "vtid": "dev-other-0001", "vt_layer": "other", "vt_module": "old" })
}

/// A moment in the last minute.
fn recent(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(30 - seconds)
}

impl Setup {
    /// Polls after a restart of the watcher.
    async fn poll_after_restart(&mut self) {
        self.watcher = watcher(&self.db.url, &self.logs, &[PROJECT]);
        self.poll().await;
    }

    /// Like [`Setup::events`], but with the layer instead of the revision.
    async fn layers(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', status, vtid, layer, module) FROM oasis_events ORDER BY id";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

const REQUESTED: &str = "in_progress DEV-CICDL-0031 CICDL API-GATEWAY";
const READY: &str = "success DEV-CICDL-0031 CICDL API-GATEWAY";
const FAILED: &str = "failure DEV-CICDL-0031 CICDL API-GATEWAY";

#[tokio::test]
async fn the_outcome_has_the_labels_of_the_request() {
    let expected = ["in_progress DEV-CICDL-0031 GATEWAY", "success DEV-CICDL-0031 GATEWAY gw-00008-abc"];
    let setup = Setup::new().await;
    setup.add(labels_on_service_only());
    assert_eq!(setup.poll().await.published, 2);
    assert_eq!(setup.events().await, expected);
    // The entries arrive one after the other, and the watcher restarts in between.
    let mut setup = Setup::new().await;
    for entry in labels_on_service_only() {
        setup.add([entry]);
        setup.poll_after_restart().await;
    }
    assert_eq!(setup.events().await, expected);
}

#[tokio::test]
async fn an_old_label_on_the_template_does_not_decide() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
    setup.add([deploy.request_v1(at(0), "a1")]);
    setup.poll().await;
    setup.add([deploy.revision(at(20), "s1", "True"), deploy.service(at(21), "s2", "True")]);
    setup.poll_after_restart().await;
    assert_eq!(setup.layers().await, [REQUESTED, READY]);
}

/// The layer can come from the label `vt_layer` of the request.
#[tokio::test]
async fn the_outcome_keeps_a_layer_that_its_task_does_not_name() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("web", 1).labels(json!({ "vtid": "vtid-0031", "vt_layer": "infra" }));
    let deploy = deploy.revision_labels(json!({}));
    setup.add([deploy.request_v1(at(0), "a1")]);
    setup.poll().await;
    setup.add([deploy.revision(at(20), "s1", "True")]);
    setup.poll_after_restart().await;
    assert_eq!(setup.layers().await, ["in_progress VTID-0031 INFRA WEB", "success VTID-0031 INFRA WEB"]);
}

/// The request is older than the first poll looks back.
#[tokio::test]
async fn without_a_request_the_labels_of_the_service_decide() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
    let other = Deploy::new("shop", 1).labels(json!({ "vt_module": "shop-api" }));
    let other = other.revision_labels(json!({ "vtid": "dev-cicdl-0032", "vt_module": "old" }));
    setup.add([
        deploy.revision(at(20), "s1", "True"),
        deploy.service(at(21), "s2", "True"),
        other.revision(at(30), "s3", "True"),
        other.service(at(31), "s4", "True"),
    ]);
    setup.poll().await;
    assert_eq!(setup.layers().await, [READY, "success DEV-CICDL-0032 CICDL SHOP-API"]);
}

/// The labels of a revision can be old, so a recent outcome waits for the request.
#[tokio::test]
async fn a_recent_outcome_waits_for_a_request_that_arrives_late() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
    setup.add([deploy.revision(recent(10), "s1", "True")]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.held), (1, 0, 1));
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.held), (0, 0, 1));
    setup.add([deploy.request_v1(recent(0), "a1")]);
    setup.poll_after_restart().await;
    assert_eq!(setup.layers().await, [REQUESTED, READY]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.held), (0, 0, 0));
}

/// The request can also arrive after the watcher has stored the outcome.
#[tokio::test]
async fn a_request_that_arrives_very_late_belongs_to_the_task_of_its_outcome() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
    setup.add([deploy.revision(at(20), "s1", "True")]);
    setup.poll().await;
    setup.add([deploy.request_v1(at(0), "a1"), deploy.service(at(21), "s2", "True")]);
    setup.poll().await;
    let task = "DEV-OTHER-0001 OTHER OLD";
    assert_eq!(setup.layers().await, [format!("success {task}"), format!("in_progress {task}")]);
}

/// A failed operation of v2 has an entry in the activity log, and reports of the revision and the service.
#[tokio::test]
async fn a_failed_operation_has_one_failure() {
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        for polls in [1, 3] {
            let mut setup = Setup::new().await;
            let deploy = Deploy::new("gateway", 42).revision_labels(json!({}));
            setup.add([deploy.request_v2(at(0), "a1", deploy.operation(), true)]);
            let result = Deploy::refused(deploy.request_v2(at(20), "a2", deploy.operation(), false));
            let entries = [
                Deploy::without(result, "request"),
                deploy.revision(at(21), "s1", "False"),
                deploy.service(at(22), "s2", "False"),
            ];
            for (nth, at) in order.into_iter().enumerate() {
                setup.add([entries[at].clone()]);
                if nth + 1 == 3 || polls == 3 {
                    setup.poll_after_restart().await;
                }
            }
            assert_eq!(setup.layers().await, [REQUESTED, FAILED], "{order:?} in {polls} polls");
        }
    }
}

#[tokio::test]
async fn a_recovery_after_a_failure_is_one_more_event() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
    setup.add([deploy.request_v1(at(0), "a1"), deploy.revision(at(20), "s1", "False")]);
    setup.poll().await;
    setup.add([deploy.service(at(21), "s2", "False"), deploy.revision(at(80), "s3", "True")]);
    setup.poll_after_restart().await;
    setup.add([deploy.service(at(81), "s4", "True")]);
    setup.poll().await;
    assert_eq!(setup.layers().await, [REQUESTED, FAILED, READY]);
}

/// A revision can be ready although its service can't move the traffic to it. The report of the revision can
/// also arrive late.
#[tokio::test]
async fn a_success_shortly_before_a_failure_is_not_the_outcome() {
    for polls in [1, 2] {
        let mut setup = Setup::new().await;
        let deploy = Deploy::new("gateway", 42);
        setup.add([deploy.request_v1(at(0), "a1"), deploy.service(at(21), "s2", "False")]);
        if polls == 2 {
            setup.poll().await;
        }
        setup.add([deploy.revision(at(20), "s1", "True")]);
        setup.poll_after_restart().await;
        setup.poll_after_restart().await;
        assert_eq!(setup.layers().await, [REQUESTED, FAILED], "in {polls} polls");
    }
}

#[tokio::test]
async fn a_failure_long_after_a_success_is_one_more_event() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.request_v1(at(0), "a1"),
        deploy.revision(at(20), "s1", "True"),
        deploy.revision(at(200), "s2", "False"),
    ]);
    setup.poll().await;
    assert_eq!(setup.layers().await, [REQUESTED, READY, FAILED]);
}

/// The last entry of a long-running operation repeats its success, which is neither a request nor an outcome.
#[tokio::test]
async fn the_result_of_a_successful_operation_is_not_a_request() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.revision(at(20), "s1", "True"),
        deploy.request_v2(at(21), "a2", deploy.operation(), false),
    ]);
    setup.poll().await;
    assert_eq!(setup.layers().await, [READY]);
    setup.add([deploy.request_v2(at(0), "a1", deploy.operation(), true)]);
    setup.poll().await;
    assert_eq!(setup.layers().await, [READY, REQUESTED]);
}

/// Cloud Run refused the request before it became an operation. The refusal is the only event.
#[tokio::test]
async fn a_refused_request_has_one_outcome_and_is_not_stored_again() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        Deploy::refused(deploy.request_v1(at(0), "a1")),
        Deploy::refused(deploy.request_v1(at(1), "a2")),
        deploy.request_v1(at(10), "a3"),
        deploy.revision(at(20), "s1", "True"),
    ]);
    assert_eq!(setup.poll().await.published, 4);
    assert_eq!(setup.layers().await, [FAILED, FAILED, REQUESTED, READY]);
    // The table now refuses every event, so the next poll counts each event that it appends as unread.
    setup.sql.batch_execute("ALTER TABLE oasis_events ADD CHECK (false) NOT VALID").await.unwrap();
    setup.watcher = watcher(&setup.db.url, &setup.logs, &[PROJECT]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.held, read.unread), (4, 0, 0, 0));
}

/// If a request or an outcome does not name its operation, the outcome belongs to the newest request.
#[tokio::test]
async fn an_outcome_is_matched_with_a_request_without_an_operation_id() {
    let labels = || json!({ "vtid": "dev-older-0001" });
    for polls in [1, 2] {
        let mut setup = Setup::new().await;
        let older = Deploy::new("gateway", 41).labels(labels());
        let deploy = Deploy::new("gateway", 42).revision_labels(old_labels());
        let silent = Deploy::new("shop", 1).without_operation().revision_labels(old_labels());
        setup.add([
            older.request_v1(at(0), "a0"),
            Deploy::without(older.request_v1(at(1), "a1"), "response"),
            Deploy::without(deploy.request_v1(at(10), "a2"), "response"),
            silent.request_v2(at(11), "a3", "op-1", true),
            // This request is newer than the outcome of the request before it.
            Deploy::without(older.request_v1(at(30), "a4"), "response"),
        ]);
        if polls == 2 {
            setup.poll().await;
        }
        setup.add([deploy.revision(at(20), "s1", "True"), silent.revision(at(21), "s2", "True")]);
        setup.poll_after_restart().await;
        let mut events = setup.layers().await;
        events.retain(|event| event.starts_with("success"));
        assert_eq!(events, [READY, READY], "in {polls} polls");
    }
}

/// A request with an update mask has only the fields that it changes. The service keeps its labels.
#[tokio::test]
async fn a_request_that_keeps_the_labels_has_the_task_of_the_request_before_it() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    let partial = |mask: &str, second: i64, operation: &str| {
        let mut entry = deploy.request_v2(at(second), &format!("a{second}"), operation, true);
        entry["protoPayload"]["request"] = json!({ "updateMask": mask, "service": {} });
        entry
    };
    setup.add([deploy.request_v2(at(0), "a0", "op-1", true)]);
    setup.poll().await;
    setup.add([partial("template.containers", 10, "gateway-42-operation"), partial("labels", 11, "op-3")]);
    setup.poll_after_restart().await;
    setup.add([deploy.revision(at(20), "s1", "True")]);
    setup.poll_after_restart().await;
    let unset = "in_progress UNSET UNSET GATEWAY";
    assert_eq!(setup.layers().await, [REQUESTED, REQUESTED, unset, READY]);
}

/// All labels that name a task are read in the same way. An invalid label is kept for the reader.
#[tokio::test]
async fn a_label_that_is_not_a_vtid_is_kept() {
    let mut setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).labels(json!({ "vtid": "soon" })).revision_labels(json!({}));
    let unset = Deploy::new("shop", 1).labels(json!({ "vtid": "unset" }));
    setup.add([deploy.request_v1(at(0), "a1"), unset.request_v1(at(1), "a2")]);
    setup.poll().await;
    setup.add([deploy.revision(at(20), "s1", "True")]);
    setup.poll_after_restart().await;
    let sql = "SELECT concat_ws(' ', vtid, meta->>'vtid_given') FROM oasis_events ORDER BY id";
    let rows: Vec<String> = setup.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["UNSET soon", "UNSET", "UNSET soon"]);
}
