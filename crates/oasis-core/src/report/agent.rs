//! Reads the form that agents send: `{service, event, tenant?, status, notes?, git_sha?, rid?, metadata?,
//! timestamp?}`.
//!
//! Some agents send their heartbeats in this form. A heartbeat becomes a ping, so the list of agents shows
//! the agent.

use serde_json::{Map, Value};

use super::heartbeat::Heartbeat;
use super::lenient::{Lenient, take};
use crate::channel::Channel;
use crate::event::{Event, NewEvent};
use crate::names::Kind;
use crate::ping::REPEAT;
use crate::sets::{Source, Status};
use crate::task::Task;
use crate::ts::Ts;

/// The service that reports deploys on Google Cloud. Its metadata names the deployed service.
const CLOUD: &str = "gcp";

/// Reads an event that an agent reports. `now` becomes the time of an event without a valid time.
pub fn agent(event: Map<String, Value>, now: Ts) -> NewEvent {
    let mut fields = Lenient::new(event, "metadata.");
    let mut metadata = fields.object(&["metadata"]);
    let service = fields.take(&["service"]).unwrap_or_default();
    let name = fields.take(&["event"]).unwrap_or_default();
    let deployed = if service == CLOUD { take(&mut metadata, "service_name") } else { None };
    if deployed.is_some() {
        fields.keep("service", service.clone());
    }
    let tasks = [take(&mut metadata, "vtid"), fields.take(&["vtid"])];
    let task = fields.task(tasks);
    let time = fields.take(&["timestamp"]).or_else(|| take(&mut metadata, "timestamp"));
    let ts = fields.time(time, now);
    let link = take(&mut metadata, "link");
    let link = fields.link(link);
    let heartbeat = Heartbeat::take(&name, &service, &mut metadata);
    let module = fields.module(Some(deployed.unwrap_or(service)));
    let (task, source, kind, status) = match heartbeat {
        Some(heartbeat) => {
            let (task, status) = match task {
                Task::Unset | Task::Idle => (Task::Idle, Status::Info),
                Task::Vtid(vtid) => (Task::Vtid(vtid), Status::InProgress),
            };
            // In this form, only the gateway marks repeats. A sender could hide a change with this entry.
            metadata.remove(REPEAT);
            // Each role of a crew is a separate agent, so each role needs a separate instance.
            let instance = metadata.get("instance").and_then(Value::as_str);
            if instance.is_none_or(str::is_empty) {
                fields.keep("instance", heartbeat.instance(module.as_str()).into());
            }
            fields.keep("agent", heartbeat.agent);
            if let Some(role) = heartbeat.role {
                fields.keep("role", role);
            }
            (task, Source::AgentPing, Kind::ping(), status)
        }
        None => {
            let source = metadata.get("source").and_then(Value::as_str).and_then(|name| name.parse().ok());
            if source.is_some() {
                metadata.remove("source");
            }
            let status = fields.take(&["status"]);
            let status = fields.status(status).unwrap_or(Status::Info);
            (task, source.unwrap_or(Source::OasisEvents), fields.kind(&name), status)
        }
    };
    let event = Event { ts, task, layer_hint: None, module, source, kind, status, link };
    NewEvent { event, channel: Channel::devhub(), meta: fields.meta(metadata), dedup_key: None }
}
