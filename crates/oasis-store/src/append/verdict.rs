//! Decides what happens to an append whose statement failed. It is pure: a failure and its circumstances go
//! in, a verdict comes out.
//!
//! | failure | tried again | answered |
//! |---|---|---|
//! | the lock's time-out, a cancelled wait, a deadlock | appends with time left | all others |
//! | a duplicate that the statement refuses | appends with time left; duplicates are skipped | all others |
//! | a row that the table refuses | each half of a shared batch by itself | an append that is alone |
//! | the connection is lost | rows with dedup keys, with time left | all others: the outcome is unknown |
//! | the database can't write | none | all |

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::insert::Duplicates;

/// The pause before the next attempt when the database can't be reached.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// The pause after a deadlock. The other side of the deadlock goes on at once.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// How a statement failed. Each of these failures has its own verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The ordering trigger did not get the writers' lock in time.
    LockTimeout,
    /// The statement waited for something else and was cancelled, or another session cancelled it.
    Cancelled,
    /// The statement was the victim of a deadlock or of a serialization failure.
    Conflict,
    /// A unique index refuses one of the rows.
    Duplicate,
    /// The table does not accept one of the rows.
    Refused,
    /// The connection broke, or the session or the server is shutting down.
    Lost,
    /// The database can't write, or this role may not: read-only, disk full, a right is missing.
    CannotWrite,
}

impl Failure {
    /// Classifies the SQLSTATE of an error. An error without one comes from the connection.
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
                // SQLSTATE is an open set. Codes that may not be temporary are not tried again.
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

    /// The reason for the appends that wait in the queue, if the failure delays them too.
    pub(super) fn queue_reason(self) -> Option<Reason> {
        match self {
            Self::LockTimeout | Self::Cancelled => Some(Reason::Stalled),
            // The rows that were sent may be stored. The waiting rows have not been sent, so they are not.
            Self::Conflict | Self::Lost => Some(Reason::Unavailable),
            Self::Duplicate | Self::Refused | Self::CannotWrite => None,
        }
    }
}

/// The circumstances of one append. The verdict depends on them and on the failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// What the statement does with duplicates.
    pub(super) duplicates: Duplicates,
    /// Whether the statement contained other appends.
    pub(super) shared: bool,
    /// Whether each row has a dedup key, so that sending it twice stores it once.
    pub(super) idempotent: bool,
    /// Whether an earlier attempt may have stored the rows. If so, no answer says that they were not
    /// stored.
    pub(super) in_doubt: bool,
    /// Whether there is time left for another attempt.
    pub(super) in_time: bool,
}

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again after a pause.
    Retry {
        /// The pause.
        after: Duration,
        /// The answer if no time is left then.
        otherwise: Reason,
    },
    /// It is tried again, with half of the appends of its statement.
    Split,
    /// It is answered now. The table refuses its rows and would refuse them again.
    Refuse,
    /// It is answered now, with this reason.
    Answer(Reason),
}

/// Why an append fails that might succeed at another time.
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
        // The index refused the whole statement. The next attempt skips the rows that are stored already.
        (Failure::Duplicate, Duplicates::Refused) => retry(Duration::ZERO, Reason::Late),
        // The bad row of one caller must not fail the rows of another.
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
