//! Removes comments and indentation from scripts and style sheets. Comments and indentation are a third of
//! the bytes, and browsers do not need them. All other text is served unchanged.

/// The content of a file without blank lines, without indentation, and without comments that fill whole
/// lines.
///
/// A string in a file must not span several lines, because the indentation in the string would be removed,
/// too. A test in `files` checks this.
pub(super) fn strip(content: &str) -> String {
    let mut kept = String::with_capacity(content.len());
    let mut in_comment = false;
    for line in content.lines().map(str::trim) {
        if in_comment {
            in_comment = !line.contains("*/");
        } else if line.starts_with("/*") && !line.contains("*/") {
            in_comment = true;
        } else if !is_comment(line) && !line.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Whether the line contains one comment and no code.
fn is_comment(line: &str) -> bool {
    line.starts_with("//") || line.starts_with("/*") && line.find("*/") == Some(line.len() - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_are_removed() {
        for (written, served) in [
            ("/*\n * x\n */\n// y\n\n  /* z */\n  f();\n", "f();\n"),
            ("/** @type {A} */\n  const a = /** @type {B} */ (b);\n", "const a = /** @type {B} */ (b);\n"),
            ("/* a */ f(); /* b */\n", "/* a */ f(); /* b */\n"),
            ("a {\n  /* x\n     y */\n  b: c;\n}\n", "a {\nb: c;\n}\n"),
            ("f(\"// a\");\n\n\n\tg(\"/* b\");\n", "f(\"// a\");\ng(\"/* b\");\n"),
        ] {
            assert_eq!(strip(written), served);
        }
    }
}
