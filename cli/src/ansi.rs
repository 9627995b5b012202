//! Makes untrusted text safe for a terminal, but keeps its colours.

use crate::output::printable;

const ESCAPE: char = '\x1b';
/// The code that starts hidden text.
const CONCEAL: u32 = 8;

/// Makes `text` harmless for a terminal. With `colours`, sequences that only set colours and styles are kept.
/// Other control sequences are removed, and other control characters are replaced. So a text can neither move
/// the cursor nor set the title. Line breaks are kept.
pub(crate) fn harmless(text: &str, colours: bool) -> String {
    let (mut out, mut rest, mut styled) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(ESCAPE) {
        out.push_str(&plain(&rest[..at]));
        rest = &rest[at..];
        let Some(length) = sequence(rest) else {
            out.push(char::REPLACEMENT_CHARACTER);
            rest = &rest[1..];
            continue;
        };
        if colours && is_style(&rest[..length]) {
            out.push_str(&rest[..length]);
            styled = true;
        }
        rest = &rest[length..];
    }
    out.push_str(&plain(rest));
    if styled {
        out.push_str("\x1b[0m");
    }
    out
}

fn plain(text: &str) -> String {
    printable(&text.replace("\r\n", "\n").replace('\t', "    "))
}

/// The length of the control sequence (CSI) at the start of `text`. `None` if there is no complete sequence.
fn sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.bytes().position(|byte| !(0x20..0x40).contains(&byte))?;
    (0x40..0x7f).contains(&body.as_bytes()[end]).then_some("\x1b[".len() + end + 1)
}

/// Whether a control sequence only sets colours and styles (SGR), and does not hide text.
fn is_style(sequence: &str) -> bool {
    let parameters = sequence.strip_prefix("\x1b[").and_then(|rest| rest.strip_suffix('m'));
    let Some(parameters) =
        parameters.filter(|text| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b';' | b':')))
    else {
        return false;
    };
    let mut codes = parameters.split(';');
    while let Some(code) = codes.next() {
        match code {
            // The parameters `5;N` or `2;R;G;B` after this code belong to it.
            "38" | "48" | "58" => match codes.next() {
                Some("5") => drop(codes.next()),
                Some("2") => drop(codes.nth(2)),
                Some(_) | None => return false,
            },
            code if code.parse() == Ok(CONCEAL) => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_are_kept_on_a_terminal_and_left_out_elsewhere() {
        let text = "a \x1b[1;31mred\x1b[0m \x1b[38;5;8mgrey\x1b[m";
        assert_eq!(harmless(text, true), format!("{text}\x1b[0m"));
        assert_eq!(harmless(text, false), "a red grey");
        assert_eq!(harmless("\x1b[38;2;1;2;8mx", true), "\x1b[38;2;1;2;8mx\x1b[0m");
    }

    #[test]
    fn all_other_sequences_are_removed_or_replaced() {
        for (text, expected) in [
            ("a\x1b[2J\x1b[1;1Hb", "ab"),
            ("\x1b[2K\x1b[?25lx", "x"),
            ("\x1b]0;title\x07x", "\u{fffd}]0;title\u{fffd}x"),
            ("\x1b[8mhidden", "hidden"),
            ("\x1b[0;08mhidden", "hidden"),
            ("a\rb\u{9b}2J\u{202e}", "a\u{fffd}b\u{fffd}2J\u{fffd}"),
            ("a\tb\r\nc\x1b", "a    b\nc\u{fffd}"),
            ("\x1b[31", "\u{fffd}[31"),
        ] {
            assert_eq!(harmless(text, true), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_can_control_the_terminal(text in "([\x1b\\[\\]0-9;?mHJ\r\n\t\x07é\u{9b}]|.){0,40}") {
            let plain = harmless(&text, false);
            prop_assert!(!plain.contains(|c: char| c.is_control() && c != '\n'), "{plain:?}");
            let coloured = harmless(&text, true);
            for part in coloured.split(ESCAPE).skip(1) {
                let end = part.find('m').expect("a style ends with m");
                prop_assert!(part[..end].bytes().all(|b| b"[0123456789;:".contains(&b)), "{coloured:?}");
            }
        }
    }
}
