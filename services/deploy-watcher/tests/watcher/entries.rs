//! Builds entries of Cloud Run's audit logs, in the format of `gcloud logging read --format=json`.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "acme-prod";
pub(crate) const REGION: &str = "europe-west1";
/// The container image of v1 requests and of reports.
const IMAGE: &str = "europe-docker.pkg.dev/acme-prod/app/gateway:1.2.3";

/// The time `seconds` after a fixed moment, which is 15 minutes before the tests started.
pub(crate) fn at(seconds: i64) -> Timestamp {
    static ZERO: LazyLock<Timestamp> = LazyLock::new(|| Timestamp::now() - SignedDuration::from_mins(15));
    Timestamp::from_second(ZERO.as_second() + seconds).unwrap()
}

/// Builds the entries of one deploy of a service.
#[derive(Debug, Clone)]
pub(crate) struct Deploy {
    pub(crate) service: &'static str,
    pub(crate) revision: String,
    /// The labels of the service.
    pub(crate) labels: Value,
    /// The labels of the revision. `None` if they are those of the service.
    revision_labels: Option<Value>,
    /// The id of the operation that makes the revision. `None` for older entries, which do not name an
    /// operation.
    operation: Option<String>,
}

impl Deploy {
    pub(crate) fn new(service: &'static str, revision: u32) -> Self {
        let labels = json!({ "vtid": "dev-cicdl-0031", "vt_layer": "cicdl", "vt_module": "api-gateway" });
        let operation = Some(format!("{service}-{revision}-operation"));
        let revision = format!("{service}-{revision:05}-abc");
        Self { service, revision, labels, revision_labels: None, operation }
    }

    /// The same deploy with older entries, which do not name an operation.
    pub(crate) fn without_operation(mut self) -> Self {
        self.operation = None;
        self
    }

    /// The same deploy with a revision name that the caller chose.
    pub(crate) fn named(mut self, suffix: &str) -> Self {
        self.revision = format!("{}-{suffix}", self.service);
        self
    }

    fn annotations(operation: Option<&str>) -> Value {
        let mut annotations = json!({ "run.googleapis.com/client-name": "gcloud" });
        if let Some(operation) = operation {
            annotations["run.googleapis.com/operation-id"] = operation.into();
        }
        annotations
    }

    pub(crate) fn labels(mut self, labels: Value) -> Self {
        self.labels = labels;
        self
    }

    /// The same deploy with other labels on the revision than on the service.
    pub(crate) fn revision_labels(mut self, labels: Value) -> Self {
        self.revision_labels = Some(labels);
        self
    }

    /// The id of the operation. Empty for older entries.
    pub(crate) fn operation(&self) -> &str {
        self.operation.as_deref().unwrap_or_default()
    }

    /// Removes the field of the audit record from the entry.
    pub(crate) fn without(mut entry: Value, field: &str) -> Value {
        entry["protoPayload"][field] = Value::Null;
        entry
    }

