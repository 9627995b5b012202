//! [`State`]: how an agent is.

use std::fmt;
use std::str::FromStr;

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// At a task.
    Working,
    /// Without one.
    Idle,
    /// No ping has come for 1.5 of its intervals.
    Late,
    /// The table holds its loss.
    Lost,
    /// It said goodbye.
    Stopped,
}

impl State {
    pub(super) const ALL: [Self; 5] = [Self::Working, Self::Idle, Self::Late, Self::Lost, Self::Stopped];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
        }
    }
}

/// A word that is no state.
#[derive(Debug)]
pub(super) struct UnknownState;

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of {}", State::ALL.map(State::as_str).join(", "))
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}
