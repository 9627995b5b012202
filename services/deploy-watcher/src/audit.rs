//! Reads an entry of Cloud Run's audit logs, without I/O. The watcher reads two logs:
//!
//! - `activity`: a request for a deploy. The event is `in_progress`, or `failure` if the request was refused.
//! - `system_event`: the outcome of a deploy, from the Ready condition of a Revision or of its Service.

use oasis_core::bridge::Mapping;
use oasis_core::{Channel, Event, Kind, Link, Meta, Module, NewEvent, Source, Status, Task, Ts};
use serde_json::Value;

use crate::fields::{at, non_empty, segment_after, text};
use crate::labels::{LabelSource, Labels};
use crate::logs::{Entry, EntryId, Listed};
use crate::report::{Operation, Report, Step, attributed};
use crate::resources::with_resources;
use crate::traffic::{self, Traffic};

/// The entry does not have the form that Cloud Run writes. The text describes the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(&'static str);

/// Reads an entry. Returns `None` if the entry reports something that the feed does not show.
///
/// # Errors
/// When the entry lacks a part that Cloud Run always writes.
pub(crate) fn read(id: &EntryId, entry: &Entry) -> Result<Option<Report>, Unreadable> {
    let deploy = if id.log_name.ends_with("%2Factivity") {
        read_request(id, entry)?
    } else if id.log_name.ends_with("%2Fsystem_event") {
        read_outcome(id, entry)?
    } else {
        return Err(Unreadable("the log is neither activity nor system_event"));
    };
    Ok(deploy.map(|deploy| deploy.into_report(id, entry)))
}

/// Reads an entry without any other entry and without the table: the event of the entry, with the task, the
/// layer and the module of the entry's own labels, and its resource events. The result is empty if the entry
/// becomes no event.
///
/// # Errors
/// When the entry lacks a part that Cloud Run always writes. The text describes the problem.
pub fn events_of(listed: &Listed, resources: &Mapping) -> Result<Vec<NewEvent>, String> {
    let entry = listed.entry.as_ref().map_err(Clone::clone)?;
    let report = read(&listed.id, entry).map_err(|error| error.to_string())?;
    let Some(Report { step: Some((_, new)), labels, service, .. }) = report else { return Ok(Vec::new()) };
    Ok(with_resources(attributed(new, labels.attribution(&service)), resources))
}

/// A request for a deploy or the outcome of a deploy, as one entry reports it.
struct Deploy<'a> {
    place: Place<'a>,
    /// The id of the operation. The entries of the request and of the outcome have the same id.
    operation: Option<&'a str>,
    revision: Option<&'a str>,
    /// The revisions and their shares of the traffic, if several revisions get traffic.
    traffic: Option<String>,
    status: Status,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    /// The step of the operation. `None` if the entry only repeats that the operation succeeded.
    step: Option<Step>,
    /// Identifies the operation among all operations of the service.
    name: String,
    labels: LabelSource,
}

/// The service, with its project and region.
struct Place<'a> {
    project: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Place<'a> {
    fn of(id: &'a EntryId, entry: &'a Entry) -> Result<Self, Unreadable> {
        let label = |name: &str| entry.resource.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let project = label("project_id").or_else(|| segment_after(&id.log_name, "projects/"));
        let region = label("location").or_else(|| segment_after(&entry.resource_name, "/locations/"));
        let service = label("service_name")
            .or_else(|| segment_after(&entry.resource_name, "/services/"))
            .or_else(|| text(&entry.response, &["metadata", "labels", "serving.knative.dev/service"]));
        Ok(Self {
            project: project.ok_or(Unreadable("the entry names no project"))?,
            region: region.ok_or(Unreadable("the entry names no region"))?,
            service: service.ok_or(Unreadable("the entry names no service"))?,
        })
    }
}

