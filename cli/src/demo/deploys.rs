//! Makes the audit log entries of the demo's deploys to Cloud Run. The entries are JSON in the same form as
//! the entries of a deploy with gcloud.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::task::{State, Step, Task};

/// The demo's project on Google Cloud.
pub(crate) const PROJECT: &str = "oasis-demo";
const REGION: &str = "europe-west1";

/// The log entry of a step, if the step has one.
pub(super) fn of(task: &Task, step: Step, now: Timestamp) -> Option<Value> {
    match step {
        Step::Deploy { attempt } => Some(deploy_request(task, attempt, now)),
        Step::DeployStatus { attempt, state: State::Ended(conclusion) } => {
            Some(deploy_result(task, attempt, conclusion == "success", now))
        }
        _ => None,
    }
}

fn labels(task: &Task) -> Value {
    let vtid = task.vtid.to_lowercase();
    let layer = vtid.split('-').nth(1);
    json!({ "vtid": vtid, "vt_layer": layer, "vt_module": task.repository.name })
}

fn annotations(task: &Task, attempt: u32) -> Value {
    json!({ "run.googleapis.com/operation-id": format!("{}-{attempt}", task.id) })
}

fn image(task: &Task) -> String {
    format!("{REGION}-docker.pkg.dev/{PROJECT}/app/{}:{:.12}", task.repository.name, task.merge_sha)
}

fn entry(task: &Task, log: &str, id: &str, revision: &str, now: Timestamp, payload: Value) -> Value {
    json!({
        "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2F{log}"),
        "timestamp": now.to_string(),
        "insertId": id,
        "resource": { "type": "cloud_run_revision", "labels": {
            "project_id": PROJECT, "location": REGION, "service_name": task.repository.name,
            "revision_name": revision,
        } },
        "protoPayload": payload,
    })
}

fn deploy_request(task: &Task, attempt: u32, now: Timestamp) -> Value {
    let service = task.repository.name;
    let payload = json!({
        "serviceName": "run.googleapis.com",
        "methodName": "google.cloud.run.v1.Services.ReplaceService",
        "resourceName": format!("namespaces/{PROJECT}/services/{service}"),
        "authenticationInfo": { "principalEmail": format!("deployer@{PROJECT}.iam.gserviceaccount.com") },
        "request": { "service": {
            "kind": "Service",
            "metadata": { "name": service, "namespace": PROJECT, "labels": labels(task) },
            "spec": {
                "template": { "spec": { "containers": [{ "image": image(task) }] } },
                "traffic": [{ "percent": 100, "latestRevision": true }],
            },
        } },
        "response": { "metadata": { "name": service, "annotations": annotations(task, attempt) } },
    });
    entry(task, "activity", &format!("{}-{attempt}-asked", task.id), "", now, payload)
}

fn deploy_result(task: &Task, attempt: u32, ready: bool, now: Timestamp) -> Value {
    let service = task.repository.name;
    let revision = format!("{service}-{:05}-{:.6}", task.number * 10 + u64::from(attempt), task.merge_sha);
    let (code, status) = if ready { (0, "True") } else { (9, "False") };
    let mut condition = json!({ "type": "Ready", "status": status });
    if !ready {
        condition["reason"] = "HealthCheckContainerError".into();
        condition["message"] = "The container failed to start and listen on the port defined by PORT".into();
    }
    let payload = json!({
        "serviceName": "run.googleapis.com",
        "methodName": "/Services.ReplaceService",
        "resourceName": format!("namespaces/{PROJECT}/revisions/{revision}"),
        "status": {
            "code": code,
            "message": format!("Ready condition status changed to {status} for Revision {revision}."),
        },
        "response": {
            "kind": "Revision",
            "metadata": {
                "name": revision, "namespace": PROJECT, "labels": labels(task),
                "annotations": annotations(task, attempt),
            },
            "spec": { "containers": [{ "image": image(task) }] },
            "status": { "conditions": [condition] },
        },
    });
    entry(task, "system_event", &format!("{}-{attempt}-ended", task.id), &revision, now, payload)
}
