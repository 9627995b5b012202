//! The error for a value that does not fit its grammar. This file also formats such values for error
//! messages.

/// The error for a value that does not fit its grammar. The message is for the sender of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// Makes an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Formats `value` for an error message. The value is quoted, escaped and cut to 80 characters, so that
/// hostile input cannot flood a log.
pub(crate) fn shown(value: &str) -> String {
    const MAX_CHARS: usize = 80;
    match value.char_indices().nth(MAX_CHARS) {
        Some((cut, _)) => format!("{:?}…", &value[..cut]),
        None => format!("{value:?}"),
    }
}
