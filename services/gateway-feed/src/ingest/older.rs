//! Reads the form that older agents send: `{service, event, tenant?, status, notes?, git_sha?, rid?,
//! metadata?, timestamp?}`.

use oasis_core::{Channel, Event, Invalid, Kind, Meta, Module, NewEvent, Source, Status, Ts};
use serde_json::{Map, Value};

use super::fields::{Fields, Refusal};

pub(super) fn read(event: Map<String, Value>, now: Ts) -> Result<NewEvent, Refusal> {
    let mut fields = Fields::new(event, "");
    let mut metadata = Fields::new(fields.object("metadata")?, "metadata.");
    let source = match metadata.take("source") {
        Some(Value::String(source)) => source.parse::<Source>().map_err(|_| Value::String(source)),
        Some(other) => Err(other),
        None => Ok(Source::OasisEvents),
    };
    let event = Event {
        task: metadata.task("vtid")?,
        layer_hint: None,
        module: fields.required("service", |name| named(name).map(Module::from_name))?,
        source: *source.as_ref().unwrap_or(&Source::OasisEvents),
        kind: fields.required("event", |name| named(name).map(Kind::from_name))?,
        status: fields.required("status", status)?,
        link: None,
        ts: fields.time("timestamp", now)?,
    };
    let mut meta = metadata.rest();
    if let Err(unknown) = source {
        meta.insert("source".into(), unknown);
    }
    for name in ["tenant", "notes", "git_sha", "rid"] {
        let Some(value) = fields.take(name) else { continue };
        // If `metadata` also has a field with this name, both values are kept.
        if let Some(namesake) = meta.insert(name.into(), value) {
            meta.insert(format!("metadata.{name}"), namesake);
        }
    }
    let meta = Meta::new(meta).map_err(|why| fields.refuse("metadata", why))?;
    fields.finish()?;
    Ok(NewEvent { event, channel: Channel::devhub(), meta, dedup_key: None })
}

fn named(name: &str) -> Result<&str, Invalid> {
    match name.trim() {
        "" => Err(Invalid::new("it is empty")),
        name => Ok(name),
    }
}

fn status(text: &str) -> Result<Status, Invalid> {
    match text {
        "start" => Ok(Status::InProgress),
        "success" => Ok(Status::Success),
        "fail" | "blocked" => Ok(Status::Failure),
        "warning" | "info" => Ok(Status::Info),
        _ => Err(Invalid::new("expected one of start, success, fail, blocked, warning, info")),
    }
}
