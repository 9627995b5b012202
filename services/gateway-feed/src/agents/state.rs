//! Defines the states of an agent ([`State`]).

use std::fmt;
use std::str::FromStr;

/// The state of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// The agent works on a task.
    Working,
    /// The agent has no task.
    Idle,
    /// No ping has come for 1.5 of the agent's intervals.
    Late,
    /// A gateway reported the agent as lost, and the agent has not come back.
    Lost,
    /// The agent reported that it stopped.
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

/// A word that is not a state.
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