/// Reads a request for a deploy. A long-running operation has two entries. The first entry is the request.
/// The last entry has the result. A failure in the last entry becomes the outcome of the operation. A success
/// in the last entry becomes no event, because the revision and the service report it in more detail.
fn read_request<'a>(id: &'a EntryId, entry: &'a Entry) -> Result<Option<Deploy<'a>>, Unreadable> {
    let verb = entry
        .method
        .strip_prefix("google.cloud.run.v1.Services.")
        .or_else(|| entry.method.strip_prefix("google.cloud.run.v2.Services."));
    if !matches!(verb, Some("CreateService" | "ReplaceService" | "UpdateService"))
        || is_dry_run(&entry.request)
    {
        return Ok(None);
    }
    let operation = entry.operation.rsplit('/').next().and_then(non_empty).or(operation(&entry.response));
    let refused = entry.code != 0;
    let step = match (refused, entry.is_result, operation) {
        (false, false, _) => Some(Step::Requested),
        (false, true, _) => None,
        (true, _, None) => Some(Step::Refused),
        (true, _, Some(_)) => Some(Step::Failed),
    };
    // The entry with the result may lack the request.
    let labels = if !entry.is_result || entry.request["service"].is_object() {
        LabelSource::Request
    } else if entry.response.is_object() {
        LabelSource::Service
    } else {
        LabelSource::Nothing
    };
    Ok(Some(Deploy {
        place: Place::of(id, entry)?,
        operation,
        revision: requested_revision(&entry.request),
        traffic: None,
        status: if refused { Status::Failure } else { Status::InProgress },
        reason: refused.then(|| code_name(entry.code)),
        message: non_empty(&entry.message).filter(|_| refused),
        step,
        name: operation.unwrap_or(&id.insert_id).to_owned(),
        labels,
    }))
}

/// Whether the request only validates a deploy.
fn is_dry_run(request: &Value) -> bool {
    request["validateOnly"] == Value::Bool(true) || text(request, &["dryRun"]).is_some()
}

/// Whether the request changes only some fields of the service, and not its labels.
fn is_partial(request: &Value) -> bool {
    let mask = text(request, &["updateMask"]);
    mask.is_some_and(|mask| mask.split(',').all(|field| !matches!(field.trim(), "*" | "labels")))
}

/// The name of the new revision, if the caller chose one.
fn requested_revision(request: &Value) -> Option<&str> {
    text(request, &["service", "spec", "template", "metadata", "name"])
        .or_else(|| text(request, &["service", "template", "revision"]))
}

