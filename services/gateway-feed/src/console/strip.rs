//! Scripts and style sheets without comments, types and indentation, which are a third of them and which a browser has no
//! use for. They are formatted by a tool, so few rules do.

/// A script without what a browser has no use for. It must hold no text that goes over several lines, and no comment
/// behind code that ends a line with one of `; , ( [ {`.
pub(super) fn script(content: &str) -> String {
    without_comments(content, push_code)
}

fn without_comments(content: &str, push: fn(&mut String, &str)) -> String {
    let mut kept = String::with_capacity(content.len());
    let mut in_comment = false;
    for line in content.lines() {
        let mut line = line.trim();
        if in_comment || (line.starts_with("/*") && !line.contains("*/")) {
            in_comment = !line.contains("*/");
            line = "";
        } else if line.starts_with("//") {
            line = "";
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("/** ")
            && let Some((_, after)) = after.split_once("*/")
        {
            push(&mut kept, before);
            rest = after.trim_start();
        }
        push(&mut kept, rest);
        // After these a line's end means nothing.
        if !kept.is_empty() && !kept.ends_with(['\n', ';', ',', '(', '[', '{']) {
            kept.push('\n');
        }
    }
    kept
}

/// Blanks beside these mean nothing. Not `+` and `-`, which would become others.
const SIGNS: &[char] =
    &['=', ',', ';', ':', '{', '}', '(', ')', '[', ']', '<', '>', '?', '&', '|', '!', '*', '%'];

/// Leaves out blanks beside signs; where there may be text in anything but plain double quotes, none.
fn push_code(kept: &mut String, code: &str) {
    if code.contains(['\'', '`', '/', '\\']) {
        return kept.push_str(code);
    }
    for (nth, part) in code.split('"').enumerate() {
        if nth > 0 {
            kept.push('"');
        }
        let in_text = nth % 2 == 1;
        let mut before = None;
        let mut rest = part.chars().peekable();
        while let Some(next) = rest.next() {
            let beside_sign = before.is_some_and(|sign| SIGNS.contains(&sign))
                || rest.peek().is_some_and(|sign| SIGNS.contains(sign));
            if in_text || next != ' ' || !beside_sign {
                kept.push(next);
            }
            before = Some(next);
        }
    }
}

/// As [`script`], but a style sheet is all one line.
pub(super) fn css(content: &str) -> String {
    // A blank before a colon or a bracket may be part of a selector or of a query.
    let plain = without_comments(content, String::push_str);
    let parts = plain.split_inclusive(['\n', ';', '{']).map(|part| match part.trim_end().split_once(": ") {
        Some((name, value)) if value.ends_with(';') => format!("{name}:{value}"),
        _ => part.trim_end().replace(" {", "{"),
    });
    parts.collect::<String>().replace(";}", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_code_is_stripped() {
        let code = "/** @type {A} */\n  const a = /** @type {B} */ (b); // c\n/*\n * x\n */\n  f();\n";
        assert_eq!(script(code), "const a=(b); // c\nf();");
        assert_eq!(script("f(\n  a,\n);\nif (a)\n  b();\nelse\n  c();\n"), "f(a,);if(a)\nb();else\nc();");
        assert_eq!(
            script("const a = b ? \" = \" : x + +y - 1 in [c];\nreturn !(a && \"}\");\nconst r = / = /;\n"),
            "const a=b?\" = \":x + +y - 1 in[c];return!(a&&\"}\");const r = / = /;"
        );
        assert_eq!(css("a :is(b) {\n  c: calc(1px * (2 + 3));\n}\n"), "a :is(b){c:calc(1px * (2 + 3))}");
        assert_eq!(css("a,\nb {\n  c: d;\n  e: f;\n}\n"), "a,b{c:d;e:f}");
    }
}
