//! The rules for every event that the services make.

use std::sync::LazyLock;

use gateway_feed::read_events;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use oasis_core::{
    Channel, DedupKey, Kind, Layer, Link, Meta, Module, NewEvent, Task, Ts, emails, parse_json,
};
use oasis_service::ApiError;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

/// The time at which all inputs arrive.
pub(crate) fn now() -> Ts {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

/// Inputs that are read at the same time may wait for each other.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

/// Reads a request to ingest.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<NewEvent>, ApiError> {
    RUNTIME.block_on(read_events(headers, body, now()))
}

pub(crate) fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// Checks that the table accepts an event, and that the event is the same after it was printed and read
/// again. A test of `oasis-store` compares the types of `oasis-core` with the constraints of the table.
pub(crate) fn check(new: &NewEvent) {
    let event = &new.event;
    assert_eq!(event.task.as_str().parse::<Task>().as_ref(), Ok(&event.task));
    assert_eq!(Layer::parse(event.layer()).unwrap().as_str(), event.layer());
    assert_eq!(Module::parse(event.module.as_str()).as_ref(), Ok(&event.module));
    assert_eq!(Kind::parse(event.kind.as_str()).as_ref(), Ok(&event.kind));
    assert_eq!(Channel::parse(new.channel.as_str()).as_ref(), Ok(&new.channel));
    assert_eq!(Ts::new(event.ts.instant()), Ok(event.ts));
    assert_eq!(event.ts.to_string().parse(), Ok(event.ts));
    if let Some(link) = &event.link {
        assert_eq!(Link::parse(link.as_str()).as_ref(), Ok(link));
        // What strangers see is a URL too.
        let shown = emails::withhold_in_link(link.as_str());
        assert!(shown.is_none_or(|shown| Link::parse(&shown).is_ok()), "{link:?}");
    }
    if let Some(key) = &new.dedup_key {
        let key = key.as_str();
        assert!(key.len() <= DedupKey::MAX_BYTES && !key.contains(char::is_control), "{key:?}");
    }
    check_meta(&new.meta);
    if new.channel.is_devhub() {
        check_strict_form(new);
    }
}

/// Checks that the table accepts `meta`, and that what it shows to strangers is JSON.
fn check_meta(meta: &Meta) {
    let json = meta.as_json();
    let Ok(Value::Object(map)) = parse_json(json.as_bytes()) else { panic!("no object: {json}") };
    // The table keeps only the last of several members with one name. Then the printed object is shorter.
    assert_eq!(Value::Object(map.clone()).to_string().len(), json.len(), "{json}");
    assert!(Meta::new(map).is_ok(), "the table refuses {json}");
    let shown = emails::withhold_in_json(json);
    assert!(matches!(parse_json(shown.as_bytes()), Ok(Value::Object(_))), "{shown}");
    assert_eq!(emails::withhold_in_json(&shown), shown);
}

/// Prints an event in the strict form and sends it to ingest.
fn check_strict_form(new: &NewEvent) {
    let event = &new.event;
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("ts", event.ts.to_string().into());
    add("vtid", event.task.as_str().into());
    add("layer", event.layer_hint.as_ref().map(Layer::as_str).into());
    add("module", event.module.as_str().into());
    add("source", event.source.as_str().into());
    add("kind", event.kind.as_str().into());
    add("status", event.status.as_str().into());
    add("title", event.title().into());
    add("ref", event.reference().into());
    add("link", event.link.as_ref().map(Link::as_str).into());
    add("meta", new.meta.as_map().clone().into());
    let key = new.dedup_key.as_ref().and_then(|key| key.as_str().strip_prefix("ingest:"));
    add("dedup_key", key.into());
    let read = read(&json_headers(), Value::Object(fields).to_string().as_bytes()).unwrap();
    let dedup_key = new.dedup_key.clone().filter(|_| key.is_some());
    assert_eq!(read, [NewEvent { dedup_key, ..new.clone() }]);
}

/// Writes each character of a JSON text that is not ASCII as an escape. The text means the same.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            text.push_str(&units);
        }
    }
    text
}
