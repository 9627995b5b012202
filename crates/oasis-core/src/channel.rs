//! [`Channel`]: the topic a row belongs to, and [`Family`]: the channels that share a name before the colon.

use std::fmt;
use std::sync::Arc;

use crate::invalid::{Invalid, shown};

/// The text of the public ticker's channel, which is the only one of its family.
const DEVHUB: &str = "devhub";

/// A text that is almost always `devhub`, which takes no memory then; the clones of any other share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Name {
    Devhub,
    Other(Arc<str>),
}

impl Name {
    fn new(text: &str) -> Self {
        if text == DEVHUB { Self::Devhub } else { Self::Other(text.into()) }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Devhub => DEVHUB,
            Self::Other(text) => text,
        }
    }
}

/// The topic a row belongs to: a family such as `devhub` or `resources`, or a family and an id such as
/// `room:42`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Name);

impl Channel {
    /// Reads a channel.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (family, id) = text.split_once(':').map_or((text, None), |(family, id)| (family, Some(id)));
        if is_family(family) && id.is_none_or(is_id) {
            Ok(Self::stored(text))
        } else {
            Err(Invalid::new(format!(
                "{} is not a channel: expected a small-letter name of at most 32 characters, \
                 optionally a colon and an id of at most 128 characters of A-Z a-z 0-9 . _ -",
                shown(text)
            )))
        }
    }

    /// The public ticker's channel.
    pub const fn devhub() -> Self {
        Self(Name::Devhub)
    }

    /// A channel that the table holds: its CHECK constraint has the same grammar.
    pub fn stored(text: &str) -> Self {
        Self(Name::new(text))
    }

    /// Whether it is the public ticker's channel.
    pub fn is_devhub(&self) -> bool {
        self.0 == Name::Devhub
    }

    /// The field's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of its family: the part before the colon.
    pub fn family(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// The part behind the colon.
    pub fn id(&self) -> Option<&str> {
        self.as_str().split_once(':').map(|(_, id)| id)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The channels that share a name before the colon, such as every `room:…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Family(Name);

impl Family {
    /// Reads the name of a family.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_family(text) {
            Ok(Self(Name::new(text)))
        } else {
            Err(Invalid::new(format!(
                "{} is not a family of channels: expected a small-letter name of at most 32 characters",
                shown(text)
            )))
        }
    }

    /// A family that the table or a constant of ours holds.
    pub fn stored(text: &str) -> Self {
        Self(Name::new(text))
    }

    /// The public ticker's family.
    pub const fn devhub() -> Self {
        Self(Name::Devhub)
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_family(text: &str) -> bool {
    text.len() <= 32
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels() {
        for good in ["devhub", "resources", "room:42", "cast:a-B_c.d"] {
            assert!(Channel::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Devhub", "room:", "room:a b", "room:a:b", ":x"] {
            assert!(Channel::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_channel_is_a_family_and_an_id() {
        for (channel, family, id) in
            [("devhub", "devhub", None), ("room:4.2", "room", Some("4.2")), ("devhub:x", "devhub", Some("x"))]
        {
            let channel = Channel::parse(channel).unwrap();
            assert_eq!((channel.family(), channel.id()), (family, id));
            assert_eq!(Family::parse(family).unwrap().as_str(), family);
        }
        for bad in ["", "room:42", "Room", "9room"] {
            assert!(Family::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ticker_s_channel_is_one_however_it_was_made() {
        for channel in [Channel::parse("devhub").unwrap(), Channel::stored("devhub")] {
            assert!(channel.is_devhub());
            assert_eq!(channel, Channel::devhub());
        }
        assert!(!Channel::parse("devhub:x").unwrap().is_devhub());
        assert_eq!(Channel::stored("room:1"), Channel::parse("room:1").unwrap());
    }
}
