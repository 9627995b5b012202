//! Turns a GitHub delivery (the event's name and its JSON) into an OASIS event, without I/O.
//!
//! In the submodules, the comment on the function for each event lists the sources of the VTID, the time
//! (`ts`) and the link. To read a new event, add an arm to the match in [`read`].

mod code;
mod deployments;
mod facts;
mod hook;
mod json;
mod runs;
mod workloads;

use std::borrow::Cow;

use oasis_core::{NewEvent, Ts, repair_escapes};

pub use facts::Rules;
pub use json::Unreadable;

use json::Object;

/// The result of reading a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// An event to store.
    Event {
        /// The event. Deliveries with the same event name and the same bytes have the same dedup key.
        new: Box<NewEvent>,
        /// The resource events of the repository's workloads. They are stored together with the event.
        resources: Vec<NewEvent>,
        /// False if this version does not know GitHub's word for the state, or if a completed run has no
        /// conclusion. An event whose state is not known is stored as `info`.
        state_known: bool,
    },
    /// An event that the feed does not show.
    Ignored,
}

/// Reads the JSON `payload` of a delivery of `event_name`. `received` is the time when the delivery arrived.
/// If the payload has no usable time, the event gets this time.
///
/// # Errors
/// When the payload is not a JSON object. For an event that the feed shows, also when a required field is
/// missing, or when a field that is used has the wrong type.
pub fn read(event_name: &str, payload: &[u8], rules: &Rules, received: Ts) -> Result<Reading, Unreadable> {
    let read = |json: &[u8]| read_json(event_name, json, payload, rules, received);
    // Hardly any payload has escapes that need a repair, so the repair is tried only after an error.
    read(payload).or_else(|error| match repair_escapes(payload) {
        Cow::Owned(repaired) => read(&repaired),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Reads `json`, which is `payload` itself, or the payload with repaired escapes.
fn read_json(
    event_name: &str,
    json: &[u8],
    payload: &[u8],
    rules: &Rules,
    received: Ts,
) -> Result<Reading, Unreadable> {
    let facts = match event_name {
        "workflow_run" => runs::workflow_run(json::parse(json)?),
        "workflow_job" => runs::workflow_job(json::parse(json)?),
        "check_run" => runs::check_run(json::parse(json)?),
        "check_suite" => runs::check_suite(json::parse(json)?),
        "pull_request" => code::pull_request(json::parse(json)?),
        "push" => code::push(json::parse(json)?),
        "create" | "delete" => code::create_or_delete(json::parse(json)?),
        "release" => code::release(json::parse(json)?),
        "deployment" => deployments::deployment(json::parse(json)?),
        "deployment_status" => deployments::deployment_status(json::parse(json)?),
        "ping" => hook::ping(json::parse(json)?),
        _ => return json::parse::<Object>(json).map(|Object {}| Reading::Ignored),
    };
    let state_known = facts.state.known;
    let (new, resources) = facts.into_events(event_name, payload, rules, received);
    Ok(Reading::Event { new: Box::new(new), resources, state_known })
}
