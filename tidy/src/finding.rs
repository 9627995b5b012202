//! [`Finding`]: the report of one violation.

use std::fmt;

/// A violation of a rule: its place and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A path, or a path and a line number.
    pub place: String,
    /// The problem and its remedy, in one or two sentences.
    pub problem: String,
}

impl Finding {
    /// A finding about a whole file.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// A finding about one line of a file. Lines are counted from 1.
    pub fn at(path: &str, line: usize, problem: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}
