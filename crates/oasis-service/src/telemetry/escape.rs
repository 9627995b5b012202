//! Writes text into JSON strings without an intermediate copy.

use std::fmt;
use std::io::Write as _;

pub(super) fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
}

/// A writer that escapes text for a JSON string.
pub(super) struct Escaped<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    let must_be_escaped = |c: char| matches!(c, '"' | '\\' | '\0'..'\x20') || is_misleading(c);
    while let Some(plain) = rest.find(must_be_escaped) {
        out.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
        let Some(special) = rest.chars().next() else { break };
        match special {
            '\n' => out.extend_from_slice(b"\\n"),
            '"' | '\\' => put(out, format_args!("\\{special}")),
            other => put(out, format_args!("\\u{:04x}", u32::from(other))),
        }
        rest = &rest[special.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Whether a character changes how a terminal or an editor shows the text around it: DEL and the controls
/// C1, the separators of lines and paragraphs, and the controls of the writing direction.
pub(super) fn is_misleading(c: char) -> bool {
    matches!(c, '\x7f'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_change_how_other_text_is_shown_are_escaped() {
        let text = "a\u{7f}\u{85}b\u{9b}31m\u{2028}\u{2029}\u{202a}\u{202e}c\u{2066}\u{2069}\n\"\\";
        let mut out = Vec::new();
        escape(&mut out, text);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"a\u007f\u0085b\u009b31m\u2028\u2029\u202a\u202ec\u2066\u2069\n\"\\"#
        );
        let shown = "é\u{a0}–\u{2027}\u{2030}\u{1f980}";
        let mut out = Vec::new();
        escape(&mut out, shown);
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}
