//! Reads CloudEvents 1.0, structured (one JSON object) or binary (attributes as `ce-` headers, data as the
//! body). Source: the CloudEvents specification 1.0.2 and its HTTP protocol binding.

use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_core::{
    CdEvent, Channel, DedupKey, Event, Invalid, Kind, Layer, Link, Meta, Module, NewEvent, Source, Status,
    Ts, report,
};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::fields::{Fields, Refusal};
use super::form::Form;
use super::json::{self, check_size, is_json};

/// Attributes that are kept in `meta`, because an event has no field for them.
const KEPT: [&str; 3] = ["subject", "dataschema", "datacontenttype"];

pub(super) fn structured(event: Map<String, Value>, now: Ts) -> Result<NewEvent, Refusal> {
    let mut fields = Fields::new(event, "");
    let data = fields.take("data");
    let encoded = fields.text("data_base64")?;
    if data.is_some() && encoded.is_some() {
        return Err(Refusal::new("send either `data` or `data_base64`, not both"));
    }
    let data = match encoded {
        Some(encoded) => Some(Value::Object(Map::from_iter([("base64".to_owned(), Value::String(encoded))]))),
        None => data,
    };
    read(fields, data, now)
}

pub(super) fn binary(headers: &HeaderMap, body: &[u8], now: Ts) -> Result<NewEvent, Refusal> {
    check_size(body, Form::CloudEvent.most_bytes())?;
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let refuse = |why: &str| Refusal::field(&format!("ce-{name}"), why);
        let value = value.to_str().map_err(|_| refuse("expected ASCII: percent-encode other characters"))?;
        if attributes
            .insert(name.to_owned(), decode(value).ok_or_else(|| refuse("it is not percent-encoded UTF-8"))?)
            .is_some()
        {
            return Err(refuse("it is given more than once"));
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype".into(), content_type.into());
    }
    let data = match (body.is_empty(), content_type) {
        (true, _) => None,
        (false, content_type) if content_type.is_none_or(is_json) => {
            Some(json::value(body).map_err(|refusal| Refusal::field("data", refusal.message))?)
        }
        (false, _) => {
            let text =
                std::str::from_utf8(body).map_err(|_| Refusal::new("the data is neither JSON nor UTF-8"))?;
            Some(Value::String(text.to_owned()))
        }
    };
    read(Fields::new(attributes, "ce-"), data, now)
}

/// Decodes a header's value. The HTTP binding percent-encodes characters that a header cannot hold.
fn decode(value: &str) -> Option<Value> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Value::String)
}

/// The data of a CDEvent has fixed members. What a producer adds is in `customData`, so the fields of the
/// event are also taken from there, if they are valid. The link is the address of the subject.
fn lift_custom_data(data: &mut Map<String, Value>) {
    let lift = [
        ("vtid", "/vtid", (|_| true) as fn(&str) -> bool),
        ("layer", "/layer", |text| Layer::parse(text).is_ok()),
        ("module", "/module", |text| Module::parse(text).is_ok()),
        ("status", "/status", |text| Status::from_word(text).is_some()),
        ("link", "/link", |text| Link::parse(text).is_ok()),
    ];
    let mut found = Vec::new();
    for (name, pointer, fits) in lift {
        let custom = data.get("customData").and_then(|custom| custom.pointer(pointer)?.as_str());
        found.extend(custom.filter(|text| fits(text)).map(|text| (name, text.to_owned())));
    }
    let address = data.get("subject").and_then(|subject| subject.pointer("/content/uri")?.as_str());
    found.extend(address.filter(|text| Link::parse(text).is_ok()).map(|text| ("link", text.to_owned())));
    for (name, text) in found {
        data.entry(name).or_insert(text.into());
    }
}

fn read(mut fields: Fields, data: Option<Value>, now: Ts) -> Result<NewEvent, Refusal> {
    let present =
        |text: &str| if text.is_empty() { Err(Invalid::new("it is empty")) } else { Ok(text.to_owned()) };
    fields.required("specversion", |version| match version {
        "1.0" => Ok(()),
        _ => Err(Invalid::new("expected 1.0")),
    })?;
    let id = fields.required("id", present)?;
    let source = fields.required("source", present)?;
    let kind = fields.required("type", present)?;
    let ts = fields.time("time", now)?;

    let mut meta = Map::new();
    let outcome = data.as_ref().and_then(|data| data.pointer("/subject/content/outcome")?.as_str());
    let cd_event = CdEvent::read(&kind, outcome);
    let (mut known, rest) = match data {
        Some(Value::Object(mut data)) => {
            if cd_event.is_some() {
                lift_custom_data(&mut data);
            }
            (Fields::new(data, "data."), None)
        }
        other => (Fields::new(Map::new(), "data."), other),
    };
    let (task, vtid_given) = known.task("vtid")?;
    let word = known.take("status").map(|status| report::shown(&status));
    let usual = cd_event.as_ref().map_or(Status::Info, |cd_event| cd_event.status);
    let status = word.as_deref().map_or(Some(usual), Status::from_word);
    let event = Event {
        ts,
        task,
        layer_hint: known.layer("layer")?,
        module: known.parsed("module", Module::parse)?.unwrap_or_else(Module::core),
        source: Source::OasisEvents,
        kind: cd_event.map_or_else(|| Kind::from_name(&kind), |cd_event| cd_event.kind),
        status: status.unwrap_or(Status::Info),
        link: known.link("link")?,
    };
    let status_given = word.filter(|_| status.is_none()).map(Value::from);
    for (name, given) in [("vtid_given", vtid_given), ("status_given", status_given)] {
        meta.extend(given.map(|text| (name.to_owned(), text)));
    }
    let known = known.rest();
    if let Some(data) = rest.or((!known.is_empty()).then_some(Value::Object(known))) {
        meta.insert("data".into(), data);
    }
    for name in KEPT {
        if let Some(value) = fields.take(name) {
            meta.insert(format!("ce_{name}"), value);
        }
    }
    // The names of extension attributes have only lowercase letters and digits. Any other name is a mistake.
    for (name, value) in fields.rest() {
        let extension = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        match value {
            _ if !extension => {
                return Err(Refusal::field(&name, "unknown field: not a CloudEvents attribute"));
            }
            Value::Object(_) | Value::Array(_) => {
                return Err(Refusal::field(&name, "expected a string, a number or a boolean"));
            }
            value => meta.insert(format!("ce_{name}"), value),
        };
    }
    let digest = digest(&SHA256, format!("{source}\0{id}").as_bytes());
    for (name, value) in [("ce_source", source), ("ce_id", id), ("ce_type", kind)] {
        meta.insert(name.into(), value.into());
    }
    let meta = Meta::new(meta).map_err(|why| Refusal::new(why.to_string()))?;
    let dedup_key =
        DedupKey::of_digest("ce", "", digest.as_ref()).map_err(|why| Refusal::field("id", why))?;
    Ok(NewEvent { event, channel: Channel::devhub(), meta, dedup_key: Some(dedup_key) })
}
