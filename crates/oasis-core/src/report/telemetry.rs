//! Reads the form that pipelines, bridges and routines send: `{vtid?, type, status?, source?, service?,
//! message?, payload?}`. The type may also be called `event_type` or `topic`, and the payload `details`,
//! `data` or `metadata`.

use serde_json::{Map, Value};

use super::lenient::{Lenient, insert, take};
use crate::channel::Channel;
use crate::event::{Event, NewEvent};
use crate::names::Kind;
use crate::sets::{Source, Status};
use crate::ts::Ts;

/// Precedes the name of an entry of the payload whose name is taken.
const CLASH: &str = "payload.";

/// Reads an event that a pipeline, a bridge or a routine reports. `now` becomes the time of an event without
/// a valid time.
pub fn telemetry(event: Map<String, Value>, now: Ts) -> NewEvent {
    let mut fields = Lenient::new(event, CLASH);
    let mut payload = Map::new();
    for name in ["payload", "details", "data", "metadata"] {
        for (name, value) in fields.object(&[name]) {
            if !value.is_null() {
                insert(&mut payload, CLASH, &name, value);
            }
        }
    }
    let name = fields.take(&["type", "event_type", "topic"]).unwrap_or_default();
    let kind = fields.kind(&name);
    let tasks = [fields.take(&["vtid"]), take(&mut payload, "vtid")];
    let task = fields.task(tasks);
    let service = fields.take(&["service"]).or_else(|| take(&mut payload, "service"));
    let module = fields.module(service);
    let link = fields.take(&["link"]).or_else(|| take(&mut payload, "link"));
    let link = fields.link(link);
    let time = fields.take(&["timestamp", "ts", "created_at"]);
    let ts = fields.time(time, now);
    let source = match fields.take(&["source"]) {
        None => Source::OasisEvents,
        Some(given) => given.as_str().and_then(|name| name.parse().ok()).unwrap_or_else(|| {
            fields.keep("source_given", given);
            Source::OasisEvents
        }),
    };
    let status = fields.take(&["status"]);
    let status = fields.status(status).or_else(|| Kind::status_in(name.as_str()?)).unwrap_or(Status::Info);
    let event = Event { ts, task, layer_hint: None, module, source, kind, status, link };
    NewEvent { event, channel: Channel::devhub(), meta: fields.meta(payload), dedup_key: None }
}
