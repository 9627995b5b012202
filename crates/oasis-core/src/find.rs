//! Finds the VTID in free text, such as the title of a pull request.
//!
//! A producer that states a VTID may state any id. In free text, an id must begin with one of the known
//! prefixes, because otherwise `fix-issue-1234` would be a task.

use std::fmt;
use std::str::FromStr;

use crate::invalid::{Invalid, shown};
use crate::vtid::Vtid;

/// The prefixes of the VTIDs that [`Prefixes::find`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes(Vec<Prefix>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix {
    name: Box<str>,
    /// Whether an id of this prefix may also consist of words in capitals, as in `BOOTSTRAP-ORB-DELAY`.
    takes_words: bool,
}

impl Prefixes {
    /// Finds the first VTID in `text`. The characters before and after the VTID must not be letters or
    /// digits.
    ///
    /// These forms are found. The prefix and the layer may be in lower case.
    /// - `PREFIX-LAYER-NUMBER` and `VTID-NUMBER`. A number has 4 to 6 digits.
    /// - More segments of capitals and digits after `VTID-NUMBER` or after a year. The last segment must have
    ///   a digit: `DEV-COMHU-2025-0015`, `VTID-0521-TEST-0001`.
    /// - A capital after the number (`VTID-01260A`), and a subtask of one capital (`DEV-COMMU-0042.G`).
    /// - Words in capitals after a prefix that takes words: `BOOTSTRAP-ORB-DELAY`.
    pub fn find(&self, text: &str) -> Option<Vtid> {
        let mut in_word = false;
        for (at, c) in text.char_indices() {
            let starts_word = !in_word && c.is_ascii_alphabetic();
            in_word = c.is_alphanumeric();
            if !starts_word {
                continue;
            }
            let rest = &text[at..];
            // Every form that is found fits the grammar of VTIDs, so `parse` does not fail.
            if let Some(vtid) = self.length_at_start(rest).and_then(|end| Vtid::parse(&rest[..end]).ok()) {
                return Some(vtid);
            }
        }
        None
    }

    /// The length of the VTID at the start of `text`.
    fn length_at_start(&self, text: &str) -> Option<usize> {
        let name = &text[..word_length(text)];
        let prefix = self.0.iter().find(|prefix| prefix.name.eq_ignore_ascii_case(name))?;
        let segments = Segments { text, end: name.len() };
        let numbered = numbered(segments, name.eq_ignore_ascii_case("VTID"));
        let words = if prefix.takes_words { words(segments) } else { None };
        let end = numbered.max(words)?;
        let subtask = subtask_length(&text[end..]);
        Some(if end + subtask <= Vtid::MAX_BYTES { end + subtask } else { end })
    }
}

/// Iterates over the segments after the prefix of an id. Stops before a segment that a letter or digit
/// outside of ASCII follows.
#[derive(Clone, Copy)]
struct Segments<'a> {
    text: &'a str,
    /// The end of the last returned segment. Before the first segment is returned, the end of the prefix.
    end: usize,
}

impl<'a> Iterator for Segments<'a> {
    /// A segment and its end in the text.
    type Item = (&'a str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text[self.end..].strip_prefix('-')?;
        let length = word_length(rest);
        if length == 0 || rest[length..].starts_with(char::is_alphanumeric) {
            return None;
        }
        self.end += 1 + length;
        Some((&rest[..length], self.end))
    }
}

/// The end of an id that has a number, without the subtask. `short` allows the form `VTID-NUMBER`.
fn numbered(mut segments: Segments<'_>, short: bool) -> Option<usize> {
    let (second, end) = segments.next()?;
    let (number, end, mut rest) = if short && is_number(second) {
        (second, end, Vtid::MAX_SEGMENTS - 1)
    } else {
        let is_layer =
            (2..=16).contains(&second.len()) && second.starts_with(|c: char| c.is_ascii_alphabetic());
        let (third, end) = if is_layer { segments.next()? } else { return None };
        let is_year = third.len() == 4 && third.starts_with("20");
        (third, end, if is_year { Vtid::MAX_SEGMENTS - 2 } else { 0 })
    };
    if !is_number(number) {
        return None;
    }
    if number.ends_with(|c: char| c.is_ascii_uppercase()) {
        rest = 0;
    }
    let more = segments.take(rest).take_while(|(segment, end)| {
        *end <= Vtid::MAX_BYTES
            && (2..=16).contains(&segment.len())
            && segment.bytes().all(is_capital_or_digit)
    });
    let more = more.filter(|(segment, _)| segment.contains(|c: char| c.is_ascii_digit()));
    Some(more.last().map_or(end, |(_, end)| end))
}

