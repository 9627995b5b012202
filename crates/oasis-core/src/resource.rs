//! Resource events: what happens to clusters, projects, workloads, add-ons and builds. Each event is a row of
//! the channel `resources`. Its `meta` is a flat object: every value is a text, a number, a boolean or null.

mod fields;
mod types;

use serde_json::{Map, Value};

use self::fields::{check_fields, field, time};
pub use self::types::{
    ClusterStatus, EVENT_TYPE, Place, ProjectStatus, RESOURCE_TYPE, RESOURCES, ResourceEventType, ResourceId,
    ResourceType, TIMESTAMP, WorkloadStatus,
};

use crate::channel::Channel;
use crate::event::{DedupKey, Event, NewEvent};
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::names::{Kind, Module};
use crate::sets::{Source, Status};
use crate::task::Task;
use crate::ts::Ts;

/// A resource event.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceEvent {
    ts: Ts,
    event_type: ResourceEventType,
    /// All fields except `event_type` and `timestamp`.
    fields: Map<String, Value>,
}

impl ResourceEvent {
    /// Reads an event from its flat object. `now` is the time of an event without `timestamp`. A member
    /// that is null counts as absent.
    ///
    /// # Errors
    /// When a field is missing, or has a wrong value. The message names the field.
    pub fn read(mut fields: Map<String, Value>, now: Ts) -> Result<Self, Invalid> {
        fields.retain(|_, value| !value.is_null());
        let event_type: ResourceEventType = match fields.remove(EVENT_TYPE) {
            Some(Value::String(text)) => text.parse().map_err(|why| field(EVENT_TYPE, why))?,
            Some(_) => return Err(field(EVENT_TYPE, "expected a text")),
            None => return Err(field(EVENT_TYPE, "it is missing")),
        };
        let ts = fields.remove(TIMESTAMP).map_or(Ok(now), |value| time(&value))?;
        check_fields(event_type, &fields)?;
        let resource_type = match fields.get(RESOURCE_TYPE) {
            None => None,
            Some(Value::String(text)) => {
                Some(text.parse::<ResourceType>().map_err(|why| field(RESOURCE_TYPE, why))?)
            }
            Some(_) => return Err(field(RESOURCE_TYPE, "expected a text")),
        };
        if let Some(of_event) = event_type.resource_type() {
            if resource_type.is_some_and(|stated| stated != of_event) {
                return Err(field(
                    RESOURCE_TYPE,
                    format!("an event of type {event_type} is about a {of_event}"),
                ));
            }
            fields.insert(RESOURCE_TYPE.to_owned(), of_event.as_str().into());
        }
        Ok(Self { ts, event_type, fields })
    }

    /// The id of the workload, project or cluster to which the event belongs.
    pub fn id(&self, place: Place) -> Option<&str> {
        self.fields.get(place.as_str())?.as_str()
    }

    /// Adds the id of a workload, project or cluster, unless the event has one.
    pub fn fill(&mut self, place: Place, id: &str) {
        self.fields.entry(place.as_str()).or_insert_with(|| id.into());
    }

    /// The row that stores this event. A field `vtid` sets its task, and a field `service` sets its module.
    ///
    /// # Errors
    /// When the event is too large, or has a NUL character.
    pub fn into_event(self, dedup_key: Option<DedupKey>) -> Result<NewEvent, Invalid> {
        let text = |name: &str| self.fields.get(name).and_then(Value::as_str);
        let task = text("vtid").and_then(|vtid| vtid.trim().parse().ok()).unwrap_or(Task::Unset);
        let module = text("service").and_then(|name| Module::parse(&name.to_ascii_uppercase()).ok());
        let event = Event {
            ts: self.ts,
            task,
            layer_hint: None,
            module: module.unwrap_or_else(Module::core),
            source: Source::OasisEvents,
            kind: Kind::stored(self.event_type.as_str()),
            status: self.outcome(),
            link: None,
        };
        let meta = Meta::new(self.fields)?;
        Ok(NewEvent { event, channel: Channel::stored(RESOURCES), meta, dedup_key })
    }

