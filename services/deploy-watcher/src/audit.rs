//! Reads an entry of Cloud Run's audit logs: an entry in, an OASIS event out. Pure.
//!
//! - `activity`: somebody asked for a deploy, which is `in_progress`, or a `failure` when it was refused at
//!   once
//! - `system_event`: what came of it, told by the Ready condition of a Revision or of its Service

use oasis_core::{
    Channel, DedupKey, Event, Kind, Layer, Link, Meta, Module, NewEvent, Source, Status, Task, Ts, Vtid,
};
use serde_json::Value;

use crate::logs::{Entry, EntryId};
use crate::traffic::{self, Traffic};

/// An entry that is not what Cloud Run writes; says what is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(&'static str);

/// Reads an entry; `None` when it tells of nothing that the feed shows.
///
/// # Errors
/// When it lacks what makes it the entry that its log says it is.
pub fn read(id: &EntryId, entry: &Entry) -> Result<Option<NewEvent>, Unreadable> {
    let deploy = if id.log_name.ends_with("%2Factivity") {
        asked(id, entry)?
    } else if id.log_name.ends_with("%2Fsystem_event") {
        came_of_it(id, entry)?
    } else {
        return Err(Unreadable("neither the activity log nor the system_event log"));
    };
    Ok(deploy.map(|deploy| deploy.into_event(id, entry)))
}

/// What an entry says of a deploy.
struct Deploy<'a> {
    place: Place<'a>,
    /// What the request and all that came of it have in common.
    operation: Option<&'a str>,
    revision: Option<&'a str>,
    /// Which revisions share the traffic, if it is not one alone.
    traffic: Option<String>,
    status: Status,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    /// What makes two entries the same event; the project, region and service are put before it.
    key: String,
}

/// Where it was.
struct Place<'a> {
    project: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Place<'a> {
    fn of(id: &'a EntryId, entry: &'a Entry) -> Result<Self, Unreadable> {
        let label = |name: &str| entry.resource.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let project = label("project_id").or_else(|| after(&id.log_name, "projects/"));
        let region = label("location").or_else(|| after(&entry.resource_name, "/locations/"));
        let service = label("service_name")
            .or_else(|| after(&entry.resource_name, "/services/"))
            .or_else(|| text(&entry.response, &["metadata", "labels", "serving.knative.dev/service"]));
        Ok(Self {
            project: project.ok_or(Unreadable("no project"))?,
            region: region.ok_or(Unreadable("no region"))?,
            service: service.ok_or(Unreadable("no service"))?,
        })
    }
}

/// Somebody asked for a deploy. The entries of one long-running operation are one event, unless it ends
/// refused.
fn asked<'a>(id: &'a EntryId, entry: &'a Entry) -> Result<Option<Deploy<'a>>, Unreadable> {
    let verb = entry
        .method
        .strip_prefix("google.cloud.run.v1.Services.")
        .or_else(|| entry.method.strip_prefix("google.cloud.run.v2.Services."));
    if !matches!(verb, Some("CreateService" | "ReplaceService" | "UpdateService"))
        || is_rehearsal(&entry.request)
    {
        return Ok(None);
    }
    let operation = entry.operation.rsplit('/').next().and_then(filled).or(operation(&entry.response));
    let refused = entry.code != 0;
    let said = if refused { "refused" } else { "asked" };
    Ok(Some(Deploy {
        place: Place::of(id, entry)?,
        operation,
        revision: revision_asked_for(&entry.request),
        traffic: None,
        status: if refused { Status::Failure } else { Status::InProgress },
        reason: refused.then(|| code_name(entry.code)),
        message: filled(&entry.message).filter(|_| refused),
        key: format!("{said}:{}", operation.unwrap_or(&id.insert_id)),
    }))
}

/// A request that only asks what would happen.
fn is_rehearsal(request: &Value) -> bool {
    request["validateOnly"] == Value::Bool(true) || text(request, &["dryRun"]).is_some()
}

/// The name that the caller chose for the revision, if any.
fn revision_asked_for(request: &Value) -> Option<&str> {
    text(request, &["service", "spec", "template", "metadata", "name"])
        .or_else(|| text(request, &["service", "template", "revision"]))
}

