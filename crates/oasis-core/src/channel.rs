//! The [`Channel`] that a row belongs to, such as `room:42`, and the [`Family`] of a channel, such as `room`.

use std::fmt;

use smol_str::SmolStr;

use crate::invalid::{Invalid, shown};

/// The name of the public ticker's channel. The family of this channel has the same name.
const DEVHUB: &str = "devhub";

/// The channel that a row belongs to: a family, such as `devhub` or `resources`, or a family and an id, such
/// as `room:42`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(SmolStr);

impl Channel {
    /// Parses the text of a channel.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (family, id) = text.split_once(':').map_or((text, None), |(family, id)| (family, Some(id)));
        if is_family(family) && id.is_none_or(is_id) {
            Ok(Self::stored(text))
        } else {
            Err(Invalid::new(format!(
                "{} is not a channel: expected a name of at most 32 characters of a-z, 0-9 and _ that starts \
                 with a letter, optionally followed by a colon and an id of at most 128 characters of A-Z, \
                 a-z, 0-9, dot, _ and -",
                shown(text)
            )))
        }
    }

    /// The public ticker's channel.
    pub const fn devhub() -> Self {
        Self(SmolStr::new_static(DEVHUB))
    }

    /// Makes a channel from text that was read from the table. The text is not checked, because the table's
    /// CHECK constraint enforces the same grammar.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether this is the public ticker's channel.
    pub fn is_devhub(&self) -> bool {
        self.0 == DEVHUB
    }

    /// The channel's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the family: the part before the colon, or the whole text if it has no colon.
    pub fn family(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// The id of the channel: the part after the colon, if there is one.
    pub fn id(&self) -> Option<&str> {
        self.as_str().split_once(':').map(|(_, id)| id)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All channels with the same name before the colon, such as every `room:…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Family(SmolStr);

impl Family {
    /// Parses the name of a family.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_family(text) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "{} is not a family of channels: expected at most 32 characters of a-z, 0-9 and _ that start \
                 with a letter",
                shown(text)
            )))
        }
    }

    /// Makes a family from text that was read from the table, or from a constant. The text is not checked.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The public ticker's family.
    pub const fn devhub() -> Self {
        Self(SmolStr::new_static(DEVHUB))
    }

    /// The name of the family.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Defines the id of a channel of one family, such as the id of a room.
macro_rules! channel_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $family:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($crate::Channel);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// When `text` does not fit the grammar.
            pub fn parse(text: &str) -> Result<Self, $crate::Invalid> {
                // A client might treat the ids `.` and `..` as parts of a path.
                match $crate::Channel::parse(&format!("{}:{text}", $family)) {
                    Ok(channel) if !matches!(text, "." | "..") => Ok(Self(channel)),
                    Ok(_) | Err(_) => Err($crate::Invalid::new(format!(
                        "{} is not the id of a {}: expected 1 to 128 characters of A-Z, a-z, 0-9, dot, _ \
                         and -, but not . or ..",
                        $crate::invalid::shown(text), $what
                    ))),
                }
            }

            #[doc = concat!("The ", $what, " with this channel. `None` if this is another channel.")]
            pub fn of_channel(channel: &$crate::Channel) -> Option<Self> {
                (channel.family() == $family && channel.id().is_some()).then(|| Self(channel.clone()))
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                self.0.id().unwrap_or_default()
            }

            #[doc = concat!("The channel that holds the rows of the ", $what, ".")]
            pub fn channel(&self) -> &$crate::Channel {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use channel_id;

fn is_family(text: &str) -> bool {
    text.len() <= 32
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether a text is the id of a channel.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_a_family_and_an_optional_id() {
        for good in ["devhub", "resources", "room:42", "cast:a-B_c.d"] {
            assert!(Channel::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Devhub", "room:", "room:a b", "room:a:b", ":x"] {
            assert!(Channel::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_channel_splits_into_family_and_id() {
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
    fn channels_with_the_same_text_are_equal() {
        for channel in [Channel::parse("devhub").unwrap(), Channel::stored("devhub")] {
            assert!(channel.is_devhub());
            assert_eq!(channel, Channel::devhub());
        }
        assert!(!Channel::parse("devhub:x").unwrap().is_devhub());
        assert_eq!(Channel::stored("room:1"), Channel::parse("room:1").unwrap());
    }
}
