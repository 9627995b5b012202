//! [`StoredEvent`]: an event that was read from the table, and the list of its columns.

use jiff::Timestamp;
use oasis_core::{Channel, Kind, Layer, Link, Meta, Module, Source, Status, Task, Ticker, Ts, emails};
use smol_str::SmolStr;
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
    pub title: SmolStr,
    pub reference: SmolStr,
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
            link: self.link.as_ref().map(|link| link.as_str().into()),
        }
    }

    /// The public fields of the event, without the e-mail addresses in its link.
    pub fn ticker_without_emails(&self) -> Ticker<'_> {
        let link = self.link.as_ref().and_then(|link| emails::withhold_in_link(link.as_str()));
        Ticker { link, ..self.ticker() }
    }

    /// Makes an event from a row whose first columns are [`COLUMNS`] and then `meta` as text. The columns are
    /// read by their places, because a search for 14 names would take a tenth of the tail's time.
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        let id = row.try_get(0)?;
        // Most texts are short. A `SmolStr` keeps a short text without an allocation.
        let text = |nth| row.try_get::<_, &str>(nth);
        let newer = |why| StoreError::Newer { id, why };
        Ok(Self {
            id,
            // The table accepts only times in the range of `Ts`, so `clamped` only rounds the time.
            ts: Ts::clamped(row.try_get(1)?),
            task: Task::stored(text(2)?),
            layer: Layer::stored(text(3)?),
            module: Module::stored(text(4)?),
            source: text(5)?.parse().map_err(newer)?,
            kind: Kind::stored(text(6)?),
            status: text(7)?.parse().map_err(newer)?,
            title: text(8)?.into(),
            reference: text(9)?.into(),
            link: row.try_get::<_, Option<String>>(10)?.map(Link::stored),
            channel: Channel::stored(text(11)?),
            recorded_at: row.try_get(12)?,
            meta: row.try_get::<_, Option<String>>(13)?.map(Meta::stored),
        })
    }
}
