//! Characters that nobody can see, and the texts that must not have them.

/// Whether `c` is a line separator, a paragraph separator or an invisible format control of Unicode. For
/// example, some format controls change the direction of text.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// The maximum length of the id or name of a user, and of a title, in bytes.
pub const MOST_NAME_BYTES: usize = 256;

/// Whether a text is safe to store, to show and to log as an id, a name or a title: 1 to [`MOST_NAME_BYTES`]
/// bytes, without control characters and invisible characters.
pub fn is_name(text: &str) -> bool {
    // Nearly all names have only printable ASCII characters.
    let is_plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let has_hostile = |text: &str| text.contains(|c: char| c.is_control() || is_invisible(c));
    (1..=MOST_NAME_BYTES).contains(&text.len()) && (is_plain(text) || !has_hostile(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_256_bytes_that_anyone_can_see() {
        for good in ["a", "auth0|alice", "Ünal Ö", &"x".repeat(256)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", "a\nb", "a\0", "a\u{202e}b", &"x".repeat(257)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
