//! Recognises heartbeats in the form that agents send: `event: "heartbeat"` with
//! `metadata.agent_role` or `metadata.agent_crew`.

use serde_json::{Map, Value};

use super::lenient::take;

/// The agent that a heartbeat names.
pub(super) struct Heartbeat {
    /// The name of the crew, or else of the service.
    pub(super) agent: Value,
    pub(super) role: Option<Value>,
}

impl Heartbeat {
    /// Takes the agent out of the metadata. Returns `None` if the event is not a heartbeat.
    pub(super) fn take(event: &Value, service: &Value, metadata: &mut Map<String, Value>) -> Option<Self> {
        let named =
            |name: &str| metadata.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if event != "heartbeat" || !(named("agent_role") || named("agent_crew")) {
            return None;
        }
        let agent = take(metadata, "agent_crew").filter(|crew| crew != "");
        Some(Self { agent: agent.unwrap_or_else(|| service.clone()), role: take(metadata, "agent_role") })
    }

    /// Identifies the agent among the agents of its crew: crew, service and role.
    pub(super) fn instance(&self, service: &str) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{}:{service}:{}", text(&self.agent), self.role.as_ref().map(text).unwrap_or_default())
    }
}
