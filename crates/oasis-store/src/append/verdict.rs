//! What becomes of an append whose statement failed. Pure: a failure and its circumstances go in, a verdict
//! comes out.
//!
//! | failure | tried again | answered |
//! |---|---|---|
//! | the lock's time-out, a cancelled wait, a deadlock | appends with time left | the others |
//! | a repeat that the statement did not expect | with time left; repeats are passed over | the others |
//! | a row that the table refuses | each half of a shared batch by itself | an append that is alone |
//! | the connection is lost | rows with dedup keys, with time left | the others: the outcome is unknown |
//! | the database can't write | none | all |

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::insert::Repeats;

/// The pause before the next attempt when the database can't be reached.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// The pause after a deadlock: the other side goes on at once.
const MOMENT: Duration = Duration::from_millis(5);

/// How a statement failed, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The ordering trigger waited for the writers' lock in vain.
    LockTimeout,
    /// The statement waited for something else and was cancelled, or somebody cancelled it.
    Cancelled,
    /// It was the victim of a deadlock or of a serialization failure.
    Conflict,
    /// A unique index knows one of the rows.
    Repeat,
    /// A row is not what the table takes.
    Refused,
    /// The connection broke, or the session or the server is going down.
    Lost,
    /// The database can't write, or not for this role: read-only, full, no right.
    CannotWrite,
}

impl Failure {
    /// Classifies the SQLSTATE of an error. An error without one comes from the connection.
    pub(super) fn of(state: Option<&SqlState>) -> Self {
        let Some(state) = state else { return Self::Lost };
        match state.code() {
            "55P03" => Self::LockTimeout,
            "57014" => Self::Cancelled,
            "23505" => Self::Repeat,
            code => match code.get(..2).unwrap_or_default() {
                "40" => Self::Conflict,
                "22" | "23" => Self::Refused,
                "08" | "57" => Self::Lost,
                // SQLSTATE is an open set. What it does not promise to pass is not tried again.
                _ => Self::CannotWrite,
            },
        }
    }

    /// Whether the connection must not be used again: it is broken, or leads to a server that is read-only by
    /// now.
    pub(super) fn closes_the_connection(self) -> bool {
        match self {
            Self::Lost | Self::CannotWrite => true,
            Self::LockTimeout | Self::Cancelled | Self::Conflict | Self::Repeat | Self::Refused => false,
        }
    }

    /// Why the appends that wait behind the failed one wait, if the same thing keeps them waiting.
    pub(super) fn holds_up(self) -> Option<Reason> {
        match self {
            Self::LockTimeout | Self::Cancelled => Some(Reason::Stalled),
            // The lost rows may be stored. Those that were not sent are not.
            Self::Conflict | Self::Lost => Some(Reason::Unavailable),
            Self::Repeat | Self::Refused | Self::CannotWrite => None,
        }
    }
}

/// What else decides about one append of the statement that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// What the statement did with repeats.
    pub(super) repeats: Repeats,
    /// Whether other appends were in the same statement.
    pub(super) shared: bool,
    /// Whether each row has a dedup key, so that sending it twice stores it once.
    pub(super) repeatable: bool,
    /// Whether an earlier attempt may have stored the rows. They are then not said to have failed to land.
    pub(super) doubtful: bool,
    /// Whether there is time left for another attempt.
    pub(super) in_time: bool,
}

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again after a pause.
    Again {
        /// The pause.
        after: Duration,
        /// The answer, should there be no time left by then.
        otherwise: Reason,
    },
    /// It is tried again with only half of the appends that it shared the statement with.
    Halves,
    /// It is answered now: the table refuses it for good.
    Refuse,
    /// It is answered now.
    Answer(Reason),
}

/// Why an append fails that might have been stored at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Stalled,
    Unavailable,
    Unknown,
    Late,
}

/// Decides about one append.
pub(super) fn verdict(failure: Failure, its: Circumstances) -> Verdict {
    let reason = |reason| if its.doubtful { Reason::Unknown } else { reason };
    let again = |after, otherwise| {
        let otherwise = reason(otherwise);
        if its.in_time { Verdict::Again { after, otherwise } } else { Verdict::Answer(otherwise) }
    };
    match (failure, its.repeats) {
        (Failure::LockTimeout, _) => again(Duration::ZERO, Reason::Stalled),
        (Failure::Cancelled, _) => again(PAUSE, Reason::Stalled),
        (Failure::Conflict, _) => again(MOMENT, Reason::Unavailable),
        // The index refused the whole statement. The next one passes over what is there already.
        (Failure::Repeat, Repeats::Refused) => again(Duration::ZERO, Reason::Late),
        // One caller's bad row must not fail another's.
        (Failure::Repeat, Repeats::PassedOver) | (Failure::Refused, _) if its.shared => Verdict::Halves,
        (Failure::Repeat, Repeats::PassedOver) | (Failure::Refused, _) => Verdict::Refuse,
        (Failure::Lost, _) if its.repeatable => again(PAUSE, Reason::Unknown),
        (Failure::Lost, _) => Verdict::Answer(Reason::Unknown),
        (Failure::CannotWrite, _) => Verdict::Answer(reason(Reason::Unavailable)),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
