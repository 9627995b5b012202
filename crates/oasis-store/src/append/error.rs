//! Why an append failed, and what its caller is told.

use super::refusal::Refusal;

/// Why an append failed. Nothing was stored, unless it says that it is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The table refuses the rows, and would refuse them again (SQLSTATE class 22 or 23): our types and its
    /// constraints disagree.
    #[error("the table refused the event: {0}")]
    Refused(Box<Refusal>),
    /// Another session held a lock that writers need, all the while.
    #[error("another session holds a lock that writers need; /ready names it")]
    Stalled,
    /// The database could not be reached or could not write.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost after the rows were sent, and they have no dedup key to send them again
    /// safely.
    #[error("the connection was lost before the commit was confirmed: {0}")]
    Unknown(String),
    /// There was no time left for an attempt: the request took too long to arrive, or too much waited before
    /// it.
    #[error("no time was left to write the event")]
    Late,
    /// Too much waits already.
    #[error("too many events wait to be written")]
    Overloaded,
}

impl AppendError {
    /// What the sender of the events is told: a code, and a sentence without what only the log should say.
    /// `None` for a defect of ours, which sending the events again does not mend.
    pub fn told(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Refused(_) => None,
            Self::Stalled => Some(("database_busy", "another session holds the table")),
            Self::Unavailable(_) => Some(("database_unavailable", "the database can't be written to now")),
            Self::Unknown(_) => Some(("outcome_unknown", "the database did not confirm it")),
            Self::Late => Some(("late", "there was no time left to write it")),
            Self::Overloaded => Some(("overloaded", "too much waits to be written")),
        }
    }
}
