//! The JSON of rooms and lines.

use oasis_core::room::Readers;
use oasis_core::{Meta, RoomState, Task, Ts};
use oasis_store::StoredEvent;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A room, as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Room<'a> {
    id: &'a str,
    title: Option<&'a str>,
    owner: Option<&'a str>,
    readers: Readers,
    state: &'static str,
    created_at: Ts,
    updated_at: Ts,
}

impl<'a> Room<'a> {
    pub(super) fn new(id: &'a str, room: &'a RoomState) -> Self {
        Self {
            id,
            title: room.title.as_deref(),
            owner: room.owner.as_deref(),
            readers: room.readers,
            state: if room.is_closed { "closed" } else { "open" },
            created_at: room.created_at,
            updated_at: room.updated_at,
        }
    }
}

/// A line, as clients see it. The values from `meta` are copied and not parsed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'a> {
    /// `None` in a stream, where the block has the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    timestamp: Ts,
    agent_type: &'a RawValue,
    level: &'a RawValue,
    message: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vtid: Option<&'a str>,
}

impl Line<'_> {
    pub(crate) fn with_id(self, id: i64) -> Self {
        Self { id: Some(id), ..self }
    }
}

/// The `meta` of a line.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredLine<'a> {
    #[serde(borrow)]
    agent_type: Option<&'a RawValue>,
    #[serde(borrow)]
    level: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

impl<'a> StoredLine<'a> {
    /// Reads the `meta` of a row. Programs that write to the table directly may have left out a value, or may
    /// have stored a value of another type. Such values are absent here.
    pub(crate) fn read(row: &'a StoredEvent) -> Self {
        let meta = row.meta.as_ref().map_or("{}", Meta::as_json);
        serde_json::from_str(meta).unwrap_or_default()
    }

    /// The line that clients see.
    pub(crate) fn line(&self, row: &'a StoredEvent, defaults: &'a Defaults) -> Line<'a> {
        let text = |value: Option<&'a RawValue>| value.filter(|value| value.get().starts_with('"'));
        Line {
            id: None,
            timestamp: row.ts,
            agent_type: text(self.agent_type).unwrap_or(&defaults.agent_type),
            level: text(self.level).unwrap_or(&defaults.level),
            message: text(self.message).unwrap_or(&defaults.message),
            metadata: self.metadata.filter(|value| value.get().starts_with('{')),
            vtid: match &row.task {
                Task::Vtid(vtid) => Some(vtid.as_str()),
                Task::Unset | Task::Idle => None,
            },
        }
    }
}

/// What clients see instead of values that a row does not have.
pub(crate) struct Defaults {
    agent_type: Box<RawValue>,
    level: Box<RawValue>,
    message: Box<RawValue>,
}

impl Defaults {
    pub(crate) fn new() -> Self {
        // Serialising a text cannot fail.
        let text = |text: &str| serde_json::value::to_raw_value(text).unwrap_or_default();
        Self { agent_type: text("unknown"), level: text("info"), message: text("") }
    }
}
