//! The task that an event belongs to.

use std::cmp::Ordering;
use std::str::FromStr;

use crate::invalid::Invalid;
use crate::vtid::Vtid;

/// The task that an event belongs to: the value of its `vtid` field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// The producer found no task.
    Unset,
    /// The event is from an agent without a task.
    Idle,
    /// The task with this name.
    Vtid(Vtid),
}

impl Task {
    /// Makes a task from text in the table. The text is not checked.
    pub fn stored(text: &str) -> Self {
        match text {
            "UNSET" => Self::Unset,
            "IDLE" => Self::Idle,
            _ => Self::Vtid(Vtid::stored(text)),
        }
    }

    /// Parses the task in a label of Google Cloud. Labels cannot contain dots, so an underscore replaces the
    /// dot before a subtask: `dev-commu-0042_g`.
    ///
    /// # Errors
    /// When the label is not a task.
    pub fn parse_label(label: &str) -> Result<Self, Invalid> {
        label.replace('_', ".").parse()
    }

    /// The field's text: the VTID, `UNSET` or `IDLE`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unset => "UNSET",
            Self::Idle => "IDLE",
            Self::Vtid(vtid) => vtid.as_str(),
        }
    }

    /// The layer of the VTID, if it has one.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::Unset | Self::Idle => None,
            Self::Vtid(vtid) => vtid.layer(),
        }
    }
}

/// Orders tasks by the field's text.
impl Ord for Task {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Task {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Option<Vtid>> for Task {
    fn from(found: Option<Vtid>) -> Self {
        found.map_or(Self::Unset, Self::Vtid)
    }
}

impl FromStr for Task {
    type Err = Invalid;

    /// Parses `UNSET`, `IDLE` or a VTID, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            unset if unset.eq_ignore_ascii_case("UNSET") => Ok(Self::Unset),
            idle if idle.eq_ignore_ascii_case("IDLE") => Ok(Self::Idle),
            other => Vtid::parse(other).map(Self::Vtid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underscore_in_a_label_stands_for_a_dot() {
        assert_eq!(Task::parse_label("dev-commu-0042_g").unwrap().as_str(), "DEV-COMMU-0042.G");
        assert!(Task::parse_label("dev_commu_0042").is_err());
    }

    #[test]
    fn unset_and_idle_are_tasks_in_any_case() {
        for (text, task) in [("UNSET", Task::Unset), ("unset", Task::Unset), ("Idle", Task::Idle)] {
            assert_eq!(text.parse(), Ok(task));
        }
        assert_eq!("vtid-0031".parse::<Task>().unwrap().as_str(), "VTID-0031");
        assert!("SYSTEM".parse::<Task>().is_err());
    }
}
