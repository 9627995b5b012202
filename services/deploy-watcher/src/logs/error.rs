//! [`LogsError`]: why a page could not be had, and what to do about it.

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