    /// The status of the row.
    fn outcome(&self) -> Status {
        match self.event_type {
            ResourceEventType::BuildComplete => Status::Success,
            ResourceEventType::BuildFailed | ResourceEventType::ErrorReport => Status::Failure,
            ResourceEventType::WorkloadStatusUpdate
            | ResourceEventType::AddonStatusUpdate
            | ResourceEventType::ProjectStatusUpdate
            | ResourceEventType::ClusterStatusUpdate => {
                match self.fields.get("status").and_then(Value::as_str) {
                    Some("Failed" | "Error") => Status::Failure,
                    Some("Running") => Status::InProgress,
                    _ => Status::Info,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<ResourceEvent, String> {
        let Value::Object(fields) = value else { panic!("{value} is not an object") };
        ResourceEvent::read(fields, "2026-01-02T03:04:05Z".parse().unwrap()).map_err(|why| why.to_string())
    }

    fn stored(value: Value) -> NewEvent {
        read(value).unwrap().into_event(None).unwrap()
    }

    fn workload(status: &str) -> Value {
        json!({"event_type": "workload_status_update", "workload_id": "api", "status": status})
    }

    #[test]
    fn an_event_becomes_a_row_of_the_channel_resources() {
        let event = stored(json!({
            "event_type": "workload_status_update", "timestamp": 1_767_323_045.5, "workload_id": "api",
            "status": "Failed", "vtid": "DEV-CICDL-0031", "service": "gateway", "replicas": 3, "extra": true,
            "message": null,
        }));
        assert_eq!(event.channel.as_str(), "resources");
        let Event { ts, task, module, kind, status, .. } = &event.event;
        assert_eq!(ts.to_string(), "2026-01-02T03:04:05.500Z");
        assert_eq!((task.as_str(), module.as_str()), ("DEV-CICDL-0031", "GATEWAY"));
        assert_eq!((kind.as_str(), *status), ("workload_status_update", Status::Failure));
        let meta = json!({
            "workload_id": "api", "status": "Failed", "vtid": "DEV-CICDL-0031", "service": "gateway",
            "replicas": 3, "extra": true, "resource_type": "workload",
        });
        assert_eq!(event.meta.as_map(), meta.as_object().unwrap());
        // Without a timestamp, the event happens now.
        assert_eq!(stored(workload("Running")).event.ts.to_string(), "2026-01-02T03:04:05.000Z");
    }

    #[test]
    fn the_status_of_the_row_follows_from_the_event() {
        let status = |value| stored(value).event.status;
        assert_eq!(status(workload("Running")), Status::InProgress);
        assert_eq!(status(workload("Degraded")), Status::Info);
        let project = json!({"event_type": "project_status_update", "project_id": "p", "status": "Error"});
        assert_eq!(status(project), Status::Failure);
        let cluster =
            json!({"event_type": "cluster_status_update", "cluster_id": "c", "status": "unhealthy"});
        assert_eq!(status(cluster), Status::Info);
        let build = json!({"event_type": "build_complete", "build_id": "1", "workload_id": "w"});
        assert_eq!(status(build), Status::Success);
        let failed = json!({"event_type": "build_failed", "build_id": "1", "workload_id": "w", "error": "x"});
        assert_eq!(status(failed), Status::Failure);
    }

    #[test]
    fn an_error_report_has_its_own_resource_type_or_none() {
        let report = json!({"event_type": "error_report", "error_type": "oom", "message": "m"});
        assert_eq!(stored(report.clone()).meta.as_map().get("resource_type"), None);
        let mut of_addon = report;
        of_addon["resource_type"] = "addon".into();
        assert_eq!(stored(of_addon).meta.as_map()["resource_type"], "addon");
    }

    #[test]
    fn ids_are_filled_only_where_they_are_missing() {
        let mut event = read(workload("Running")).unwrap();
        event.fill(Place::Project, "shop");
        event.fill(Place::Workload, "other");
        assert_eq!(event.id(Place::Project), Some("shop"));
        assert_eq!(event.id(Place::Workload), Some("api"));
        assert_eq!(event.id(Place::Cluster), None);
    }

    #[test]
    fn a_bad_event_is_refused_and_the_message_names_the_field() {
        let with = |name: &str, value: Value| {
            let mut event = workload("Running");
            event[name] = value;
            event
        };
        let build = json!({"event_type": "build_failed", "build_id": "1", "workload_id": "w"});
        for (event, begin) in [
            (json!({}), "`event_type`: it is missing"),
            (with("event_type", json!("workload.running")), "`event_type`: \"workload.running\" is not a"),
            (with("event_type", json!(7)), "`event_type`: expected a text"),
            (with("workload_id", Value::Null), "`workload_id`: an event of type workload_status_update must"),
            (with("workload_id", json!("a b")), "`workload_id`: \"a b\" is not the id of a resource"),
            (with("workload_id", json!(7)), "`workload_id`: expected a text"),
            (with("project_id", json!("..")), "`project_id`: \"..\" is not the id"),
            (
                with("status", json!("running")),
                "`status`: \"running\" is not a status: expected one of Pending,",
            ),
            (with("timestamp", json!(1_767_323_045_000_i64)), "`timestamp`: expected Unix seconds, but this"),
            (with("timestamp", json!("2026-01-02T03:04:05Z")), "`timestamp`: expected a number of Unix"),
            (with("timestamp", json!(-1e11)), "`timestamp`: this time is out of range"),
            (with("resources", json!({"cpu": 1})), "`resources`: an event is flat"),
            (with("tags", json!([1])), "`tags`: an event is flat"),
            (with("replicas", json!("3")), "`replicas`: expected a number"),
            (with("message", json!(3)), "`message`: expected a text"),
            (with("resource_type", json!("pod")), "`resource_type`: \"pod\" is not a type of resource"),
            (
                with("resource_type", json!("build")),
                "`resource_type`: an event of type workload_status_update is",
            ),
            (build, "`error`: an event of type build_failed must have it"),
        ] {
            let why = read(event.clone()).expect_err(&event.to_string());
            assert!(why.starts_with(begin), "{event}: {why}");
        }
        let large = with("message", json!("x".repeat(Meta::MAX_BYTES)));
        assert!(read(large).unwrap().into_event(None).is_err());
    }
}