/// The end of an id that consists of words in capitals. At least one word has a letter.
fn words(segments: Segments<'_>) -> Option<usize> {
    let start = segments;
    let words = segments.take(Vtid::MAX_SEGMENTS).take_while(|(segment, end)| {
        *end <= Vtid::MAX_BYTES
            && segment.len() <= Vtid::MAX_SEGMENT
            && segment.bytes().all(is_capital_or_digit)
    });
    let end = words.last().map(|(_, end)| end)?;
    let has_letter = start.text[start.end..end].contains(|c: char| c.is_ascii_uppercase());
    has_letter.then_some(end)
}

/// The length of the subtask at the start of `text`: a dot and one capital at the end of a word, or 0.
fn subtask_length(text: &str) -> usize {
    let mut chars = text.chars();
    let is_subtask = chars.next() == Some('.')
        && chars.next().is_some_and(|c| c.is_ascii_uppercase())
        && !chars.next().is_some_and(char::is_alphanumeric);
    if is_subtask { 2 } else { 0 }
}

/// Whether a segment is a number of 4 to 6 digits. One capital may follow the digits.
fn is_number(segment: &str) -> bool {
    let digits = segment.strip_suffix(|c: char| c.is_ascii_uppercase()).unwrap_or(segment);
    (4..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// The number of letters and digits at the start of `text`.
fn word_length(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_alphanumeric).count()
}

impl Default for Prefixes {
    /// The prefixes `DEV`, `STG`, `PROD` and `VTID`, which take no words.
    fn default() -> Self {
        Self(
            ["DEV", "STG", "PROD", "VTID"]
                .map(|name| Prefix { name: name.into(), takes_words: false })
                .into(),
        )
    }
}

impl FromStr for Prefixes {
    type Err = Invalid;

    /// Parses a comma-separated list such as `DEV,STG,BOOTSTRAP-*`. A prefix with `-*` takes words.
    fn from_str(list: &str) -> Result<Self, Invalid> {
        let named = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let prefixes: Vec<Prefix> = named.map(str::parse).collect::<Result<_, _>>()?;
        if prefixes.is_empty() {
            Err(Invalid::new("no VTID prefix given: name at least one, such as DEV"))
        } else {
            Ok(Self(prefixes))
        }
    }
}

impl FromStr for Prefix {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, takes_words) = text.strip_suffix("-*").map_or((text, false), |name| (name, true));
        let fits = (2..=Vtid::MAX_PREFIX).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits {
            Ok(Self { name: name.to_ascii_uppercase().into(), takes_words })
        } else {
            Err(Invalid::new(format!(
                "{} is not a VTID prefix: expected a letter, then 1 to {} letters or digits, such as DEV, or \
                 BOOTSTRAP-* for ids that consist of words",
                shown(text),
                Vtid::MAX_PREFIX - 1
            )))
        }
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, prefix) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            let words = if prefix.takes_words { "-*" } else { "" };
            write!(f, "{comma}{}{words}", prefix.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(text: &str) -> Option<String> {
        "DEV,STG,PROD,VTID,BOOTSTRAP-*".parse::<Prefixes>().unwrap().find(text).map(|vtid| vtid.to_string())
    }

    #[test]
    fn the_first_vtid_without_adjacent_letters_or_digits_is_found() {
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
            ("DEV-CICDL-0031AB", None),
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
    fn an_id_continues_over_segments_suffixes_and_subtasks() {
        for (text, found) in [
            ("feat: DEV-COMHU-2025-0015 (x)", "DEV-COMHU-2025-0015"),
            ("VTID-2025-4B02", "VTID-2025-4B02"),
            ("VTID-0521-TEST-0001-and-more", "VTID-0521-TEST-0001"),
            ("VTID-0521-TEST", "VTID-0521"),
            ("VTID-0521-fix-0001", "VTID-0521"),
            ("VTID-0521-TEST-0001a", "VTID-0521"),
            ("dev-comhu-2025-0015-fix", "DEV-COMHU-2025-0015"),
            ("DEV-CICDL-0031-0001", "DEV-CICDL-0031"),
            ("DEV-CICDL-0031-PHASE2", "DEV-CICDL-0031"),
            ("VTID-01260A", "VTID-01260A"),
            ("VTID-01260A-0001", "VTID-01260A"),
            ("fix(DEV-COMMU-0042.G): x", "DEV-COMMU-0042.G"),
            ("DEV-COMMU-0042.G.", "DEV-COMMU-0042.G"),
            ("DEV-COMMU-0042.Go", "DEV-COMMU-0042"),
            ("DEV-COMMU-0042.g", "DEV-COMMU-0042"),
            ("Ends with DEV-COMMU-0042.", "DEV-COMMU-0042"),
            ("BOOTSTRAP-ORB-DELAY: x", "BOOTSTRAP-ORB-DELAY"),
            ("BOOTSTRAP-ORB-delay", "BOOTSTRAP-ORB"),
            ("bootstrap-orb-0031", "BOOTSTRAP-ORB-0031"),
            ("BOOTSTRAP-A-B-C-D-E-F", "BOOTSTRAP-A-B-C-D-E"),
            ("BOOTSTRAP-ORB-0031-RETRY", "BOOTSTRAP-ORB-0031-RETRY"),
        ] {
            assert_eq!(find(text).as_deref(), Some(found), "{text}");
        }
        for none in ["bootstrap-orb-delay", "BOOTSTRAP-Orb", "BOOTSTRAP", "bump bootstrap-5.3.1"] {
            assert_eq!(find(none), None, "{none}");
        }
        assert_eq!(Prefixes::default().find("BOOTSTRAP-ORB-DELAY"), None);
    }

    #[test]
    fn prefixes_are_printed_in_capitals_and_bad_prefixes_are_refused() {
        let list = "dev, BOOTSTRAP-*,,A1";
        assert_eq!(list.parse::<Prefixes>().unwrap().to_string(), "DEV,BOOTSTRAP-*,A1");
        for bad in ["", ",", "D", "1A", "DEV-", "DEV-X", "ABCDEFGHIJKLMNOPQ", "*"] {
            assert!(bad.parse::<Prefixes>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn find_accepts_any_text_and_returns_only_vtids(text in any::<String>()) {
            if let Some(found) = find(&text) {
                prop_assert_eq!(Vtid::parse(&found).unwrap().to_string(), found.clone());
                prop_assert!(text.to_ascii_uppercase().contains(&found));
            }
        }

        /// An id in a title gives the same VTID as this id in the `vtid` field of an event sent to ingest.
        #[test]
        fn find_and_parse_return_the_same_vtid_for_an_id(
            id in concat!(
                "(DEV|STG|PROD)-[A-Z][A-Z0-9]{1,15}-",
                "([0-9]{4,6}[A-Z]?|20[0-9]{2}(-[A-Z0-9]{2,16}){0,2}-[0-9]{4})",
                "([.][A-Z])?|VTID-[0-9]{4,6}(-[A-Z0-9]{2,16}){0,2}-[0-9]{2,4}|BOOTSTRAP(-[A-Z]{1,10}){1,4}",
            ),
        ) {
            let stated = Vtid::parse(&id).ok().map(|vtid| vtid.to_string());
            prop_assume!(stated.is_some());
            prop_assert_eq!(find(&format!("feat({id}): x")), stated);
        }

        #[test]
        fn a_vtid_between_other_characters_is_found(
            // If this text ends with a dash, it may contain the start of another VTID.
            before in any::<String>().prop_filter("no VTID, no letter, digit or dash at the end", |before| {
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '-') && find(before).is_none()
            }),
            prefix in "DEV|STG|PROD", layer in "[A-Z][A-Z0-9]{1,15}", number in "1[0-9]{3,5}",
            after in any::<String>().prop_filter("does not continue the id", |after| {
                !after.starts_with(|c: char| c.is_alphanumeric() || c == '.')
            }),
        ) {
            let vtid = format!("{prefix}-{layer}-{number}");
            let text = format!("{before}{}{after}", vtid.to_lowercase());
            prop_assert_eq!(find(&text), Some(vtid));
        }

        #[test]
        fn a_vtid_next_to_a_letter_or_digit_is_not_found(
            edge in any::<char>().prop_filter("is a letter or digit", |edge| {
                edge.is_alphanumeric() && !edge.is_ascii_uppercase()
            }),
            left in any::<bool>(),
        ) {
            // On the right, the number has six digits, the maximum. So another digit makes it too long.
            let text = if left { format!("{edge}DEV-CICDL-0031") } else { format!("DEV-CICDL-003100{edge}") };
            prop_assert_eq!(find(&text), None);
        }
    }
}
