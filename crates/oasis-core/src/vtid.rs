//! The grammar of VTIDs, which name tasks, and the search for a VTID in free text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::invalid::{Invalid, shown};

/// A task's name: `PREFIX-LAYER-NUMBER` (`DEV-CICDL-0031`), or the short form `VTID-NUMBER`. All letters are
/// capitals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vtid(Box<str>);

impl Vtid {
    /// Parses the VTID in a field, a label or a flag. Any prefix is allowed, in upper or lower case.
    ///
    /// # Errors
    /// When `text` is anything other than one VTID.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match vtid_length(text.as_bytes()) {
            Some(end) if end == text.len() => Ok(Self(text.to_ascii_uppercase().into())),
            _ => Err(Invalid::new(format!(
                "{} is not a VTID: expected PREFIX-LAYER-NUMBER such as DEV-CICDL-0031, \
                 or VTID-NUMBER such as VTID-0031",
                shown(text)
            ))),
        }
    }

    /// Makes a VTID from text that was read from the table. The text is not checked, because the table's
    /// CHECK constraint enforces the same grammar and requires capitals.
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// Finds the first VTID in `text` that has one of `prefixes`, in upper or lower case. The characters
    /// before and after the VTID must not be letters or digits.
    pub fn find(text: &str, prefixes: &Prefixes) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut in_word = false;
        for (at, c) in text.char_indices() {
            let starts_word = !in_word && c.is_ascii_alphabetic();
            in_word = c.is_alphanumeric();
            if !starts_word {
                continue;
            }
            let Some(len) = vtid_length(&bytes[at..]) else { continue };
            let found = &text[at..at + len];
            let word_continues = text[at + len..].chars().next().is_some_and(char::is_alphanumeric);
            if !word_continues && prefixes.contains(found.split('-').next().unwrap_or_default()) {
                return Some(Self(found.to_ascii_uppercase().into()));
            }
        }
        None
    }

    /// The layer segment. `None` for the short form.
    pub fn layer(&self) -> Option<&str> {
        let mut segments = self.0.split('-');
        let (_, second, third) = (segments.next(), segments.next(), segments.next());
        third.and(second)
    }

    /// The VTID in capitals.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Vtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The length of the VTID at the start of `bytes`. All digits after the last dash belong to the number of the
/// VTID, so `DEV-CICDL-00311234` does not start with a VTID.
fn vtid_length(bytes: &[u8]) -> Option<usize> {
    let count = |from: usize, test: fn(&u8) -> bool| bytes[from..].iter().take_while(|b| test(b)).count();
    let dash = |at: usize| (bytes.get(at) == Some(&b'-')).then_some(at + 1);
    let number = |from: usize| {
        let digits = count(from, u8::is_ascii_digit);
        (4..=6).contains(&digits).then_some(from + digits)
    };

    let prefix = count(0, u8::is_ascii_alphabetic);
    if !(2..=8).contains(&prefix) {
        return None;
    }
    let second = dash(prefix)?;
    if bytes.get(second)?.is_ascii_digit() {
        return if bytes[..prefix].eq_ignore_ascii_case(b"VTID") { number(second) } else { None };
    }
    let layer = count(second, u8::is_ascii_alphanumeric);
    if !(2..=16).contains(&layer) {
        return None;
    }
    number(dash(second + layer)?)
}

/// The task that an event belongs to: the value of its `vtid` field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// The producer found no task.
    Unset,
    /// The event is from an agent without a task.
    Idle,
    /// The task with this name.
    Vtid(Vtid),
}

impl Task {
    /// Makes a task from text that was read from the table. The text is not checked.
    pub fn stored(text: String) -> Self {
        match text.as_str() {
            "UNSET" => Self::Unset,
            "IDLE" => Self::Idle,
            _ => Self::Vtid(Vtid::stored(text)),
        }
    }

    /// The field's text: the VTID, `UNSET` or `IDLE`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unset => "UNSET",
            Self::Idle => "IDLE",
            Self::Vtid(vtid) => vtid.as_str(),
        }
    }

    /// The layer segment of the VTID, if there is one.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::Unset | Self::Idle => None,
            Self::Vtid(vtid) => vtid.layer(),
        }
    }
}

/// Orders tasks by the field's text.
impl Ord for Task {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Task {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Option<Vtid>> for Task {
    fn from(found: Option<Vtid>) -> Self {
        found.map_or(Self::Unset, Self::Vtid)
    }
}

impl FromStr for Task {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "UNSET" => Ok(Self::Unset),
            "IDLE" => Ok(Self::Idle),
            other => Vtid::parse(other).map(Self::Vtid),
        }
    }
}

/// The prefixes that [`Vtid::find`] accepts. `find` ignores a text of the same form with any other prefix,
/// such as `fix-issue-1234`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes(Vec<Box<str>>);

impl Prefixes {
    fn contains(&self, prefix: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(prefix))
    }
}

