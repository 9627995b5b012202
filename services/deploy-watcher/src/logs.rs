//! Cloud Logging as the watcher sees it: pages of entries, oldest first.
//!
//! [`gcloud`] is the one file that knows which client is used.

pub mod gcloud;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// One project's log of Cloud Run deploys.
pub trait Logs: Send + Sync + 'static {
    /// One call: the page that `ask` names. It may be empty and still be followed by others.
    ///
    /// # Errors
    /// See [`LogsError`].
    fn list(&self, ask: Ask<'_>) -> impl Future<Output = Result<Page, LogsError>> + Send;
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The project's id.
    pub project: &'a str,
    /// Entries at or after this time.
    pub from: Timestamp,
    /// The page, as an earlier one with the same `from` named it; else the first.
    pub token: Option<&'a str>,
}

/// Entries in the order of their time.
#[derive(Debug, Default)]
pub struct Page {
    /// What stands in it.
    pub entries: Vec<Listed>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// What tells an entry from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// Its log's full name.
    pub log_name: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its id among those of its log and time.
    pub insert_id: String,
}

/// An entry as it came.
#[derive(Debug)]
pub struct Listed {
    /// Which one it is.
    pub id: EntryId,
    /// The entry's protobuf, for one that can't be read.
    pub bytes: Vec<u8>,
    /// What it says, or why it has no audit record that could be read.
    pub entry: Result<Entry, String>,
}

/// An entry with an audit record.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The labels of the monitored resource: `project_id`, `location`, `service_name`, `revision_name`.
    pub resource: BTreeMap<String, String>,
    /// The id of the long-running operation that it is part of, or empty.
    pub operation: String,
    /// `methodName`, or empty.
    pub method: String,
    /// `resourceName`.
    pub resource_name: String,
    /// `status.code`; 0 is fine.
    pub code: i32,
    /// `status.message`.
    pub message: String,
    /// `authenticationInfo.principalEmail`.
    pub principal: String,
    /// `request`, or null.
    pub request: Value,
    /// `response`, or null.
    pub response: Value,
}

/// Why a page could not be had. The text is Google's.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// No credentials could be found, or no token be got with them.
    #[error("no credentials for Google Cloud: {0}")]
    Credentials(String),
    /// The credentials are not enough.
    #[error("Cloud Logging denies access to the logs of the project: {0}")]
    Denied(String),
    /// There is no such project.
    #[error("Cloud Logging knows no such project: {0}")]
    NoProject(String),
    /// Too many calls a minute.
    #[error("the quota of Cloud Logging is used up: {0}")]
    Quota(String),
    /// It can't be reached, or has trouble of its own.
    #[error("Cloud Logging can't be reached: {0}")]
    Unavailable(String),
    /// It refuses the call, as it does with a token that has expired.
    #[error("Cloud Logging refuses the call: {0}")]
    Refused(String),
}

impl LogsError {
    /// Whether the same call may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Quota(_) | Self::Unavailable(_) => true,
            Self::Credentials(_) | Self::Denied(_) | Self::NoProject(_) | Self::Refused(_) => false,
        }
    }

    /// What errors and metrics call it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "no_credentials",
            Self::Denied(_) => "permission_denied",
            Self::NoProject(_) => "no_such_project",
            Self::Quota(_) => "quota_exhausted",
            Self::Unavailable(_) => "logging_unavailable",
            Self::Refused(_) => "logging_refused",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Credentials(_) => {
                "run as a service account, or set GOOGLE_APPLICATION_CREDENTIALS, or \
                 `gcloud auth application-default login`"
            }
            Self::Denied(_) => "grant the watcher's account roles/logging.viewer in the project",
            Self::NoProject(_) => "GCP_PROJECT must name projects by their ids",
            Self::Quota(_) => "60 list calls a minute are allowed; poll less often, or wait",
            Self::Unavailable(_) => "nothing is lost: the next poll reads what this one did not",
            Self::Refused(_) => "the log says what Google did not like",
        }
    }
}
