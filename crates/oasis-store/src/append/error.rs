//! [`AppendError`]: why an append failed, and the message that the sender of the events may see.

use super::refusal::Refusal;

/// Why an append failed. Nothing was stored, unless the error is [`AppendError::Unknown`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The table refuses the rows (SQLSTATE class 22 or 23), and would refuse them again. The types of
    /// oasis-core and the constraints of the table disagree.
    #[error("the table refused the event: {0}")]
    Refused(Box<Refusal>),
    /// A lock of another session blocked the append until its deadline.
    #[error("another session holds a lock that writers need; /ready names the session")]
    Stalled,
    /// The database could not be reached or could not write.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// It is not known whether the rows were stored: the connection was lost after the rows were sent, or no
    /// answer arrived in time. Sending the rows again is safe only if the rows have dedup keys.
    #[error("the commit was not confirmed, and the events may be stored: {0}")]
    Unknown(String),
    /// No time was left for an attempt, because the request took too long to arrive or too many other appends
    /// were waiting.
    #[error("no time was left to write the event")]
    Late,
    /// Too many appends are waiting already.
    #[error("too many events are waiting to be written")]
    Overloaded,
}

impl AppendError {
    /// The error code and the sentence that the sender of the events may see. Both leave out details that
    /// only the log may contain. `None` if the table refuses the events, because sending the same events
    /// again would not help.
    pub fn caller_message(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Refused(_) => None,
            Self::Stalled => Some(("database_busy", "another session holds a lock on the table")),
            Self::Unavailable(_) => Some(("database_unavailable", "the database can't be written to now")),
            Self::Unknown(_) => Some(("outcome_unknown", "the database did not confirm the write")),
            Self::Late => Some(("late", "no time was left to write the event")),
            Self::Overloaded => Some(("overloaded", "too many events are waiting to be written")),
        }
    }
}
