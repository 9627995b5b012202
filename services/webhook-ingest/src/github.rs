//! Reads a delivery of GitHub's: the event's name and its JSON in, an OASIS event out. Pure.
//!
//! What stands where in a payload, which VTID wins and which time counts is said beside each event, in the
//! files below; a new event is one arm of the match in [`read`].

mod code;
mod deployments;
mod facts;
mod hook;
mod json;
mod runs;

use oasis_core::{NewEvent, Ts};

pub use facts::Rules;
pub use json::Unreadable;

use json::Object;

/// What a delivery says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// An event to store.
    Event {
        /// The event, with the key that makes the same event name and the same bytes one event.
        new: Box<NewEvent>,
        /// False when GitHub used a word for a state that this version has not heard of, or gave a completed
        /// run no conclusion; such an event is stored as `info`.
        state_known: bool,
    },
    /// An event that the feed does not show.
    Ignored,
}

/// Reads the JSON `payload` of a delivery of `event_name` that arrived at `received`, which is the event's
/// time where the payload gives none that can be used.
///
/// # Errors
/// When the payload is not a JSON object, or an event that is shown lacks what makes it that event or has a
/// value of the wrong type, a lone surrogate or a NUL in a field that is used.
pub fn read(event_name: &str, payload: &[u8], rules: &Rules, received: Ts) -> Result<Reading, Unreadable> {
    let facts = match event_name {
        "workflow_run" => runs::workflow_run(json::parse(payload)?),
        "workflow_job" => runs::workflow_job(json::parse(payload)?),
        "check_run" => runs::check_run(json::parse(payload)?),
        "check_suite" => runs::check_suite(json::parse(payload)?),
        "pull_request" => code::pull_request(json::parse(payload)?),
        "push" => code::push(json::parse(payload)?),
        "create" | "delete" => code::create_or_delete(json::parse(payload)?),
        "release" => code::release(json::parse(payload)?),
        "deployment" => deployments::deployment(json::parse(payload)?),
        "deployment_status" => deployments::deployment_status(json::parse(payload)?),
        "ping" => hook::ping(json::parse(payload)?),
        _ => return json::parse::<Object>(payload).map(|Object {}| Reading::Ignored),
    };
    let state_known = facts.state.known;
    let new = Box::new(facts.into_event(event_name, payload, rules, received));
    Ok(Reading::Event { new, state_known })
}
