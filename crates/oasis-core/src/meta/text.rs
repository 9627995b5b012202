//! Computes the size of texts in JSON, and cuts texts to a size.

/// The maximum number of bytes that Postgres prints for the string `text`.
pub(super) fn printed_size(text: &str) -> usize {
    2 + text.len() + text.bytes().map(escape_size).sum::<usize>()
}

/// Returns the longest prefix of `text` that has at most `max_bytes` bytes in JSON, without the quotes.
pub fn cut_text(text: &str, max_bytes: usize) -> &str {
    // An escape has six bytes.
    if text.len() <= max_bytes / 6 {
        return text;
    }
    let mut size = 0;
    let over = text.char_indices().find(|(_, c)| {
        size += c.len_utf8() + u8::try_from(*c).map_or(0, escape_size);
        size > max_bytes
    });
    over.map_or(text, |(end, _)| &text[..end])
}

/// How many more bytes than one a byte needs in JSON.
fn escape_size(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..32 => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_text_is_the_longest_prefix_that_fits(
            text in "([\\x00-\\x7f]|.){0,40}",
            most in 0..200_usize,
        ) {
            let in_json = |text: &str| serde_json::to_string(text).unwrap().len();
            prop_assert_eq!(printed_size(&text), in_json(&text));
            let cut = cut_text(&text, most);
            prop_assert!(text.starts_with(cut) && in_json(cut) <= most + 2);
            if let Some(next) = text[cut.len()..].chars().next() {
                let longer = &text[..cut.len() + next.len_utf8()];
                prop_assert!(in_json(longer) > most + 2);
            }
        }
    }
}
