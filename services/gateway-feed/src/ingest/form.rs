//! Tells the four forms of events apart.

use hyper::HeaderMap;
use serde_json::{Map, Value};

use super::fields::Refusal;

/// The maximum size of an event of a form that is not lenient, in bytes of JSON. This size is several times
/// the maximum size of `meta`, because JSON text can have escapes and white space.
pub(super) const MOST_BYTES: usize = 128 << 10;
/// The maximum size of an event of a lenient form, in bytes of JSON.
pub(super) const MOST_LENIENT_BYTES: usize = 1 << 20;

/// A form in which a client sends an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The ten fields of an event and its `meta`, checked strictly.
    Strict,
    /// The form that agents send, with `service` and `event`.
    Agent,
    /// The form that pipelines, bridges and routines send, with `type`, `event_type` or `topic`.
    Telemetry,
    /// CloudEvents 1.0.
    CloudEvent,
}

impl Form {
    /// The form of one event in the body of a request. The first form whose fields are present applies. A
    /// field that is null is absent.
    ///
    /// # Errors
    /// When the event has no form.
    pub(super) fn of(event: &Map<String, Value>) -> Result<Self, Refusal> {
        let has = |name: &str| event.get(name).is_some_and(|value| !value.is_null());
        if has("specversion") {
            Ok(Self::CloudEvent)
        } else if has("kind") {
            Ok(Self::Strict)
        } else if has("service") && has("event") {
            Ok(Self::Agent)
        } else if ["type", "event_type", "topic"].into_iter().any(has) {
            Ok(Self::Telemetry)
        } else {
            Err(Refusal {
                hint: Some(
                    "send `kind`, `source` and `status`; or `service`, `event` and `status`; or `type` (also \
                     `event_type`, `topic`); or a CloudEvent with `specversion`"
                        .into(),
                ),
                ..Refusal::new("the event has none of the forms: strict, agents', telemetry, CloudEvents")
            })
        }
    }

    /// Whether a request is a CloudEvent in binary mode. Such a request has the attributes in its headers.
    pub(super) fn is_binary(headers: &HeaderMap) -> bool {
        headers.keys().any(|name| name.as_str().starts_with("ce-"))
    }

    /// The maximum size of an event of this form, in bytes of JSON. In the lenient forms, `meta` is cut, so
    /// an event may be much larger than its `meta`.
    pub(super) fn most_bytes(self) -> usize {
        match self {
            Self::Strict | Self::CloudEvent => MOST_BYTES,
            Self::Agent | Self::Telemetry => MOST_LENIENT_BYTES,
        }
    }

    /// Whether a client of this form gets 201 for stored events. Clients of the other forms expect 200.
    pub(super) fn is_created(self) -> bool {
        match self {
            Self::Strict | Self::CloudEvent => true,
            Self::Agent | Self::Telemetry => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_form_whose_fields_are_present_applies() {
        for (event, form) in [
            (json!({"specversion": "1.0", "kind": "a"}), Some(Form::CloudEvent)),
            (json!({"kind": "a", "service": "s", "event": "e", "type": "t"}), Some(Form::Strict)),
            (json!({"service": "s", "event": "e", "type": "t"}), Some(Form::Agent)),
            (json!({"service": "s", "type": "t"}), Some(Form::Telemetry)),
            (json!({"service": "s", "event_type": "t"}), Some(Form::Telemetry)),
            (json!({"topic": "t", "kind": null}), Some(Form::Telemetry)),
            (json!({"service": "s", "status": "info"}), None),
            (json!({}), None),
        ] {
            assert_eq!(Form::of(event.as_object().unwrap()).ok(), form, "{event}");
        }
    }
}
