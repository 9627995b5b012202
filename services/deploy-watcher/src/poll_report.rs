//! [`PollReport`] and [`PollError`]: the outcome of a poll, for `/poll`, `/ready` and the log.

use jiff::Timestamp;
use oasis_store::{AppendError, StoreError};
use serde::Serialize;

use crate::logs::LogsError;

/// When a poll of this process last succeeded, and whether the last poll failed. Skipped polls do not count.
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
    /// The poll did nothing, because another poll is running in this process or in another replica.
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
    /// Always true: if a project can't be read, the poll returns an error instead.
    pub ok: bool,
    /// The number of entries that this process read for the first time.
    pub seen: usize,
    /// The number of events that were stored. Events that the table already had and resource events do not
    /// count.
    pub published: usize,
    /// The number of entries that were quarantined: entries that can't be read, and entries whose event the
    /// table refused.
    pub unread: usize,
    /// The number of entries whose outcome waits for its request. The next poll reads these entries again.
    #[serde(skip_serializing_if = "is_zero")]
    pub held: usize,
    /// The oldest cursor of all projects, with milliseconds. A cursor is the time up to which a project's log
    /// has been read.
    pub cursor: Option<String>,
    /// Whether the poll used up its budget before it read the last page of each project.
    pub more: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Why a poll failed. The events of the pages before the failure are stored.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// A page could not be fetched.
    #[error("can't read the log of project {project}: {why}")]
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
    #[error("can't store the events: {0}")]
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
