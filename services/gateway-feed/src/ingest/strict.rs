//! Reads the strict form of an event: `{vtid?, layer?, module?, source, kind, status, link?, ts?, meta?,
//! dedup_key?}`. `title` and `ref` are ignored, because they are computed from the other fields.

use oasis_core::{Channel, DedupKey, Event, Kind, Meta, Module, NewEvent, Ts};
use serde_json::{Map, Value};

use super::fields::{Fields, Refusal};

pub(super) fn read(event: Map<String, Value>, now: Ts) -> Result<NewEvent, Refusal> {
    let mut fields = Fields::new(event, "");
    for computed in ["title", "ref"] {
        fields.take(computed);
    }
    let (task, vtid_given) = fields.task("vtid")?;
    let event = Event {
        task,
        layer_hint: fields.layer("layer")?,
        module: fields.parsed("module", Module::parse)?.unwrap_or_else(Module::core),
        source: fields.required("source", str::parse)?,
        kind: fields.required("kind", Kind::parse)?,
        status: fields.required("status", str::parse)?,
        link: fields.link("link")?,
        ts: fields.time("ts", now)?,
    };
    let meta = fields.object("meta")?;
    let meta = Meta::new(meta).map_err(|why| fields.refuse("meta", why))?;
    let meta = match vtid_given {
        Some(text) => meta.adding("vtid_given", text),
        None => meta,
    };
    let dedup_key = fields.parsed("dedup_key", |key| DedupKey::new("ingest", key))?;
    fields.finish()?;
    Ok(NewEvent { event, channel: Channel::devhub(), meta, dedup_key })
}
