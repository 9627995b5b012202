//! The error for a value that does not fit its grammar, and the form in which a message shows such a value.

/// Says that a value does not fit its grammar. The message is for the sender of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// Makes an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Formats `value` for a message: quotes and escapes it, and cuts it so that hostile input cannot flood a
/// log.
pub(crate) fn shown(value: &str) -> String {
    const MAX_CHARS: usize = 80;
    match value.char_indices().nth(MAX_CHARS) {
        Some((cut, _)) => format!("{:?}…", &value[..cut]),
        None => format!("{value:?}"),
    }
}
