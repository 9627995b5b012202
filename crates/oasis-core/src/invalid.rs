//! The error for a value that its grammar forbids, and the form in which a message shows such a value.

/// A value that its grammar forbids. The message is for the sender of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// A rejection with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// `value` for a message: quoted, escaped, and cut so that hostile input cannot flood a log.
pub(crate) fn shown(value: &str) -> String {
    const MAX_CHARS: usize = 80;
    match value.char_indices().nth(MAX_CHARS) {
        Some((cut, _)) => format!("{:?}…", &value[..cut]),
        None => format!("{value:?}"),
    }
}