impl Default for Prefixes {
    /// `DEV`, `STG`, `PROD` and `VTID`.
    fn default() -> Self {
        Self(["DEV", "STG", "PROD", "VTID"].map(Box::from).into())
    }
}

impl FromStr for Prefixes {
    type Err = Invalid;

    /// Parses a comma-separated list such as `DEV,STG`.
    fn from_str(list: &str) -> Result<Self, Invalid> {
        let prefixes: Vec<Box<str>> = list
            .split(',')
            .map(str::trim)
            .filter(|prefix| !prefix.is_empty())
            .map(|prefix| {
                let fits = (2..=8).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_alphabetic());
                if fits {
                    Ok(prefix.to_ascii_uppercase().into())
                } else {
                    Err(Invalid::new(format!(
                        "{} is not a VTID prefix: expected 2 to 8 letters",
                        shown(prefix)
                    )))
                }
            })
            .collect::<Result<_, _>>()?;
        if prefixes.is_empty() {
            Err(Invalid::new("no VTID prefix given: name at least one, such as DEV"))
        } else {
            Ok(Self(prefixes))
        }
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(text: &str) -> Option<String> {
        Vtid::find(text, &Prefixes::default()).map(|vtid| vtid.to_string())
    }

    #[test]
    fn find_returns_the_first_vtid_without_letters_or_digits_around_it() {
        for (text, found) in [
            ("vt/dev-cicdl-0031-phase2", Some("DEV-CICDL-0031")),
            ("[DEV-CICDL-0031] fix", Some("DEV-CICDL-0031")),
            ("feat_DEV-CICDL-0031_x", Some("DEV-CICDL-0031")),
            ("DEV-DEV-CICDL-0031", Some("DEV-CICDL-0031")),
            ("VTID-0031 and DEV-CICDL-0032", Some("VTID-0031")),
            ("VTID-CICDL-0031", Some("VTID-CICDL-0031")),
            ("stg-a1-999999", Some("STG-A1-999999")),
            ("xDEV-CICDL-0031", None),
            ("éDEV-CICDL-0031", None),
            ("DEV-CICDL-0031é", None),
            ("DEV-CICDL-00311234", None),
            ("DEV-CICDL-0031a", None),
            ("DEV-CICDL-031", None),
            ("DEV-0031", None),
            ("DEV-A-0031", None),
            ("DEV-1A-0031", None),
            ("fix-issue-1234", None),
            ("ſTG-CICDL-0031", None),
            ("", None),
        ] {
            assert_eq!(find(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn parse_accepts_any_prefix_but_no_text_around_the_vtid() {
        assert_eq!(Vtid::parse("fix-issue-1234").unwrap().as_str(), "FIX-ISSUE-1234");
        assert_eq!(Vtid::parse("vtid-1234").unwrap().layer(), None);
        assert_eq!(Vtid::parse("DEV-CICDL-0031").unwrap().layer(), Some("CICDL"));
        for bad in ["", "DEV-CICDL-0031 ", "DEV-CICDL-0031-x", "ABC-1234", "DEV-CICDL-1234567", "UNSET"] {
            assert!(Vtid::parse(bad).is_err(), "{bad}");
        }
        assert_eq!("IDLE".parse(), Ok(Task::Idle));
    }

    proptest! {
        #[test]
        fn find_accepts_any_text_and_returns_only_vtids(text in any::<String>()) {
            if let Some(found) = find(&text) {
                prop_assert_eq!(Vtid::parse(&found).unwrap().to_string(), found.clone());
                prop_assert!(text.to_ascii_uppercase().contains(&found));
            }
        }

        #[test]
        fn a_vtid_between_other_characters_is_found(
            // A text that ends with a dash may end with the start of another VTID.
            before in any::<String>().prop_filter("no VTID, no letter, digit or dash at the end", |before| {
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '-') && find(before).is_none()
            }),
            prefix in "DEV|STG|PROD", layer in "[A-Z][A-Z0-9]{1,15}", number in "[0-9]{4,6}",
            after in any::<String>()
                .prop_filter("no leading letter or digit", |after| !after.starts_with(char::is_alphanumeric)),
        ) {
            let vtid = format!("{prefix}-{layer}-{number}");
            let text = format!("{before}{}{after}", vtid.to_lowercase());
            prop_assert_eq!(find(&text), Some(vtid));
        }

        #[test]
        fn a_vtid_next_to_a_letter_or_digit_is_not_found(
            edge in any::<char>().prop_filter("is a letter or digit", |edge| edge.is_alphanumeric()),
            left in any::<bool>(),
        ) {
            // The number before the character on the right has six digits, which is the maximum. One more
            // digit makes the number too long.
            let text = if left { format!("{edge}DEV-CICDL-0031") } else { format!("DEV-CICDL-003100{edge}") };
            prop_assert_eq!(find(&text), None);
        }
    }
}
