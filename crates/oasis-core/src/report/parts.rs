//! Makes an event from its parts. A part can come from a report or from a column of a table.

use serde_json::{Map, Value};

use super::lenient::{Lenient, Mark, insert, take};
use crate::channel::Channel;
use crate::event::{Event, NewEvent};
use crate::names::Kind;
use crate::sets::{Source, Status};
use crate::ts::Ts;

/// The prefix for the name of an entry of an object if `meta` already has an entry with this name.
const CLASH: &str = "payload.";

/// The parts of an event as they were given. `None` and null mean the same.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// When the event happened: RFC 3339.
    pub ts: Option<Value>,
    /// The task. The entry `vtid` of an object is used if this part is not a VTID.
    pub vtid: Option<Value>,
    /// The layer to use if the VTID has no layer.
    pub layer: Option<Value>,
    /// The service that the event is about. Without this part, the entry `service` of an object is used.
    pub service: Option<Value>,
    /// One of the four sources. Any other text means `oasis.events`.
    pub source: Option<Value>,
    /// What happened.
    pub kind: Option<Value>,
    /// The state that the event reports. Without this part, the last word of the kind may name the state.
    pub status: Option<Value>,
    /// A URL. Without this part, the entry `link` of an object is used.
    pub link: Option<Value>,
    /// Named objects. Their entries become entries of `meta`. A value that is not an object becomes one
    /// entry.
    pub objects: Vec<(String, Value)>,
    /// Other values, which become entries of `meta` unchanged.
    pub rest: Map<String, Value>,
}

impl Parts {
    /// Makes the event. `now` becomes the time of an event without a valid time. A bad value is replaced or
    /// left out, and `meta` keeps the text that was given.
    pub fn into_event(self, now: Ts) -> NewEvent {
        self.into_marked_event(now).0
    }

    /// Makes the event, as [`Parts::into_event`] does. Also returns the values that did not fit their fields.
    pub fn into_marked_event(self, now: Ts) -> (NewEvent, Vec<Mark>) {
        let mut fields = Lenient::new(self.rest, CLASH);
        let mut nested = Map::new();
        for (name, value) in self.objects {
            match value {
                Value::Object(object) => {
                    for (name, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
                        insert(&mut nested, CLASH, &name, value);
                    }
                }
                Value::Null => {}
                other => fields.keep(&name, other),
            }
        }
        let name = given(self.kind).unwrap_or_else(|| "".into());
        let kind = fields.kind(&name);
        let task = fields.task([given(self.vtid), take(&mut nested, "vtid")]);
        let layer_hint = fields.layer(given(self.layer), &task);
        let service = given(self.service).or_else(|| take(&mut nested, "service"));
        let module = fields.module(service);
        let link = given(self.link).or_else(|| take(&mut nested, "link"));
        let link = fields.link(link);
        let ts = fields.time(given(self.ts), now);
        let source = match given(self.source) {
            None => Source::OasisEvents,
            Some(given) => given.as_str().and_then(|name| name.parse().ok()).unwrap_or_else(|| {
                fields.mark("source_given", given);
                Source::OasisEvents
            }),
        };
        let status = fields.status(given(self.status)).or_else(|| Kind::status_in(name.as_str()?));
        let status = status.unwrap_or(Status::Info);
        let event = Event { ts, task, layer_hint, module, source, kind, status, link };
        let meta = fields.meta(nested);
        (NewEvent { event, channel: Channel::devhub(), meta, dedup_key: None }, fields.marks)
    }
}

fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}
