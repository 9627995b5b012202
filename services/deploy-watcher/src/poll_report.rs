//! [`PollReport`] and [`PollError`]: the outcome of a poll, for `/poll`, `/ready` and the log.

use jiff::Timestamp;
use oasis_store::{AppendError, StoreError};
use serde::Serialize;

use crate::logs::LogsError;

/// The outcome of the polls of this process so far. Skipped polls do not count.
#[derive(Debug, Clone, Default)]
pub struct PollStatus {
    /// When the last successful poll ended.
    pub last_good: Option<Timestamp>,
    /// The code of the last poll's error, if that poll failed.
    pub failure: Option<&'static str>,
}

/// The outcome of a poll without errors. Its JSON is the answer of `/poll`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PollReport {
    /// The poll did nothing, because another one is running, here or in another replica.
    Skipped {
        /// Always true: a skipped poll is not an error.
        ok: bool,
        /// Why the poll was skipped.
        skipped: &'static str,
    },
    /// The poll read the logs.
    Read(ReadSummary),
}

/// The counts of a poll that read the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReadSummary {
    /// Always true: if a project can't be read, the poll gives an error instead.
    pub ok: bool,
    /// The number of entries read, without those that earlier polls of this process have read.
    pub seen: usize,
    /// The number of events that are new in the table.
    pub published: usize,
    /// The number of entries put aside: unreadable ones, and those whose event the table refused.
    pub unread: usize,
    /// The oldest cursor of all projects, with milliseconds. A cursor is the time up to which a log was read.
    pub cursor: Option<String>,
    /// Whether a project has more to read than the budget of this poll allowed.
    pub more: bool,
}

/// Why a poll failed. The entries that it read before the failure are stored.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// A page could not be fetched.
    #[error("reading the log of project {project}: {why}")]
    Logs {
        /// The project.
        project: String,
        /// The error of the last try.
        why: LogsError,
    },
    /// The saved state could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be stored.
    #[error("storing the events: {0}")]
    Append(#[from] AppendError),
}

impl PollError {
    /// The code in error answers and in `/ready`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Logs { why, .. } => why.code(),
            Self::Store(_) => "database_unavailable",
            Self::Append(why) => why.caller_message().map_or("internal", |(code, _)| code),
        }
    }
}
