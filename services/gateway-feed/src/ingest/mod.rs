//! `POST /events/ingest`: one event or an array of them, in three forms, all or nothing.

mod cloud;
mod fields;
mod older;
mod plain;

use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_core::{NewEvent, Ts};
use oasis_service::ApiError;
use serde_json::{Map, Value};

use self::fields::Refusal;

/// Events of one request.
pub(crate) const MOST_EVENTS: usize = 1_000;
/// Bytes of one request: so many events with the largest `meta` each.
pub(crate) const MOST_BYTES: usize = 20 << 20;

/// The events of a request that was received at `now`.
///
/// # Errors
/// 415 for what is not JSON, 400 for the rest; the message names the event and the field.
pub(crate) fn read(headers: &HeaderMap, body: &[u8], now: Ts) -> Result<Vec<NewEvent>, ApiError> {
    if headers.contains_key("ce-specversion") {
        let event = cloud::binary(headers, body, now).map_err(|refusal| refused(None, &refusal))?;
        return Ok(vec![event]);
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(content_type) {
        return Err(ApiError::unsupported_media_type("events are sent as JSON")
            .hint("add the header Content-Type: application/json"));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("bad_json", format!("the body is not JSON: {error}")))?;
    match value {
        Value::Object(event) => Ok(vec![one(event, now).map_err(|refusal| refused(None, &refusal))?]),
        Value::Array(events) if events.is_empty() => {
            Err(ApiError::bad_request("bad_event", "the array holds no event"))
        }
        Value::Array(events) if events.len() > MOST_EVENTS => Err(ApiError::bad_request(
            "too_many_events",
            format!("{} events in one request: at most {MOST_EVENTS} are allowed", events.len()),
        )),
        Value::Array(events) => events
            .into_iter()
            .enumerate()
            .map(|(nth, event)| match event {
                Value::Object(event) => one(event, now).map_err(|refusal| refused(Some(nth), &refusal)),
                _ => Err(refused(Some(nth), &Refusal::new("expected a JSON object"))),
            })
            .collect(),
        _ => Err(ApiError::bad_request("bad_event", "expected an event (a JSON object) or an array of them")),
    }
}

/// Tells the forms apart by what only they have.
fn one(event: Map<String, Value>, now: Ts) -> Result<NewEvent, Refusal> {
    if event.contains_key("specversion") {
        cloud::structured(event, now)
    } else if event.contains_key("service") || event.contains_key("event") {
        older::read(event, now)
    } else {
        plain::read(event, now)
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn refused(nth: Option<usize>, refusal: &Refusal) -> ApiError {
    let at = nth.map_or_else(String::new, |nth| format!("event {nth}: "));
    let error = ApiError::bad_request("bad_event", format!("{at}{}", refusal.message));
    let error = match &refusal.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    };
    match nth {
        Some(_) if refusal.hint.is_none() => error.hint("nothing of this request was stored"),
        _ => error,
    }
}