/// What came of a deploy. A revision's success is told two or three times, and by its service as well: all of
/// these are one event, that of the operation that made the revision. One that only sends traffic elsewhere
/// makes none, and the service alone tells of it.
fn came_of_it<'a>(id: &'a EntryId, entry: &'a Entry) -> Result<Option<Deploy<'a>>, Unreadable> {
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
        // It is not known yet.
        Some("Unknown") => return Ok(None),
        _ => return Err(Unreadable("the Ready condition is none of True, False and Unknown")),
    };
    let place = Place::of(id, entry)?;
    let served = if kind == "Service" { traffic::of(response) } else { Traffic::default() };
    let latest = text(response, &["status", "latestCreatedRevisionName"]);
    let generation = response["metadata"]["generation"].as_f64();
    // Traffic that goes elsewhere than to the revision that this very change made.
    let sent = served.most.filter(|most| {
        status == Status::Success
            && Some(*most) != latest
            && !generation.zip(latest).is_some_and(|(generation, latest)| is_of(latest, generation))
    });
    let revision = match kind {
        "Revision" => text(response, &["metadata", "name"]),
        _ => sent.or(latest),
    };
    let operation = operation(response);
    let said = if status == Status::Success { "ready" } else { "failed" };
    let key = match (operation, sent, generation, revision) {
        (Some(operation), ..) => format!("{said}:{operation}"),
        // Older entries name no operation.
        (None, Some(_), Some(generation), _) => format!("{said}:generation {generation}"),
        (None, Some(_), None, _) => format!("{said}:{}", id.insert_id),
        (None, None, _, Some(revision)) => format!("{said}:{revision}"),
        (None, None, _, None) => return Err(Unreadable("the response names no revision")),
    };
    Ok(Some(Deploy {
        place,
        operation,
        revision,
        traffic: served.split,
        status,
        reason: text(ready, &["reason"]),
        message: text(ready, &["message"])
            .or_else(|| filled(&entry.message))
            .filter(|_| status == Status::Failure),
        key,
    }))
}

/// The id of the last operation on a service, and of the one that made a revision.
fn operation(object: &Value) -> Option<&str> {
    text(object, &["metadata", "annotations", "run.googleapis.com/operation-id"])
}

/// Whether this generation of the service made the revision, by the name that Cloud Run gives:
/// `gateway-00042-abc`.
fn is_of(revision: &str, generation: f64) -> bool {
    revision.contains(&format!("-{generation:05}-"))
}

impl Deploy<'_> {
    fn into_event(self, id: &EntryId, entry: &Entry) -> NewEvent {
        let Self { place, operation, revision, traffic, status, reason, message, key } = self;
        let Place { project, region, service } = place;
        let label = |name: &str| label(entry, name);
        // Labels are in small letters, which Cloud Run demands.
        let vtid = label("vtid").and_then(|vtid| Vtid::parse(&vtid.to_ascii_uppercase()).ok());
        let layer_hint = label("vt_layer").and_then(|layer| Layer::parse(&layer.to_ascii_uppercase()).ok());
        let event = Event {
            ts: Ts::clamped(id.timestamp),
            task: Task::from(vtid),
            layer_hint,
            module: Module::from_name(label("vt_module").unwrap_or(service)),
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
            .with("principal", filled(&entry.principal))
            .with("method", filled(&entry.method))
            .with("reason", reason)
            .with("message", message);
        let key = format!("{project}:{region}:{service}:{key}");
        // Names of Google's are short and printable; others could be neither.
        let dedup_key = DedupKey::new("gcp", &key).or_else(|_| {
            DedupKey::of_digest(
                "gcp",
                "",
                ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref(),
            )
        });
        NewEvent { event, channel: Channel::devhub(), meta, dedup_key: dedup_key.ok() }
    }
}

/// Where labels stand, what was asked for before what came of it, a service's before its template's; v1 and
/// v2.
const LABELS: [&[&str]; 8] = [
    &["request", "service", "metadata", "labels"],
    &["request", "service", "labels"],
    &["request", "service", "spec", "template", "metadata", "labels"],
    &["request", "service", "template", "labels"],
    &["response", "metadata", "labels"],
    &["response", "labels"],
    &["response", "spec", "template", "metadata", "labels"],
    &["response", "template", "labels"],
];

/// The label's value at the first place that has it.
fn label<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    LABELS.iter().find_map(|place| {
        let (side, path) = place.split_first()?;
        let side = if *side == "request" { &entry.request } else { &entry.response };
        text(at(side, path), &[name])
    })
}

/// What runs: the image of the first container.
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

/// The value at the end of `path`, or null.
fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| &value[*name])
}

/// The text at the end of `path`, unless it is empty.
fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).as_str().and_then(filled)
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The segment of a resource's name behind `marker`.
fn after<'a>(name: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = name.split_once(marker)?;
    rest.split('/').next().and_then(filled)
}

/// The name of a code of google.rpc.
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
