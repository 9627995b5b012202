//! Turns the events of repositories and of Cloud Run services into resource events of the workloads to which
//! `RESOURCES` maps them.

mod mapping;

use serde_json::{Map, Value};

use crate::event::{DedupKey, NewEvent};
use crate::meta::{Meta, cut_text};
use crate::resource::{EVENT_TYPE, ResourceEvent, ResourceEventType, ResourceId, WorkloadStatus};
use crate::task::Task;

pub use mapping::{Mapping, Workload};

/// What happened to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The workload has this status.
    Status(WorkloadStatus),
    /// A build succeeded.
    BuildComplete {
        /// The id of the build.
        build: ResourceId,
        /// How long the build took, in seconds. `None` if this is unknown.
        seconds: Option<i64>,
    },
    /// A build failed.
    BuildFailed {
        /// The id of the build.
        build: ResourceId,
        /// Why the build failed.
        error: String,
    },
}

/// A change of a workload, with a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What happened.
    pub change: Change,
    /// What happened, in a short sentence.
    pub message: String,
    /// Another field, such as the name of the service.
    pub detail: Option<(&'static str, String)>,
}

impl Report {
    /// The resource events that `event` causes: one for each workload. They have the time, the task and the
    /// link of `event`. The dedup key of a resource event is a digest of the key of `event` and of the
    /// workload. It begins with `bridge:`, and not like the key of `event`, because deploy-watcher finds the
    /// requests of a service by the start of their keys.
    pub fn events<D: AsRef<[u8]>>(
        &self,
        event: &NewEvent,
        workloads: &[&Workload],
        digest: impl Fn(&[u8]) -> D,
    ) -> Vec<NewEvent> {
        let of_workload = |workload: &&Workload| {
            let mut fields = self.fields(event);
            fields.extend(workload.ids().map(|(place, id)| (place.as_str().to_owned(), id.as_str().into())));
            let dedup_key = event.dedup_key.as_ref().and_then(|key| {
                let text = format!("{}\n{workload}", key.as_str());
                DedupKey::of_digest("bridge", "", digest(text.as_bytes()).as_ref()).ok()
            });
            // The event is always valid, because its ids have been checked and its texts have been cut.
            ResourceEvent::read(fields, event.event.ts).ok()?.into_event(dedup_key).ok()
        };
        workloads.iter().filter_map(of_workload).collect()
    }

    /// All fields, except the ids of the workload.
    fn fields(&self, event: &NewEvent) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        let event_type = match &self.change {
            Change::Status(status) => {
                set("status", status.as_str().into());
                ResourceEventType::WorkloadStatusUpdate
            }
            Change::BuildComplete { build, seconds } => {
                set("build_id", build.as_str().into());
                set("build_duration", (*seconds).into());
                ResourceEventType::BuildComplete
            }
            Change::BuildFailed { build, error } => {
                set("build_id", build.as_str().into());
                set("error", text(error));
                ResourceEventType::BuildFailed
            }
        };
        set(EVENT_TYPE, event_type.as_str().into());
        set("message", text(&self.message));
        if let Some((name, value)) = &self.detail {
            set(name, text(value));
        }
        match &event.event.task {
            Task::Vtid(vtid) => set("vtid", vtid.as_str().into()),
            Task::Unset | Task::Idle => None,
        };
        set("link", event.event.link.as_ref().map(|link| link.as_str()).into());
        fields
    }
}

