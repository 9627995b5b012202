//! What the table refused for good, as far as a log may say it: the rule, and of each event what every event
//! has in the open. Neither `meta`, nor links, keys, or the database's own text, which may repeat what the
//! caller sent.

use std::fmt;

use oasis_core::{Channel, Kind, Module, Source, Task};
use tokio_postgres::error::DbError;

use super::prepared::PreparedEvent;

/// The most events that are named.
const NAMED: usize = 8;

/// Events that our own types allow and the table does not: a defect of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE, of class 22 or 23.
    pub sqlstate: String,
    /// The constraint that refused them, if it was one.
    pub constraint: Option<String>,
    /// The column, where the database names one.
    pub column: Option<String>,
    /// The events of the append, each kind of them once, and the first ones if there are many. An append is
    /// stored as a whole or not at all, and the database does not say which event it refused.
    pub events: Vec<RefusedEvent>,
    /// How many events the append had.
    pub of: usize,
}

/// What every event has in the open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the event")]
pub struct RefusedEvent {
    pub task: Task,
    pub kind: Kind,
    pub source: Source,
    pub module: Module,
    pub channel: Channel,
}

impl Refusal {
    /// What `error` says of `rows`.
    pub(super) fn new(error: Option<&DbError>, rows: &[PreparedEvent]) -> Self {
        let mut events: Vec<RefusedEvent> = Vec::new();
        for row in rows {
            let event = RefusedEvent::from(row);
            if events.len() < NAMED && !events.contains(&event) {
                events.push(event);
            }
        }
        Self {
            sqlstate: error.map_or_else(String::new, |error| error.code().code().to_owned()),
            constraint: error.and_then(DbError::constraint).map(str::to_owned),
            column: error.and_then(DbError::column).map(str::to_owned),
            events,
            of: rows.len(),
        }
    }
}

impl From<&PreparedEvent> for RefusedEvent {
    fn from(row: &PreparedEvent) -> Self {
        let event = row.event();
        Self {
            task: event.task.clone(),
            kind: event.kind.clone(),
            source: event.source,
            module: event.module.clone(),
            channel: row.channel().clone(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {}", self.sqlstate)?;
        let named = [("constraint", &self.constraint), ("column", &self.column)];
        for (what, name) in named {
            name.iter().try_for_each(|name| write!(f, ", {what} {name}"))?;
        }
        if self.of > 1 {
            write!(f, "; one of {} events", self.of)?;
        }
        self.events.iter().try_for_each(|event| write!(f, "; {event}"))
    }
}

impl fmt::Display for RefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, kind, source, module, channel } = self;
        let (task, kind, channel) = (task.as_str(), kind.as_str(), channel.as_str());
        write!(f, "vtid {task}, kind {kind}, source {source}, module {module}, channel {channel}")
    }
}
