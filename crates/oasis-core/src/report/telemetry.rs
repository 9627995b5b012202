//! Reads the form that pipelines, bridges and routines send: `{vtid?, type, status?, source?, service?,
//! message?, payload?}`. The type may also be called `event_type` or `topic`, and the payload `details`,
//! `data` or `metadata`.

use serde_json::{Map, Value};

use super::lenient::take;
use super::parts::Parts;
use crate::event::NewEvent;
use crate::ts::Ts;

/// Reads an event that a pipeline, a bridge or a routine reports. `now` becomes the time of an event without
/// a valid time.
pub fn telemetry(mut event: Map<String, Value>, now: Ts) -> NewEvent {
    let mut first = |names: &[&str]| names.iter().find_map(|name| take(&mut event, name));
    let parts = Parts {
        ts: first(&["timestamp", "ts", "created_at"]),
        vtid: first(&["vtid"]),
        layer: None,
        service: first(&["service"]),
        source: first(&["source"]),
        kind: first(&["type", "event_type", "topic"]),
        status: first(&["status"]),
        link: first(&["link"]),
        objects: ["payload", "details", "data", "metadata"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), first(&[name])?)))
            .collect(),
        rest: Map::new(),
    };
    Parts { rest: event, ..parts }.into_event(now)
}
