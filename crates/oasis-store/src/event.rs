//! [`StoredEvent`]: an event that was read from the table, and the list of its columns.

use jiff::Timestamp;
use oasis_core::{Channel, Kind, Layer, Link, Meta, Module, Source, Status, Task, Ticker, Ts};
use tokio_postgres::Row;

use crate::error::StoreError;

/// The columns of every [`StoredEvent`]. `meta` is not in this list, because not every reader needs it.
pub(crate) const COLUMNS: [&str; 13] = [
    "id",
    "ts",
    "vtid",
    "layer",
    "module",
    "source",
    "kind",
    "status",
    "title",
    "ref",
    "link",
    "channel",
    "recorded_at",
];

/// An event that was read from the table. The table's CHECK constraints enforce the grammars of these types,
/// so most texts are not parsed again. Only the source and the status are parsed, because a newer version may
/// have stored a value that this version does not know.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the docs of `Event` and `NewEvent` explain the fields")]
pub struct StoredEvent {
    pub id: i64,
    pub ts: Ts,
    pub task: Task,
    pub layer: Layer,
    pub module: Module,
    pub source: Source,
    pub kind: Kind,
    pub status: Status,
    pub title: String,
    pub reference: String,
    pub link: Option<Link>,
    pub channel: Channel,
    pub recorded_at: Timestamp,
    /// `None` if the reader did not request `meta`.
    pub meta: Option<Meta>,
}

impl StoredEvent {
    /// The public fields of the event.
    pub fn ticker(&self) -> Ticker<'_> {
        Ticker {
            ts: self.ts,
            vtid: self.task.as_str(),
            layer: self.layer.as_str(),
            module: self.module.as_str(),
            source: self.source,
            kind: self.kind.as_str(),
            status: self.status,
            title: &self.title,
            reference: &self.reference,
            link: self.link.as_ref().map(Link::as_str),
        }
    }

    /// Makes an event from a row that has the columns [`COLUMNS`], and `meta` as text.
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        let id = row.try_get("id")?;
        let newer = |why| StoreError::Newer { id, why };
        Ok(Self {
            id,
            // The table accepts only times in the range of `Ts`, so `clamped` only rounds the time.
            ts: Ts::clamped(row.try_get("ts")?),
            task: Task::stored(row.try_get("vtid")?),
            layer: Layer::stored(row.try_get("layer")?),
            module: Module::stored(row.try_get("module")?),
            source: row.try_get::<_, &str>("source")?.parse().map_err(newer)?,
            kind: Kind::stored(row.try_get("kind")?),
            status: row.try_get::<_, &str>("status")?.parse().map_err(newer)?,
            title: row.try_get("title")?,
            reference: row.try_get("ref")?,
            link: row.try_get::<_, Option<String>>("link")?.map(Link::stored),
            channel: Channel::stored(row.try_get("channel")?),
            recorded_at: row.try_get("recorded_at")?,
            meta: row.try_get::<_, Option<String>>("meta")?.map(Meta::stored),
        })
    }
}
