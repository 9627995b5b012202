//! Reads the events of one request: one event, or an array of events. Each event has one of four forms. If
//! one event is refused, the whole request is refused.

use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_core::ping::{BACK, LOST};
use oasis_core::{NewEvent, Source, Ts, report};
use oasis_service::ApiError;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fields::Refusal;
use super::form::Form;
use super::json::{is_json, object};
use super::{cloud, strict};
use crate::agents::Agents;

/// The maximum number of events in one request.
const MOST_EVENTS: usize = 1_000;

/// The events of one request.
pub(super) struct Received {
    pub(super) events: Vec<NewEvent>,
    /// Whether the answer is 201. Clients of some forms expect 200.
    pub(super) created: bool,
}

/// Reads the events of a request that was received at `now`. `agents` knows the last ping of each agent.
///
/// # Errors
/// 415 if the request is not JSON; 400 for any other mistake. The message names the event and the field.
pub(super) fn read(headers: &HeaderMap, body: &[u8], now: Ts, agents: &Agents) -> Result<Received, ApiError> {
    if Form::is_binary(headers) {
        let event = cloud::binary(headers, body, now).map_err(|refusal| refused(None, &refusal))?;
        return Ok(Received { events: vec![event], created: true });
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(content_type) {
        return Err(ApiError::unsupported_media_type("events must be sent as JSON")
            .hint("add the header Content-Type: application/json"));
    }
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'[') {
        let event = object(body).and_then(|event| one(event, now, agents));
        let (event, form) = event.map_err(|refusal| refused(None, &refusal))?;
        return Ok(Received { events: vec![event], created: form.is_created() });
    }
    // The array is first split into slices of the body. The slices are parsed one by one, because a parsed
    // value can need twenty times the memory of its text.
    let events: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("bad_json", format!("the body is not JSON: {error}")))?;
    if events.is_empty() {
        return Err(ApiError::bad_request("bad_event", "the array contains no event"));
    }
    if events.len() > MOST_EVENTS {
        return Err(ApiError::bad_request(
            "too_many_events",
            format!("{} events in one request: at most {MOST_EVENTS} are allowed", events.len()),
        ));
    }
    let mut created = true;
    let read = |(nth, event): (usize, &&RawValue)| {
        let event = object(event.get().as_bytes()).and_then(|event| one(event, now, agents));
        let (event, form) = event.map_err(|refusal| refused(Some(nth), &refusal))?;
        created &= form.is_created();
        Ok(event)
    };
    let events = events.iter().enumerate().map(read).collect::<Result<_, ApiError>>()?;
    Ok(Received { events, created })
}

/// Reads one event.
fn one(event: Map<String, Value>, now: Ts, agents: &Agents) -> Result<(NewEvent, Form), Refusal> {
    let form = Form::of(&event)?;
    let event = match form {
        Form::Strict => strict::read(event, now)?,
        Form::Agent => agents.mark_repeat(report::agent(event, now)),
        Form::Telemetry => report::telemetry(event, now),
        Form::CloudEvent => cloud::structured(event, now)?,
    };
    match event.event.kind.as_str() {
        kind @ (LOST | BACK) if event.event.source == Source::AgentPing => Err(Refusal {
            hint: Some("send only pings: the gateways report agents that are lost or back".into()),
            ..Refusal::field("kind", format!("{kind} of source agent.ping is reserved for gateways"))
        }),
        _ => Ok((event, form)),
    }
}

fn refused(nth: Option<usize>, refusal: &Refusal) -> ApiError {
    let at = nth.map_or_else(String::new, |nth| format!("event {nth}: "));
    let error = ApiError::bad_request("bad_event", format!("{at}{}", refusal.message));
    let error = match &refusal.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    };
    match nth {
        Some(_) if refusal.hint.is_none() => error.hint("no event of this request was stored"),
        _ => error,
    }
}
