//! The grammar of VTIDs, which name tasks.

use std::fmt;

use smol_str::SmolStr;

use crate::invalid::{Invalid, shown};

/// A task's name, such as `DEV-CICDL-0031`, `VTID-01260A`, `DEV-COMMU-0042.G` or `BOOTSTRAP-ORB-DELAY`. All
/// letters are capitals.
///
/// The grammar is `[A-Z][A-Z0-9]{1,15}(-[A-Z0-9]{1,32}){1,5}(\.[A-Z0-9]{1,8})?`, with at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vtid(SmolStr);

impl Vtid {
    /// The maximum length of a VTID in bytes.
    pub const MAX_BYTES: usize = 64;
    /// The maximum length of the first segment, the prefix, in bytes.
    pub(crate) const MAX_PREFIX: usize = 16;
    /// The maximum length of each other segment in bytes.
    pub(crate) const MAX_SEGMENT: usize = 32;
    /// The maximum number of segments after the prefix.
    pub(crate) const MAX_SEGMENTS: usize = 5;
    /// The maximum length of the subtask in bytes.
    const MAX_SUBTASK: usize = 8;

    /// Parses a VTID that a producer, a label or a flag states, in upper or lower case.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if fits(text) {
            Ok(Self(text.to_ascii_uppercase().into()))
        } else {
            Err(Invalid::new(format!(
                "{} is not a VTID: expected words of letters and digits joined by dashes, such as \
                 DEV-CICDL-0031 or VTID-0031, of at most {} bytes",
                shown(text),
                Self::MAX_BYTES
            )))
        }
    }

    /// Makes a VTID from text that was read from the table. The text is not checked, because the table's
    /// CHECK constraint enforces the same grammar and requires capitals.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The layer: the second segment of an id of at least three segments, if it is a valid layer.
    pub fn layer(&self) -> Option<&str> {
        let mut segments = self.0.split('-');
        let (_, second, third) = (segments.next(), segments.next()?, segments.next());
        let starts_with_letter = second.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        (third.is_some() && starts_with_letter && second.len() <= 16).then_some(second)
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

/// Whether `text`, in any case, fits the grammar of VTIDs.
fn fits(text: &str) -> bool {
    let is_word = |word: &str, longest: usize| {
        (1..=longest).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let (id, subtask) = match text.split_once('.') {
        Some((id, subtask)) => (id, Some(subtask)),
        None => (text, None),
    };
    let Some((prefix, segments)) = id.split_once('-') else { return false };
    text.len() <= Vtid::MAX_BYTES
        && is_word(prefix, Vtid::MAX_PREFIX)
        && prefix.len() >= 2
        && prefix.starts_with(|c: char| c.is_ascii_alphabetic())
        && segments.split('-').count() <= Vtid::MAX_SEGMENTS
        && segments.split('-').all(|segment| is_word(segment, Vtid::MAX_SEGMENT))
        && subtask.is_none_or(|subtask| is_word(subtask, Vtid::MAX_SUBTASK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stated_vtid_is_stored_in_capitals() {
        for (text, vtid, layer) in [
            ("DEV-CICDL-0031", "DEV-CICDL-0031", Some("CICDL")),
            ("dev-cicdl-0031", "DEV-CICDL-0031", Some("CICDL")),
            ("VTID-01227", "VTID-01227", None),
            ("VTID-01260A", "VTID-01260A", None),
            ("DEV-COMMU-0042.G", "DEV-COMMU-0042.G", Some("COMMU")),
            ("DEV-COMHU-2025-0015", "DEV-COMHU-2025-0015", Some("COMHU")),
            ("VTID-2025-4B02", "VTID-2025-4B02", None),
            ("VTID-0521-TEST-0001", "VTID-0521-TEST-0001", None),
            ("bootstrap-orb-delay", "BOOTSTRAP-ORB-DELAY", Some("ORB")),
            ("bootstrap-x", "BOOTSTRAP-X", None),
            ("A1-B", "A1-B", None),
            ("DEV-ABCDEFGHIJKLMNOPQ-1", "DEV-ABCDEFGHIJKLMNOPQ-1", None),
        ] {
            let parsed = Vtid::parse(text).unwrap();
            assert_eq!((parsed.as_str(), parsed.layer()), (vtid, layer), "{text}");
        }
    }

    #[test]
    fn texts_that_do_not_fit_the_grammar_are_refused() {
        let long = format!("DEV-{}-{}", "A".repeat(31), "B".repeat(28));
        assert_eq!(long.len(), 64);
        assert!(Vtid::parse(&long).is_ok());
        for bad in [
            "",
            "UNKNOWN",
            "SYSTEM",
            "N/A",
            "UNSET",
            "a sentence",
            "DEV-CICDL-0031 ",
            "DEV-CICDL-",
            "-CICDL-0031",
            "D-0031",
            "1DEV-0031",
            "DEV-CICDL_0031",
            "DEV-0031.",
            "DEV-0031.A.B",
            "DEV-0031.ABCDEFGHI",
            "ABCDEFGHIJKLMNOPQ-1",
            "A1-1-2-3-4-5-6",
            "DÉV-0031",
            &format!("DEV-{}", "A".repeat(33)),
            &format!("{long}B"),
        ] {
            assert!(Vtid::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_text_that_fits_the_grammar_is_a_vtid(
            text in "[A-Za-z][A-Za-z0-9]{1,15}(-[A-Za-z0-9]{1,32}){1,5}([.][A-Za-z0-9]{1,8})?"
        ) {
            prop_assert_eq!(Vtid::parse(&text).is_ok(), text.len() <= Vtid::MAX_BYTES);
        }

        #[test]
        fn a_vtid_parses_to_itself(text in any::<String>()) {
            if let Ok(vtid) = Vtid::parse(&text) {
                prop_assert_eq!(Vtid::parse(vtid.as_str()), Ok(vtid));
            }
        }
    }
}