/// Reads the outcome of a deploy. Cloud Run reports the success of a revision two or three times, and the
/// success of the service as well. All of these reports name the operation that made the revision, so the
/// reports produce one event. A change that only moves traffic makes no revision, so Cloud Run reports only
/// the success of the service.
fn read_outcome<'a>(id: &'a EntryId, entry: &'a Entry) -> Result<Option<Deploy<'a>>, Unreadable> {
    let response = &entry.response;
    let kind = text(response, &["kind"]).ok_or(Unreadable("the response has no kind"))?;
    if !matches!(kind, "Revision" | "Service") {
        return Ok(None);
    }
    let conditions = response["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let ready = ready.ok_or(Unreadable("the response has no Ready condition"))?;
    let status = match text(ready, &["status"]) {
        Some("True") => Status::Success,
        Some("False") => Status::Failure,
        // The outcome is not known yet.
        Some("Unknown") => return Ok(None),
        _ => return Err(Unreadable("the Ready condition is not True, False or Unknown")),
    };
    let place = Place::of(id, entry)?;
    let traffic = if kind == "Service" { traffic::of(response) } else { Traffic::default() };
    let latest = text(response, &["status", "latestCreatedRevisionName"]);
    let generation = response["metadata"]["generation"].as_f64();
    // Set if the change succeeded, made no revision, and moved the traffic to an older revision. Otherwise
    // the entry reports the outcome of the latest revision, even if this revision gets no traffic.
    let moved_to = traffic.largest.filter(|largest| {
        status == Status::Success
            && Some(*largest) != latest
            && !generation.zip(latest).is_some_and(|(generation, latest)| was_made_by(latest, generation))
    });
    let revision = match kind {
        "Revision" => text(response, &["metadata", "name"]),
        _ => moved_to.or(latest),
    };
    let operation = operation(response);
    let name = match (operation, moved_to, generation, revision) {
        (Some(operation), ..) => operation.to_owned(),
        // Older entries name no operation.
        (None, Some(_), Some(generation), _) => format!("generation {generation}"),
        (None, Some(_), None, _) => id.insert_id.clone(),
        (None, None, _, Some(revision)) => revision.to_owned(),
        (None, None, _, None) => return Err(Unreadable("the response names no revision")),
    };
    Ok(Some(Deploy {
        place,
        operation,
        revision,
        traffic: traffic.split,
        status,
        reason: text(ready, &["reason"]),
        message: text(ready, &["message"])
            .or_else(|| non_empty(&entry.message))
            .filter(|_| status == Status::Failure),
        step: Some(if status == Status::Success { Step::Ready } else { Step::Failed }),
        name,
        labels: if kind == "Service" { LabelSource::Service } else { LabelSource::Revision },
    }))
}

/// The operation id in an object's annotations. In a Service, the id names the last operation on the Service.
/// In a Revision, the id names the operation that made the Revision.
fn operation(object: &Value) -> Option<&str> {
    text(object, &["metadata", "annotations", "run.googleapis.com/operation-id"])
}

/// Whether this generation of the service made the revision. The names that Cloud Run gives to revisions
/// contain the generation: `gateway-00042-abc`.
fn was_made_by(revision: &str, generation: f64) -> bool {
    revision.contains(&format!("-{generation:05}-"))
}

impl Deploy<'_> {
    fn into_report(self, id: &EntryId, entry: &Entry) -> Report {
        let Self { place, operation, revision, traffic, status, reason, message, step, name, labels } = self;
        let Place { project, region, service } = place;
        let event = Event {
            ts: Ts::clamped(id.timestamp),
            // The task, the layer and the module depend on all entries of the operation.
            task: Task::Unset,
            layer_hint: None,
            module: Module::core(),
            source: Source::GcpDeploy,
            kind: Kind::from_name("deploy"),
            status,
            link: Link::parse(&format!(
                "https://console.cloud.google.com/run/detail/{region}/{service}/revisions?project={project}"
            ))
            .ok(),
        };
        let meta = Meta::default()
            .with("project", Some(project))
            .with("region", Some(region))
            .with("service", Some(service))
            .with("operation", operation)
            .with("revision", revision)
            .with("traffic", traffic.as_deref())
            .with("image", image(entry))
            .with("principal", non_empty(&entry.principal))
            .with("method", non_empty(&entry.method))
            .with("reason", reason)
            .with("message", message);
        let (has_operation_id, labels) = (operation.is_some(), Labels::of(entry, labels));
        let operation = Operation { place: format!("{project}:{region}:{service}"), name };
        let step = step.map(|step| {
            let dedup_key = operation.key(step);
            (step, NewEvent { event, channel: Channel::devhub(), meta, dedup_key })
        });
        Report {
            operation,
            has_operation_id,
            at: id.timestamp,
            keeps_labels: labels.is_empty() && is_partial(&entry.request),
            labels,
            service: service.to_owned(),
            step,
        }
    }
}

/// The image of the first container.
fn image(entry: &Entry) -> Option<&str> {
    [
        at(&entry.request, &["service", "spec", "template", "spec"]),
        at(&entry.request, &["service", "template"]),
        at(&entry.response, &["spec"]),
        at(&entry.response, &["spec", "template", "spec"]),
        at(&entry.response, &["template"]),
    ]
    .into_iter()
    .find_map(|spec| text(&spec["containers"][0], &["image"]))
}

/// The name of a `google.rpc.Code`. `UNKNOWN` for all codes that are not in this list.
fn code_name(code: i32) -> &'static str {
    match code {
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}
