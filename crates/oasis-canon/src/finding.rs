//! A finding: where a repository does not follow a rule.

use crate::rule::{Level, Rule};
use crate::text::Place;

/// A place where the repository does not follow a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How much the finding matters.
    pub level: Level,
    /// The file or folder, relative to the top of the repository. For the rules about a pull request, the
    /// name of the branch or `title`.
    pub path: String,
    /// The place in the file.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    pub(crate) fn new(
        rule: Rule,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            level: rule.default_level(),
            path: path.into(),
            place: None,
            message: message.into(),
            help: help.into(),
        }
    }

    /// Adds the place of a byte of the file's text.
    pub(crate) fn at(self, text: &str, byte: usize) -> Self {
        Self { place: Some(Place::of(text, byte)), ..self }
    }
}
