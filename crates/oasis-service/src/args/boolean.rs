//! Parses booleans as people write them in environment variables.

/// Parses a boolean in any case: `1`, `true`, `t`, `yes`, `y` or `on`, or `0`, `false`, `f`, `no`, `n` or
/// `off`.
///
/// # Errors
/// When the text is no boolean. The message is for the person who typed the text.
pub fn parse_boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" | "enable" | "enabled" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" | "disable" | "disabled" => Ok(false),
        _ => {
            Err("expected yes or no (or true, false, on, off, 1, 0; an empty variable counts as unset)"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_accepted_as_people_write_them() {
        for text in ["1", "true", "TRUE", "t", "yes", " Yes ", "y", "on", "ON", "enabled"] {
            assert_eq!(parse_boolean(text), Ok(true), "{text}");
        }
        for text in ["0", "false", "False", "f", "no", "n", "off", "OFF", "disabled"] {
            assert_eq!(parse_boolean(text), Ok(false), "{text}");
        }
        for text in ["", "2", "maybe", "tru", "-1", "null"] {
            assert!(parse_boolean(text).unwrap_err().contains("yes or no"), "{text}");
        }
    }
}
