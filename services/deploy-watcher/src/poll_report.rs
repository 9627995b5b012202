//! What a poll came to, as `/poll`, `/ready` and the log say it.

use jiff::Timestamp;
use oasis_store::{AppendError, StoreError};
use serde::Serialize;

use crate::logs::LogsError;

/// What the polls of this process came to.
#[derive(Debug, Clone, Default)]
pub struct Last {
    /// When the last good one ended.
    pub good: Option<Timestamp>,
    /// Why the last one failed, if it did.
    pub failure: Option<&'static str>,
}

/// What a poll did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PollReport {
    /// Nothing: another one is under way, here or in another replica.
    Skipped {
        /// Always true: passing over a poll is no failure.
        ok: bool,
        /// Why.
        skipped: &'static str,
    },
    /// It read the logs.
    Read(Read),
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Read {
    /// Always true: a project that can't be read makes the poll an error.
    pub ok: bool,
    /// Entries, those that were known already not counted.
    pub seen: usize,
    /// New events in the table.
    pub published: usize,
    /// Entries that could not be read and are kept.
    pub unread: usize,
    /// The time of the newest entry read; the oldest of these over all projects.
    pub cursor: Option<String>,
    /// Whether there is more to read than one poll may.
    pub more: bool,
}

/// Why a poll failed. What was read until then is stored.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// Google did not give a page.
    #[error("reading the log of project {project}: {why}")]
    Logs {
        /// The project.
        project: String,
        /// Why not.
        why: LogsError,
    },
    /// The state could not be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be stored.
    #[error("storing the events: {0}")]
    Append(#[from] AppendError),
}

impl PollError {
    /// What answers and `/ready` call it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Logs { why, .. } => why.code(),
            Self::Store(_) => "database_unavailable",
            Self::Append(why) => why.told().map_or("internal", |(code, _)| code),
        }
    }
}
