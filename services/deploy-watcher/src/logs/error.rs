//! [`LogsError`]: why a page could not be fetched, with a code and a hint for each case.

/// The reason why a page could not be fetched. Each variant contains the text of the error. Most of these
/// texts come from Google.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// There are no usable credentials, or a request for a token failed.
    #[error("no credentials for Google Cloud: {0}")]
    Credentials(String),
    /// The account lacks a permission.
    #[error("Cloud Logging denies access to the logs of the project: {0}")]
    Denied(String),
    /// The project does not exist.
    #[error("Cloud Logging does not know the project: {0}")]
    NoProject(String),
    /// There were too many calls in the last minute.
    #[error("the quota of Cloud Logging is exhausted: {0}")]
    Quota(String),
    /// Cloud Logging is unreachable, or failed internally.
    #[error("Cloud Logging is unavailable: {0}")]
    Unavailable(String),
    /// Cloud Logging rejected the call, for example because its page token has expired.
    #[error("Cloud Logging refuses the call: {0}")]
    Refused(String),
}

impl LogsError {
    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Quota(_) | Self::Unavailable(_) => true,
            Self::Credentials(_) | Self::Denied(_) | Self::NoProject(_) | Self::Refused(_) => false,
        }
    }

    /// The code in error answers and in `/ready`.
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

    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Credentials(_) => {
                "run as a service account, set GOOGLE_APPLICATION_CREDENTIALS, or run \
                 `gcloud auth application-default login`"
            }
            Self::Denied(_) => "grant the watcher's account roles/logging.viewer in the project",
            Self::NoProject(_) => "use project ids in GCP_PROJECT, not names or numbers",
            Self::Quota(_) => "Google allows 60 list calls a minute: poll less often, or wait",
            Self::Unavailable(_) => "nothing to do: the next poll reads the entries that this poll missed",
            Self::Refused(_) => "the message says why Google rejected the call",
        }
    }
}