/// Cuts a text, so that all texts together fit into a resource event.
fn text(text: &str) -> Value {
    cut_text(text, Meta::MAX_TEXT).replace('\0', "\u{fffd}").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::channel::Channel;
    use crate::event::Event;
    use crate::link::Link;
    use crate::names::{Kind, Module};
    use crate::sets::{Source, Status};

    fn event(task: &str, link: Option<&str>, key: Option<&str>) -> NewEvent {
        let event = Event {
            ts: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            task: task.parse().unwrap(),
            layer_hint: None,
            module: Module::core(),
            source: Source::GithubActions,
            kind: Kind::parse("workflow_run").unwrap(),
            status: Status::Info,
            link: link.map(|link| Link::parse(link).unwrap()),
        };
        let dedup_key = key.map(|key| DedupKey::new("github", key).unwrap());
        NewEvent { event, channel: Channel::devhub(), meta: Meta::default(), dedup_key }
    }

    fn build() -> ResourceId {
        ResourceId::parse("17-2").unwrap()
    }

    fn report(change: Change) -> Report {
        Report { change, message: "Done.".to_owned(), detail: None }
    }

    /// Stands in for a digest.
    fn reversed(text: &[u8]) -> Vec<u8> {
        text.iter().rev().copied().collect()
    }

    #[test]
    fn each_workload_gets_an_event_with_the_time_the_task_and_the_link_of_the_first() {
        let mapping: Mapping = "a/b=cluster:eu/project:shop/workload:api,a/b=workload:job".parse().unwrap();
        let first = event("DEV-CICDL-0031", Some("https://h/1"), Some("k"));
        let report = Report {
            detail: Some(("environment", "production".to_owned())),
            ..report(Change::Status(WorkloadStatus::Deploying))
        };
        let events = report.events(&first, &mapping.of_repository("a/b", None), reversed);
        let [api, job] = events.as_slice() else { panic!("{events:?}") };
        let expected = json!({
            "resource_type": "workload", "workload_id": "api", "project_id": "shop", "cluster_id": "eu",
            "status": "Deploying", "message": "Done.", "environment": "production",
            "vtid": "DEV-CICDL-0031", "link": "https://h/1",
        });
        assert_eq!(api.meta.as_map(), expected.as_object().unwrap());
        assert_eq!((api.channel.as_str(), api.event.kind.as_str()), ("resources", "workload_status_update"));
        assert_eq!((&api.event.ts, &api.event.task), (&first.event.ts, &first.event.task));
        let map = job.meta.as_map();
        assert_eq!((map["workload_id"].as_str(), map.get("project_id")), (Some("job"), None));
        let keys = [api, job].map(|event| event.dedup_key.clone().unwrap());
        assert_ne!(keys[0], keys[1]);
        assert!(keys.iter().all(|key| key.as_str().starts_with("bridge:")), "{keys:?}");
        // The same event has the same keys again, and an event without a key has none.
        let again = report.events(&first, &mapping.of_repository("a/b", None), reversed);
        assert_eq!(again, events);
        let keyless =
            report.events(&event("UNSET", None, None), &mapping.of_repository("a/b", None), reversed);
        assert!(keyless.iter().all(|event| event.dedup_key.is_none()));
        assert_eq!(keyless[1].meta.as_map().get("vtid"), None);
        assert_eq!(keyless[1].meta.as_map().get("link"), None);
    }

    #[test]
    fn builds_become_events_of_builds() {
        let mapping: Mapping = "a/b=workload:api".parse().unwrap();
        let first = event("UNSET", None, Some("k"));
        let fields = |change| {
            let events = report(change).events(&first, &mapping.of_repository("a/b", None), reversed);
            (events[0].event.kind.to_string(), Value::from(events[0].meta.as_map().clone()))
        };
        let (kind, complete) = fields(Change::BuildComplete { build: build(), seconds: Some(42) });
        assert_eq!(kind, "build_complete");
        let expected = json!({
            "resource_type": "build", "build_id": "17-2", "workload_id": "api", "build_duration": 42,
            "message": "Done.",
        });
        assert_eq!(complete, expected);
        let (kind, failed) = fields(Change::BuildFailed { build: build(), error: "CI: failure".to_owned() });
        assert_eq!((kind.as_str(), &failed["error"]), ("build_failed", &json!("CI: failure")));
    }

    #[test]
    fn every_status_is_a_status_of_a_workload() {
        let mapping: Mapping = "a/b=workload:api".parse().unwrap();
        for status in WorkloadStatus::ALL {
            let workloads = mapping.of_repository("a/b", None);
            let events =
                report(Change::Status(*status)).events(&event("UNSET", None, None), &workloads, reversed);
            assert_eq!(events[0].meta.as_map()["status"], status.as_str());
        }
    }

    proptest! {
        /// Even the longest texts, of characters that need the most bytes in JSON, give an event.
        #[test]
        fn any_text_gives_an_event(
            message in any::<String>(),
            error in any::<String>(),
            repeated in prop_oneof![prop::char::any(), prop::char::range('\u{1}', '\u{1f}')],
        ) {
            let mapping: Mapping = format!("a/b=workload:{}", "a".repeat(128)).parse().unwrap();
            let long = |text: &str| format!("{text}{}", repeated.to_string().repeat(2_000));
            let link = format!("https://h/{}", "x".repeat(2_000));
            let report = Report {
                change: Change::BuildFailed { build: build(), error: long(&error) },
                message: long(&message),
                detail: Some(("environment", long(""))),
            };
            let first = event("DEV-CICDL-0031", Some(&link), Some("k"));
            prop_assert_eq!(report.events(&first, &mapping.of_repository("a/b", None), reversed).len(), 1);
        }
    }
}
