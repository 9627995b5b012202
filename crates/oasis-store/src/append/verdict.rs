//! Decides what happens to an append whose statement failed. The verdict depends only on the failure and on
//! the circumstances of the append.
//!
//! | failure | appends that are tried again | appends that are answered |
//! |---|---|---|
//! | a lock time-out, a cancelled statement, a deadlock | appends with time left | all others |
//! | a duplicate that the statement refuses | appends with time left, skipping duplicates | all others |
//! | a row that the table refuses | each half of a shared statement | an append alone in its statement |
//! | a lost connection | appends with dedup keys and time left | all others: the outcome is unknown |
//! | a database that can't write | none | all |

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::insert::Duplicates;

/// The pause before the next attempt when the database can't be reached.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// The pause after a deadlock. It is short, because the other session of the deadlock continues at once.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// How a statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The ordering trigger did not get the writers' lock in time.
    LockTimeout,
    /// The statement was cancelled, because it took too long or because another session cancelled it.
    Cancelled,
    /// The statement was the victim of a deadlock or of a serialization failure.
    Conflict,
    /// A unique index refuses one of the rows.
    Duplicate,
    /// The table does not accept one of the rows.
    Refused,
    /// The connection broke, or the session or the server is shutting down.
    Lost,
    /// The database can't write, or this role may not write. For example, the database is read-only, the disk
    /// is full, or a right is missing.
    CannotWrite,
}

impl Failure {
    /// Classifies the SQLSTATE of an error. An error without a SQLSTATE comes from the connection.
    pub(super) fn of(state: Option<&SqlState>) -> Self {
        let Some(state) = state else { return Self::Lost };
        match state.code() {
            "55P03" => Self::LockTimeout,
            "57014" => Self::Cancelled,
            "23505" => Self::Duplicate,
            code => match code.get(..2).unwrap_or_default() {
                "40" => Self::Conflict,
                "22" | "23" => Self::Refused,
                "08" | "57" => Self::Lost,
                // A failure with any other code may be permanent, so the append is not tried again.
                _ => Self::CannotWrite,
            },
        }
    }

    /// Whether the connection must not be used again, because it is broken or leads to a server that has
    /// become read-only.
    pub(super) fn closes_connection(self) -> bool {
        match self {
            Self::Lost | Self::CannotWrite => true,
            Self::LockTimeout | Self::Cancelled | Self::Conflict | Self::Duplicate | Self::Refused => false,
        }
    }

    /// The reason why the appends in the queue have to wait. `None` if the failure does not delay the queue.
    pub(super) fn queue_reason(self) -> Option<Reason> {
        match self {
            Self::LockTimeout | Self::Cancelled => Some(Reason::Stalled),
            // The rows of the failed statement may be stored. But the rows in the queue have not been sent,
            // so the reason for the queue is not `Unknown`.
            Self::Conflict | Self::Lost => Some(Reason::Unavailable),
            Self::Duplicate | Self::Refused | Self::CannotWrite => None,
        }
    }
}

/// The circumstances of one append that the verdict depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// What the statement does with duplicates.
    pub(super) duplicates: Duplicates,
    /// Whether the statement contained other appends.
    pub(super) shared: bool,
    /// Whether each row has a dedup key. A row with a key is stored once, even if it is sent twice.
    pub(super) idempotent: bool,
    /// Whether an earlier attempt may have stored the rows. If so, no answer may say that the rows were not
    /// stored.
    pub(super) in_doubt: bool,
    /// Whether there is time left for another attempt.
    pub(super) in_time: bool,
}

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The append is tried again after a pause.
    Retry {
        /// The pause.
        after: Duration,
        /// The reason in the answer if no time is left after the pause.
        otherwise: Reason,
    },
    /// The append is tried again, together with half of the appends of its statement.
    Split,
    /// The append is answered now. The table refuses its rows and would refuse them again.
    Refuse,
    /// The append is answered now, with this reason.
    Answer(Reason),
}

/// Why an append failed. The same append could succeed at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Stalled,
    Unavailable,
    Unknown,
    Late,
}

/// Decides what happens to one append.
pub(super) fn verdict(failure: Failure, circumstances: Circumstances) -> Verdict {
    let Circumstances { duplicates, shared, idempotent, in_doubt, in_time } = circumstances;
    let reason = |reason| if in_doubt { Reason::Unknown } else { reason };
    let retry = |after, otherwise| {
        let otherwise = reason(otherwise);
        if in_time { Verdict::Retry { after, otherwise } } else { Verdict::Answer(otherwise) }
    };
    match (failure, duplicates) {
        (Failure::LockTimeout, _) => retry(Duration::ZERO, Reason::Stalled),
        (Failure::Cancelled, _) => retry(PAUSE, Reason::Stalled),
        (Failure::Conflict, _) => retry(SHORT_PAUSE, Reason::Unavailable),
        // The unique index refused the whole statement. The next attempt skips the rows that are already
        // stored.
        (Failure::Duplicate, Duplicates::Refused) => retry(Duration::ZERO, Reason::Late),
        // A bad row in the append of one caller must not make the append of another caller fail.
        (Failure::Duplicate, Duplicates::Skipped) | (Failure::Refused, _) if shared => Verdict::Split,
        (Failure::Duplicate, Duplicates::Skipped) | (Failure::Refused, _) => Verdict::Refuse,
        (Failure::Lost, _) if idempotent => retry(PAUSE, Reason::Unknown),
        (Failure::Lost, _) => Verdict::Answer(Reason::Unknown),
        (Failure::CannotWrite, _) => Verdict::Answer(reason(Reason::Unavailable)),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
