//! Files and lines of code stay short, and no note asks for work that is left.

use crate::finding::Finding;
use crate::paths::{Language, language};
use crate::tree::Tree;

/// Lines of a file. A longer one holds a second idea.
const FILE: usize = 400;
/// Characters of a line; rustfmt.toml has the same number.
const LINE: usize = 110;

/// Migrations as databases have applied them. Their checksums forbid every change, one of a comment included.
const APPLIED: &str = "/old_migrations/";

/// Rust, JavaScript, SQL and shell: tests, too.
fn code(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, text)| match language(path, text) {
        Some(Language::Rust | Language::JavaScript | Language::Sql | Language::Shell) => {
            !path.contains(APPLIED)
        }
        Some(Language::Page) | None => false,
    })
}

/// No file of code is over 400 lines.
pub(crate) fn check_files(tree: &Tree) -> Vec<Finding> {
    let long = code(tree).map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > FILE);
    long.map(|(path, lines)| {
        let problem =
            format!("{lines} lines, and {FILE} are allowed: move its second idea into a file of its own");
        Finding::new(path, problem)
    })
    .collect()
}

/// No line of code is over 110 characters.
pub(crate) fn check_lines(tree: &Tree) -> Vec<Finding> {
    let lines = code(tree).flat_map(|(path, text)| {
        text.lines().enumerate().map(move |(index, line)| (path, index + 1, line.chars().count()))
    });
    let long = lines.filter(|(_, _, characters)| *characters > LINE);
    long.map(|(path, line, characters)| {
        Finding::at(path, line, format!("{characters} characters, and {LINE} are allowed: break the line"))
    })
    .collect()
}

/// No file has a note about work that is left.
pub(crate) fn check_notes(tree: &Tree) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let needles = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let lines = tree
        .texts()
        .filter(|(path, _)| !path.ends_with("lock") && !path.ends_with("lock.json"))
        .flat_map(|(path, text)| text.lines().enumerate().map(move |(index, line)| (path, index + 1, line)));
    lines
        .filter_map(|(path, number, line)| {
            let needle = needles.iter().find(|needle| has_word(line, needle))?;
            Some(Finding::at(
                path,
                number,
                format!("{needle}: do it now, or open an issue and remove the note"),
            ))
        })
        .collect()
}

/// A word in a line is not part of a longer one, nor of a name with dashes.
fn has_word(line: &str, word: &str) -> bool {
    let is_joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    line.match_indices(word).any(|(at, _)| {
        !is_joined(line[..at].chars().next_back()) && !is_joined(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.place.as_str()).collect()
    }

    #[test]
    fn long_files_of_code_are_found() {
        let (most, more) = ("\n".repeat(FILE), "\n".repeat(FILE + 1));
        let tree = Tree::from_iter([
            ("a.rs", most.as_str()),
            ("b.rs", &more),
            ("tests/c.js", &more),
            ("d.css", &more),
            ("package-lock.json", &more),
        ]);
        assert_eq!(places(&check_files(&tree)), ["b.rs", "tests/c.js"]);
    }

    #[test]
    fn long_lines_are_counted_in_characters() {
        let (most, more) = ("é".repeat(LINE), format!("short\n{}\n", "x".repeat(LINE + 1)));
        let script = format!("#!/usr/bin/env bash\n{more}");
        let tree = Tree::from_iter([
            ("a.rs", most.as_str()),
            ("b.sql", &more),
            ("migrations/V2__later.sql", &more),
            ("tests/old_migrations/V2__before.sql", &more),
            ("run", &script),
            ("README.md", &more),
        ]);
        assert_eq!(places(&check_lines(&tree)), ["b.sql:2", "migrations/V2__later.sql:2", "run:3"]);
    }

    #[test]
    fn notes_are_found_as_words() {
        let note = ["// TO", "DO: later"].concat();
        let (longer, dashed) = (["TO", "DOs"].concat(), ["DEV-XX", "X-0001"].concat());
        let tree = Tree::from_iter([("a.rs", note.as_str()), ("b.md", &longer), ("c.md", &dashed)]);
        assert_eq!(places(&check_notes(&tree)), ["a.rs:1"]);
    }
}