    fn entry(&self, log: &str, at: Timestamp, id: &str, revision: &str, payload: Value) -> Value {
        json!({
            "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2F{log}"),
            "timestamp": at.to_string(),
            "insertId": id,
            "resource": { "type": "cloud_run_revision", "labels": {
                "project_id": PROJECT, "location": REGION, "service_name": self.service,
                "revision_name": revision, "configuration_name": self.service,
            } },
            "protoPayload": payload,
        })
    }

    /// A request for the deploy, as gcloud makes it.
    pub(crate) fn request_v1(&self, at: Timestamp, id: &str) -> Value {
        let Self { service, labels, .. } = self;
        self.entry("activity", at, id, "", json!({
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": "google.cloud.run.v1.Services.ReplaceService",
            "resourceName": format!("namespaces/{PROJECT}/services/{service}"),
            "authenticationInfo": { "principalEmail": "ci@acme-prod.iam.gserviceaccount.com" },
            "request": {
                "@type": "type.googleapis.com/google.cloud.run.v1.ReplaceServiceRequest",
                "name": format!("namespaces/{PROJECT}/services/{service}"),
                "service": {
                    "apiVersion": "serving.knative.dev/v1", "kind": "Service",
                    "metadata": { "name": service, "namespace": PROJECT, "labels": labels, "generation": 7 },
                    "spec": {
                        "template": {
                            "metadata": {
                                "labels": { "vtid": "dev-other-0001", "client.knative.dev/nonce": "abc" },
                            },
                            "spec": { "containers": [{ "image": IMAGE }] },
                        },
                        "traffic": [{ "percent": 100, "latestRevision": true }],
                    },
                },
            },
            "response": { "metadata": {
                "name": service, "annotations": Self::annotations(self.operation.as_deref()),
            } },
        }))
    }

    /// A request as Terraform, the console and the client libraries make it. The request starts a
    /// long-running operation, which has a first entry and a last entry.
    pub(crate) fn request_v2(&self, at: Timestamp, id: &str, operation: &str, first: bool) -> Value {
        let Self { service, labels, .. } = self;
        let name = format!("projects/{PROJECT}/locations/{REGION}/services/{service}");
        let mut entry = self.entry(
            "activity",
            at,
            id,
            "",
            json!({
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                "serviceName": "run.googleapis.com",
                "methodName": "google.cloud.run.v2.Services.UpdateService",
                "resourceName": name,
                "authenticationInfo": { "principalEmail": "jo@acme.example" },
                "request": {
                    "@type": "type.googleapis.com/google.cloud.run.v2.UpdateServiceRequest",
                    "service": {
                        "name": name, "labels": labels,
                        "template": {
                            "labels": { "vtid": "dev-other-0001" },
                            "containers": [{ "image": "gcr.io/acme/app@sha256:00" }],
                        },
                    },
                },
            }),
        );
        entry["operation"] = json!({
            "id": format!("projects/{PROJECT}/locations/{REGION}/operations/{operation}"),
            "producer": "run.googleapis.com", "first": first, "last": !first,
        });
        entry
    }

    /// Turns the entry of a request into the entry of a request that was refused.
    pub(crate) fn refused(mut entry: Value) -> Value {
        entry["severity"] = "ERROR".into();
        entry["protoPayload"]["status"] =
            json!({ "code": 7, "message": "Permission 'run.services.update' denied" });
        if let Some(payload) = entry["protoPayload"].as_object_mut() {
            payload.remove("response");
        }
        entry
    }

    /// A report of the Ready condition of a Revision or a Service. The fields of `more` are merged into the
    /// reported object.
    fn report(
        &self,
        kind: &str,
        at: Timestamp,
        id: &str,
        ready: &str,
        metadata: Value,
        more: Value,
    ) -> Value {
        let (code, status) = if ready == "False" { (9, "False") } else { (0, ready) };
        let name = if kind == "Revision" { &self.revision } else { &self.service.to_owned() };
        let (reason, message) = match ready {
            "False" => {
                (json!("HealthCheckContainerError"), json!("The user-provided container failed to start"))
            }
            _ => (Value::Null, Value::Null),
        };
        let mut response = json!({
            "apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": metadata,
            "status": { "conditions": [
                { "type": "Active", "status": "True" },
                { "type": "Ready", "status": ready, "reason": reason, "message": message },
            ] },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            match response[field].as_object_mut() {
                Some(fields) => fields.extend(value.as_object().cloned().unwrap_or_default()),
                None => response[field] = value.clone(),
            }
        }
        let plural = if kind == "Revision" { "revisions" } else { "services" };
        self.entry(
            "system_event",
            at,
            id,
            &self.revision,
            json!({
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                "serviceName": "run.googleapis.com",
                "methodName": "/Services.ReplaceService",
                "resourceName": format!("namespaces/{PROJECT}/{plural}/{name}"),
                "status": {
                    "code": code,
                    "message": format!("Ready condition status changed to {status} for {kind} {name}."),
                },
                "response": response,
            }),
        )
    }

    /// A report of the revision's Ready condition.
    pub(crate) fn revision(&self, at: Timestamp, id: &str, ready: &str) -> Value {
        let mut labels = self.revision_labels.as_ref().unwrap_or(&self.labels).clone();
        labels["serving.knative.dev/service"] = self.service.into();
        let metadata = json!({
            "name": self.revision, "namespace": PROJECT, "labels": labels,
            "annotations": Self::annotations(self.operation.as_deref()),
        });
        let image = json!({ "containers": [{ "image": IMAGE }] });
        self.report("Revision", at, id, ready, metadata, json!({ "spec": image }))
    }

    /// A report of the service's Ready condition, with all traffic on the latest revision.
    pub(crate) fn service(&self, at: Timestamp, id: &str, ready: &str) -> Value {
        self.service_with(at, id, ready, json!([{ "percent": 100, "latestRevision": true }]))
    }

    /// A report of the service's Ready condition, with the given traffic.
    pub(crate) fn service_with(&self, at: Timestamp, id: &str, ready: &str, traffic: Value) -> Value {
        let number = self.revision.rsplit('-').nth(1).and_then(|number| number.parse().ok());
        self.service_at(at, id, ready, number.unwrap_or(7), self.operation.as_deref(), traffic)
    }

    /// A report of the service after a later change, which only moves traffic.
    pub(crate) fn routed(
        &self,
        at: Timestamp,
        id: &str,
        ready: &str,
        generation: u32,
        traffic: Value,
    ) -> Value {
        let operation = self.operation.as_ref().map(|_| format!("traffic-{generation}"));
        self.service_at(at, id, ready, generation, operation.as_deref(), traffic)
    }

    fn service_at(
        &self,
        at: Timestamp,
        id: &str,
        ready: &str,
        generation: u32,
        operation: Option<&str>,
        traffic: Value,
    ) -> Value {
        let metadata = json!({
            "name": self.service, "namespace": PROJECT, "labels": self.labels, "generation": generation,
            "annotations": Self::annotations(operation),
        });
        let more = json!({
            "spec": { "traffic": traffic },
            "status": {
                "latestCreatedRevisionName": self.revision,
                "latestReadyRevisionName": self.revision,
            },
        });
        self.report("Service", at, id, ready, metadata, more)
    }
}
