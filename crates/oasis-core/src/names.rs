//! The strict fields whose values are names: layer, module and kind. Each field has a grammar.

use std::fmt;

use smol_str::SmolStr;

use crate::invalid::{Invalid, shown};
use crate::ping::PING;
use crate::sets::Status;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $grammar:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(SmolStr);

        impl $name {
            #[doc = concat!("Parses a ", $what, ": ", $grammar, ".")]
            ///
            /// # Errors
            /// When `text` does not fit that grammar.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Invalid::new(format!("{} is not a {}: expected {}", shown(text), $what, $grammar)))
                }
            }

            #[doc = concat!("Makes a ", $what, " from text that was read from the table. The text is not")]
            /// checked, because the table's CHECK constraint enforces the same grammar.
            pub fn stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The part of the system that a task belongs to, such as `CICDL`.
    Layer, "layer", "a capital letter, then at most 15 capital letters or digits",
    |text| text.len() <= 16 && starts_with(text, u8::is_ascii_uppercase) && text.bytes().all(capital_or_digit)
}

name! {
    /// The service that an event is about, such as `GATEWAY-FEED`.
    Module, "module",
    "a text of at most 64 characters that starts with a letter and consists of words of A-Z and 0-9 joined \
     by single dashes",
    |text| {
        text.len() <= 64
            && starts_with(text, u8::is_ascii_uppercase)
            && text.split('-').all(|word| !word.is_empty() && word.bytes().all(capital_or_digit))
    }
}

name! {
    /// What happened, such as `workflow_run` or `task.init`.
    Kind, "kind",
    "a text of at most 64 characters that starts with a letter and consists of parts of a-z, 0-9 and _ \
     joined by single dots",
    |text| {
        text.len() <= 64
            && starts_with(text, u8::is_ascii_lowercase)
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(lowercase_digit_or_underscore))
    }
}

impl Layer {
    /// `UNSET`, the layer of an event without a known layer.
    pub fn unset() -> Self {
        Self("UNSET".into())
    }
}

impl Module {
    /// `CORE`, the module of an event whose producer names no module.
    pub fn core() -> Self {
        Self("CORE".into())
    }

    /// Makes a module from any text. ASCII letters become capitals, digits are kept, and each run of other
    /// characters becomes a dash. If the result would start with a digit, an `X` is put before the digit. The
    /// result is cut to 64 characters and has no dash at either end. If nothing is left, the result is
    /// `CORE`.
    pub fn from_name(name: &str) -> Self {
        let mut module = String::with_capacity(name.len().min(65));
        for c in name.chars() {
            if c.is_ascii_alphanumeric() {
                if module.is_empty() && c.is_ascii_digit() {
                    module.push('X');
                }
                module.push(c.to_ascii_uppercase());
            } else if !module.is_empty() && !module.ends_with('-') {
                module.push('-');
            }
            if module.len() >= 64 {
                break;
            }
        }
        module.truncate(64);
        match module.trim_end_matches('-') {
            "" => Self::core(),
            trimmed => Self(trimmed.into()),
        }
    }
}

impl Kind {
    /// Makes a kind from any text. White space at both ends is removed. ASCII letters become lowercase.
    /// Digits and single dots between parts are kept. Each other character becomes an underscore. If the
    /// result would start with a digit or an underscore, an `x` is put before that character. The result is
    /// cut to 64 characters. If nothing is left, the result is `event`.
    pub fn from_name(name: &str) -> Self {
        let mut kind = String::with_capacity(name.len().min(65));
        for c in name.trim().chars() {
            match c {
                '.' if kind.is_empty() || kind.ends_with('.') => continue,
                '.' => kind.push('.'),
                c => {
                    let c = if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
                    if kind.is_empty() && !c.is_ascii_lowercase() {
                        kind.push('x');
                    }
                    kind.push(c);
                }
            }
            if kind.len() >= 64 {
                break;
            }
        }
        kind.truncate(64);
        match kind.trim_end_matches('.') {
            "" => Self("event".into()),
            trimmed => Self(trimmed.into()),
        }
    }

    /// `ping`, the kind of an agent's ping.
    pub fn ping() -> Self {
        Self(PING.into())
    }

    /// The status that the last part of `name` means, as in `deploy.gateway.success` and `task.in_progress`.
    /// If the whole part is not a status, its last word counts, as in `task_failed`. Unlike in
    /// [`Kind::from_name`], a long name is not cut.
    pub fn status_in(name: &str) -> Option<Status> {
        let part = name.trim().rsplit('.').next()?;
        let word = part.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
        Status::from_word(part).or_else(|| Status::from_word(word))
    }

    /// The kind in the form that titles and refs contain: each `_` and each `.` is replaced with `-`.
    pub(crate) fn dashed(&self) -> String {
        self.0.replace(['_', '.'], "-")
    }
}

fn starts_with(text: &str, test: fn(&u8) -> bool) -> bool {
    text.as_bytes().first().is_some_and(test)
}

fn capital_or_digit(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn lowercase_digit_or_underscore(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn modules_are_made_from_names() {
        for (name, module) in [
            ("gateway-feed", "GATEWAY-FEED"),
            ("  My  Service! ", "MY-SERVICE"),
            ("3scale", "X3SCALE"),
            ("-_-", "CORE"),
            ("", "CORE"),
            ("été", "T"),
        ] {
            assert_eq!(Module::from_name(name).as_str(), module, "{name}");
        }
        assert_eq!(Module::from_name(&"a".repeat(63)).as_str().len(), 63);
        assert_eq!(Module::from_name(&format!("{}-b", "a".repeat(63))).as_str().len(), 63);
    }

    #[test]
    fn kinds_are_made_from_names() {
        for (name, kind) in [
            ("task.init", "task.init"),
            ("Task Init", "task_init"),
            ("com.Example.Order-Placed", "com.example.order_placed"),
            ("..a..b.", "a.b"),
            ("9lives", "x9lives"),
            ("", "event"),
            ("...", "event"),
        ] {
            assert_eq!(Kind::from_name(name).as_str(), kind, "{name}");
        }
    }

    #[test]
    fn the_last_word_of_a_kind_may_name_a_status() {
        for (kind, status) in [
            ("deploy.gateway.success", Some(Status::Success)),
            ("deploy.gateway.blocked", Some(Status::Failure)),
            ("bridge.action_started", Some(Status::InProgress)),
            ("task.in_progress", Some(Status::InProgress)),
            ("task_failed", Some(Status::Failure)),
            ("pr_validated", None),
            ("deploy", None),
            ("failed.deploy", None),
            ("PR FAILED", Some(Status::Failure)),
            (&format!("{}.failed", "long.".repeat(20)), Some(Status::Failure)),
        ] {
            assert_eq!(Kind::status_in(kind), status, "{kind}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_module_and_a_kind(name in any::<String>()) {
            let module = Module::from_name(&name);
            prop_assert_eq!(&Module::parse(module.as_str()).unwrap(), &module);
            prop_assert_eq!(&Module::from_name(module.as_str()), &module);
            let kind = Kind::from_name(&name);
            prop_assert_eq!(&Kind::parse(kind.as_str()).unwrap(), &kind);
            prop_assert_eq!(&Kind::from_name(kind.as_str()), &kind);
        }
    }
}
