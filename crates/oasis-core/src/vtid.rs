//! The VTID, the name of a task: its grammar, and how one is found in free text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::invalid::{Invalid, shown};

/// A task's name: `PREFIX-LAYER-NUMBER` (`DEV-CICDL-0031`), or the short form `VTID-NUMBER`.
/// Always in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vtid(Box<str>);

impl Vtid {
    /// Reads a VTID that is stated as such (a field, a label, a flag): any prefix, any case, nothing around
    /// it.
    ///
    /// # Errors
    /// When `text` is not a VTID to its last byte.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match match_at(text.as_bytes()) {
            Some(end) if end == text.len() => Ok(Self(text.to_ascii_uppercase().into())),
            _ => Err(Invalid::new(format!(
                "{} is not a VTID: expected PREFIX-LAYER-NUMBER such as DEV-CICDL-0031, \
                 or VTID-NUMBER such as VTID-0031",
                shown(text)
            ))),
        }
    }

    /// A VTID that the table holds: its CHECK constraint has the same grammar, in capitals.
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The first VTID in free text whose prefix is one of `prefixes`. Any case is accepted and capitals are
    /// given; neither neighbour may be a letter or a digit.
    pub fn find(text: &str, prefixes: &Prefixes) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut in_word = false;
        for (at, c) in text.char_indices() {
            let starts_word = !in_word && c.is_ascii_alphabetic();
            in_word = c.is_alphanumeric();
            if !starts_word {
                continue;
            }
            let Some(len) = match_at(&bytes[at..]) else { continue };
            let found = &text[at..at + len];
            let open_ended = text[at + len..].chars().next().is_some_and(char::is_alphanumeric);
            if !open_ended && prefixes.contains(found.split('-').next().unwrap_or_default()) {
                return Some(Self(found.to_ascii_uppercase().into()));
            }
        }
        None
    }

    /// The layer segment, which the short form does not have.
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

/// Length of the VTID that `bytes` begins with, the number taken as long as it goes.
fn match_at(bytes: &[u8]) -> Option<usize> {
    let run = |from: usize, test: fn(&u8) -> bool| bytes[from..].iter().take_while(|b| test(b)).count();
    let dash = |at: usize| (bytes.get(at) == Some(&b'-')).then_some(at + 1);
    let number = |from: usize| {
        let digits = run(from, u8::is_ascii_digit);
        (4..=6).contains(&digits).then_some(from + digits)
    };

    let prefix = run(0, u8::is_ascii_alphabetic);
    if !(2..=8).contains(&prefix) {
        return None;
    }
    let second = dash(prefix)?;
    if bytes.get(second)?.is_ascii_digit() {
        return if bytes[..prefix].eq_ignore_ascii_case(b"VTID") { number(second) } else { None };
    }
    let layer = run(second, u8::is_ascii_alphanumeric);
    if !(2..=16).contains(&layer) {
        return None;
    }
    number(dash(second + layer)?)
}

/// The task an event belongs to, as its `vtid` field says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// No task was found.
    Unset,
    /// An agent without a task.
    Idle,
    /// The task of this name.
    Vtid(Vtid),
}

impl Task {
    /// A task as the table holds it.
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

    /// The VTID's layer segment, if there is one.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::Unset | Self::Idle => None,
            Self::Vtid(vtid) => vtid.layer(),
        }
    }
}

/// By the field's text.
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

/// The prefixes that make a VTID in free text; anything else that looks like one (`fix-issue-1234`) is prose.
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

    /// Reads a comma-separated list such as `DEV,STG`.
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
                    Err(Invalid::new(format!("{} is not a VTID prefix: 2 to 8 letters", shown(prefix))))
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
    fn finds_the_first_one_with_free_neighbours() {
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
    fn a_stated_vtid_may_have_any_prefix_but_nothing_around_it() {
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
        fn extraction_is_total_and_gives_only_vtids(text in any::<String>()) {
            if let Some(found) = find(&text) {
                prop_assert_eq!(Vtid::parse(&found).unwrap().to_string(), found.clone());
                prop_assert!(text.to_ascii_uppercase().contains(&found));
            }
        }

        #[test]
        fn a_vtid_between_free_neighbours_is_found(
            // With a dash before it, what stands in front of the dash could belong to a VTID further left.
            before in any::<String>().prop_filter("free to the right", |before| {
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '-') && find(before).is_none()
            }),
            prefix in "DEV|STG|PROD", layer in "[A-Z][A-Z0-9]{1,15}", number in "[0-9]{4,6}",
            after in any::<String>()
                .prop_filter("free to the left", |after| !after.starts_with(char::is_alphanumeric)),
        ) {
            let vtid = format!("{prefix}-{layer}-{number}");
            let text = format!("{before}{}{after}", vtid.to_lowercase());
            prop_assert_eq!(find(&text), Some(vtid));
        }

        #[test]
        fn a_letter_or_digit_beside_it_hides_it(
            edge in any::<char>().prop_filter("a letter or digit", |edge| edge.is_alphanumeric()),
            left in any::<bool>(),
        ) {
            // The number may have six digits, so on the right a digit hides it only behind the sixth.
            let text = if left { format!("{edge}DEV-CICDL-0031") } else { format!("DEV-CICDL-003100{edge}") };
            prop_assert_eq!(find(&text), None);
        }
    }
}
