//! Repairs JSON text with escapes that cannot be stored.

use std::borrow::Cow;

/// The escape of U+FFFD, the replacement character.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// Replaces the escapes of NUL characters and of lone surrogates in JSON text with the escape of U+FFFD.
/// PostgreSQL cannot store a NUL character, and a JSON parser refuses a lone surrogate. GitHub sends both,
/// because titles may contain any text. A lone surrogate is half of a character, left after a text was cut.
pub fn repair_escapes(json: &[u8]) -> Cow<'_, [u8]> {
    let mut repaired = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = json[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + offset;
        let (length, is_bad) = match code_unit(json, escape) {
            // Every other escape has one character after the backslash. This character may be a backslash.
            None => (2, false),
            Some(0xd800..=0xdbff) => match code_unit(json, escape + 6) {
                Some(0xdc00..=0xdfff) => (12, false),
                _ => (6, true),
            },
            Some(unit) => (6, unit == 0 || (0xdc00..=0xdfff).contains(&unit)),
        };
        if is_bad {
            repaired.extend_from_slice(&json[copied..escape]);
            repaired.extend_from_slice(REPLACEMENT);
            copied = escape + length;
        }
        at = (escape + length).min(json.len());
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    repaired.extend_from_slice(&json[copied..]);
    Cow::Owned(repaired)
}

/// The UTF-16 code unit of the escape `\uXXXX` that starts at index `at`. `None` if no such escape starts
/// there.
fn code_unit(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at + 6)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nul_and_lone_surrogates_become_replacement_characters() {
        for (json, repaired) in [
            (r#""a\u0000b""#, r#""a\ufffdb""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00x""#, r#""\ufffdx""#),
            (r#""\ud83dx""#, r#""\ufffdx""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
        ] {
            assert_eq!(repair_escapes(json.as_bytes()), repaired.as_bytes(), "{json}");
        }
        for fine in
            [r#""\ud83d\ude00""#, r#""\\u0000""#, r#""\\\\ud800""#, r#""\u00e9\n""#, "{}", "", "\\", "\\u00"]
        {
            assert!(matches!(repair_escapes(fine.as_bytes()), Cow::Borrowed(_)), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn any_json_of_escapes_can_be_parsed_after_the_repair(
            units in proptest::collection::vec(any::<u16>(), 0..9),
        ) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escapes}\"");
            let text: String = serde_json::from_slice(&repair_escapes(json.as_bytes())).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units).replace('\0', "\u{fffd}"));
        }

        #[test]
        fn valid_json_without_nul_is_not_changed(text in "[^\\x00]*") {
            let json = serde_json::to_vec(&text).unwrap();
            prop_assert!(matches!(repair_escapes(&json), Cow::Borrowed(_)));
        }
    }
}
