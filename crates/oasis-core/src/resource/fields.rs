//! The fields of a resource event: which fields each type of event has, and the form of their values.

use serde_json::{Map, Value};

use super::types::{ClusterStatus, ProjectStatus, ResourceEventType, ResourceId, TIMESTAMP, WorkloadStatus};
use crate::invalid::Invalid;
use crate::ts::Ts;

/// A time of at least this number is refused, because it must be in milliseconds. In seconds, this is the
/// year 5138.
const MILLISECONDS: f64 = 1e11;

/// The form of the value of a field.
#[derive(Clone, Copy)]
enum Form {
    Id,
    Text,
    Number,
    /// One of the texts that this function accepts.
    OneOf(fn(&str) -> Result<(), Invalid>),
}

/// The fields that have the same form in events of every type.
const COMMON: [(&str, Form); 15] = [
    ("workload_id", Form::Id),
    ("project_id", Form::Id),
    ("cluster_id", Form::Id),
    ("addon_id", Form::Id),
    ("build_id", Form::Id),
    ("resource_id", Form::Id),
    ("message", Form::Text),
    ("error", Form::Text),
    ("error_type", Form::Text),
    ("image_digest", Form::Text),
    ("kubernetes_version", Form::Text),
    ("vtid", Form::Text),
    ("replicas", Form::Number),
    ("available_replicas", Form::Number),
    ("node_count", Form::Number),
];

impl ResourceEventType {
    /// The fields that every event of this type has.
    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::WorkloadStatusUpdate => &["workload_id", "status"],
            Self::AddonStatusUpdate => &["addon_id", "status"],
            Self::ProjectStatusUpdate => &["project_id", "status"],
            Self::ClusterStatusUpdate => &["cluster_id", "status"],
            Self::BuildComplete => &["build_id", "workload_id"],
            Self::BuildFailed => &["build_id", "workload_id", "error"],
            Self::ErrorReport => &["error_type", "message"],
        }
    }

    /// The form of the field `status`. `None` if the field has no meaning for events of this type.
    const fn status(self) -> Option<Form> {
        match self {
            Self::WorkloadStatusUpdate | Self::AddonStatusUpdate => {
                Some(Form::OneOf(|text| text.parse::<WorkloadStatus>().map(drop)))
            }
            Self::ProjectStatusUpdate => Some(Form::OneOf(|text| text.parse::<ProjectStatus>().map(drop))),
            Self::ClusterStatusUpdate => Some(Form::OneOf(|text| text.parse::<ClusterStatus>().map(drop))),
            Self::BuildComplete | Self::BuildFailed | Self::ErrorReport => None,
        }
    }
}

/// Checks the fields of an event, except its type, its time and the type of its resource.
pub(super) fn check_fields(
    event_type: ResourceEventType,
    fields: &Map<String, Value>,
) -> Result<(), Invalid> {
    for (name, value) in fields {
        if value.is_array() || value.is_object() {
            let name: String = name.chars().take(64).collect();
            return Err(field(&name, "an event is flat: expected a text, a number, a boolean or null"));
        }
    }
    for name in event_type.required() {
        if !fields.contains_key(*name) {
            return Err(field(name, format!("an event of type {event_type} must have it")));
        }
    }
    let status = event_type.status().map(|form| ("status", form));
    for (name, form) in COMMON.into_iter().chain(status) {
        if let Some(value) = fields.get(name) {
            check(name, value, form)?;
        }
    }
    Ok(())
}

pub(super) fn field(name: &str, why: impl std::fmt::Display) -> Invalid {
    Invalid::new(format!("`{name}`: {why}"))
}

fn check(name: &str, value: &Value, form: Form) -> Result<(), Invalid> {
    match (form, value) {
        (Form::Id, Value::String(id)) => ResourceId::parse(id).map(drop).map_err(|why| field(name, why)),
        (Form::OneOf(parse), Value::String(text)) => parse(text).map_err(|why| field(name, why)),
        (Form::Text, Value::String(_)) | (Form::Number, Value::Number(_)) => Ok(()),
        (Form::Id | Form::Text | Form::OneOf(_), _) => Err(field(name, "expected a text")),
        (Form::Number, _) => Err(field(name, "expected a number")),
    }
}

/// Reads a time in Unix seconds, which may have a fraction.
pub(super) fn time(value: &Value) -> Result<Ts, Invalid> {
    let seconds = value.as_f64().filter(|_| value.is_number());
    let seconds = seconds.ok_or_else(|| field(TIMESTAMP, "expected a number of Unix seconds"))?;
    if seconds >= MILLISECONDS {
        return Err(field(
            TIMESTAMP,
            "expected Unix seconds, but this looks like milliseconds: divide by 1000",
        ));
    }
    // A conversion to an integer saturates, and a saturated time is out of range.
    let instant = jiff::Timestamp::from_millisecond((seconds * 1_000.0).round() as i64);
    let ts = instant.map_err(|_| ()).and_then(|instant| Ts::new(instant).map_err(|_| ()));
    ts.map_err(|()| field(TIMESTAMP, "this time is out of range"))
}
