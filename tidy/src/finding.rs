//! One violation of a rule.

use std::fmt;

/// Where the violation is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A path, with a line where there is one.
    pub place: String,
    /// The problem and its remedy, in a sentence or two.
    pub problem: String,
}

impl Finding {
    /// A finding in a file as a whole.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// A finding in one line of a file, counted from 1.
    pub fn at(path: &str, line: usize, problem: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}
