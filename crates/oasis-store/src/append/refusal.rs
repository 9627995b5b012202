//! [`Refusal`]: describes events that the table refused, in a form that a log may contain. A refusal names
//! the rule that refused the events, and the fields of each event that are always public. A refusal leaves
//! out `meta`, links, dedup keys and the message of the database, because these may contain private data of
//! the caller.

use std::fmt;

use oasis_core::{Channel, Kind, Module, Source, Task};
use tokio_postgres::error::DbError;

use super::prepared::PreparedEvent;

/// The maximum number of events that a refusal names.
const NAMED: usize = 8;

/// Events that the types of oasis-core allow but the table refuses. The cause is a defect of OASIS DevHub or
/// a constraint that a user added to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE, of class 22 or 23.
    pub sqlstate: String,
    /// The constraint that refused the events, if a constraint did.
    pub constraint: Option<String>,
    /// The column, if the database names one.
    pub column: Option<String>,
    /// The first few distinct events of the append. Any of the append's events may be the cause, because the
    /// database does not say which event it refused.
    pub events: Vec<RefusedEvent>,
    /// The number of events in the append.
    pub of: usize,
}

/// The fields of an event that are always public.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the docs of `Event` and `NewEvent` explain the fields")]
pub struct RefusedEvent {
    pub task: Task,
    pub kind: Kind,
    pub source: Source,
    pub module: Module,
    pub channel: Channel,
}

impl Refusal {
    /// Describes `rows`, which the database refused with `error`.
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
