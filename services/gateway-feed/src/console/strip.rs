//! Scripts and style sheets without comments, types and indentation, which are a third of them and which a
//! browser has no use for. They are formatted by a tool, so few rules do.

/// A script without what a browser has no use for. It must hold no text that goes over several lines, and no
/// comment behind code.
pub(super) fn script(content: &str) -> String {
    let mut kept = String::with_capacity(content.len());
    for line in without_comments(content) {
        let begins = line.chars().next().unwrap_or_default();
        // A line's end means nothing before these, nor do the signs that ended the last line of a block or
        // list.
        if matches!(begins, '}' | ')' | ']' | '.' | '?' | ':' | '&' | '|') && kept.ends_with('\n') {
            kept.pop();
        }
        if (begins == '}' && kept.ends_with(';'))
            || (matches!(begins, '}' | ')' | ']') && kept.ends_with(','))
        {
            kept.pop();
        }
        push_code(&mut kept, &line);
        if !kept.ends_with([';', ',', '(', '[', '{']) {
            kept.push('\n');
        }
    }
    kept
}

/// The lines that hold more than blanks and comments, without them.
fn without_comments(content: &str) -> impl Iterator<Item = String> {
    let mut in_comment = false;
    content.lines().filter_map(move |line| {
        let line = line.trim();
        if in_comment || line.starts_with("/*") && !line.starts_with("/** ") {
            in_comment = !line.contains("*/");
            return None;
        }
        let mut kept = String::with_capacity(line.len());
        let mut rest = if line.starts_with("//") { "" } else { line };
        while let Some((before, after)) = rest.split_once("/** ")
            && let Some((_, after)) = after.split_once("*/")
        {
            kept.push_str(before);
            rest = after.trim_start();
        }
        kept.push_str(rest);
        Some(kept).filter(|kept| !kept.trim().is_empty())
    })
}

/// Whether a blank between these two means nothing; between two of `+` and `-` it does.
fn is_idle(before: char, after: char) -> bool {
    let is_sign = |sign| "=,;:{}()[]<>?&|!*%+-".contains(sign);
    let joins = |sign| matches!(sign, '+' | '-');
    (is_sign(before) || is_sign(after)) && !(joins(before) && joins(after))
}

/// Leaves out blanks beside signs, but for texts, and for what stands behind a slash, which may begin a
/// pattern.
fn push_code(kept: &mut String, line: &str) {
    // One text within another is not told apart.
    if line.matches('`').count() > 2 {
        return kept.push_str(line);
    }
    let mut within = None;
    let mut before = '\n';
    let mut rest = line.char_indices().peekable();
    while let Some((at, next)) = rest.next() {
        match (within, next) {
            (Some(_), '\\') | (None, '/' | '\'') => return kept.push_str(&line[at..]),
            (None, '_') if before.is_ascii_digit() => continue,
            // What is never set again may as well be; a type checker has seen to it.
            (None, 'c') if matches!(before, '\n' | ' ' | '(') && line[at..].starts_with("const ") => {
                kept.push_str("let");
                rest.nth("onst".len() - 1);
                before = 't';
                continue;
            }
            (Some(mark), _) if mark == next => within = None,
            (None, '"' | '`') => within = Some(next),
            (None, ' ') if rest.peek().is_some_and(|(_, after)| is_idle(before, *after)) => continue,
            _ => {}
        }
        kept.push(next);
        before = next;
    }
}

/// A style sheet, all in one line.
pub(super) fn css(content: &str) -> String {
    // A blank before a colon or a bracket may be part of a selector or of a query.
    let lines = without_comments(content).map(|line| match line.split_once(": ") {
        Some((name, value)) if value.ends_with([';', ',', '(']) => {
            format!("{name}:{}", value.replace(", ", ","))
        }
        _ => line.replace(" {", "{").replace(" > ", ">").replace(", ", ","),
    });
    lines.collect::<String>().replace(";}", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_is_stripped() {
        for (written, served) in [
            (
                "/** @type {A} */\n  const a = /** @type {B} */ (b);\n/*\n * x\n */\n// y\n\n  f();\n",
                "let a=(b);f();",
            ),
            (
                "f(\n  a,\n  [\n    b,\n  ],\n);\nif (a)\n  b();\nelse\n  c();\n",
                "f(a,[b]);if(a)\nb();else\nc();",
            ),
            (
                "class A {\n  #a = 1;\n  b() {\n    return a\n      .b()\n      ?.c;\n  }\n}\nf()\n",
                "class A{#a=1;b(){return a.b()?.c}}\nf()\n",
            ),
            ("const a = b ? \" = \" : x + +y - 1 in [c];\n", "let a=b?\" = \":x+ +y-1 in[c];"),
            ("return !(a && \"it's } \") || `( ${a} , )` ;\n", "return!(a&&\"it's } \")||`( ${a} , )`;"),
            (
                "for (const a of b) constant(a);\nexport const c = 10_000;\n",
                "for(let a of b)constant(a);export let c=10000;",
            ),
            ("const r = / = /, s = 1 / 2;\n", "let r=/ = /, s = 1 / 2;"),
            ("const t = `a = ${`b = c`}`;\n", "const t = `a = ${`b = c`}`;"),
            ("const u = \"\\\" = \" + v;\n", "let u=\"\\\" = \" + v;"),
        ] {
            assert_eq!(script(written), served);
        }
    }

    #[test]
    fn a_style_sheet_keeps_its_selectors() {
        assert_eq!(css("a :is(b) {\n  c: calc(1px * (2 + 3));\n}\n"), "a :is(b){c:calc(1px * (2 + 3))}");
        assert_eq!(css("a,\nb > c {\n  /* x */\n  c: d(1, 2);\n  e: f;\n}\n"), "a,b>c{c:d(1,2);e:f}");
        assert_eq!(
            css("@media (a: b) and (c) {\n  d {\n    e:\n      f,\n      g;\n  }\n}\n"),
            "@media (a: b) and (c){d{e:f,g}}"
        );
    }
}
