//! [`Invalid`]: a value that its grammar forbids, and how a rejected value may be shown.

/// A value that its grammar forbids. The message is meant for the sender of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// A rejection with the sentence that the sender reads.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// `value` as it may stand in a message: escaped, and cut so that hostile input cannot flood a log.
pub(crate) fn shown(value: &str) -> String {
    const MOST: usize = 80;
    match value.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{:?}…", &value[..cut]),
        None => format!("{value:?}"),
    }
}
