//! Checks that files and lines of code are short, and that no file contains notes about open work.

use crate::finding::Finding;
use crate::paths::{Language, language};
use crate::tree::Tree;

/// The maximum number of lines in a file. A longer file usually has more than one purpose.
const MAX_LINES: usize = 400;
/// The maximum number of characters in a line. rustfmt.toml has the same number.
const MAX_CHARS: usize = 110;

/// The folder of migrations that databases have applied. The databases store checksums of these files, so not
/// even a comment may change.
const APPLIED: &str = "/old_migrations/";

/// The file with code that a tool writes: the types of the schemas in `openapi/`.
const GENERATED: &str = "console/client/schemas.d.ts";

/// The files with Rust, JavaScript, SQL or shell code, including tests, but without generated code.
fn code(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, text)| match language(path, text) {
        Some(Language::Rust | Language::JavaScript | Language::Sql | Language::Shell) => {
            !path.contains(APPLIED) && *path != GENERATED
        }
        Some(Language::Page) | None => false,
    })
}

/// Finds the files of code with more than 400 lines.
pub(crate) fn check_files(tree: &Tree) -> Vec<Finding> {
    let counted = code(tree).map(|(path, text)| (path, text.lines().count()));
    let long = counted.filter(|(_, lines)| *lines > MAX_LINES);
    long.map(|(path, lines)| {
        let problem = format!("{lines} lines, but at most {MAX_LINES} are allowed: split the file");
        Finding::new(path, problem)
    })
    .collect()
}

/// Finds the lines of code with more than 110 characters.
pub(crate) fn check_lines(tree: &Tree) -> Vec<Finding> {
    let lines = code(tree).flat_map(|(path, text)| {
        text.lines().enumerate().map(move |(index, line)| (path, index + 1, line.chars().count()))
    });
    let long = lines.filter(|(_, _, characters)| *characters > MAX_CHARS);
    long.map(|(path, line, characters)| {
        let problem = format!("{characters} characters, but at most {MAX_CHARS} are allowed: break the line");
        Finding::at(path, line, problem)
    })
    .collect()
}

/// Finds the notes about open work.
pub(crate) fn check_notes(tree: &Tree) -> Vec<Finding> {
    // Each word is split into two parts, so that the check does not find this line.
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
                format!("{needle}: do the work now, or open an issue and remove the note"),
            ))
        })
        .collect()
}

/// Whether a line contains `word` as a separate word, not as a part of a longer word or a name with dashes.
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
        let (allowed, long) = ("\n".repeat(MAX_LINES), "\n".repeat(MAX_LINES + 1));
        let tree = Tree::from_iter([
            ("a.rs", allowed.as_str()),
            ("b.rs", &long),
            ("tests/c.js", &long),
            ("d.css", &long),
            ("package-lock.json", &long),
            (GENERATED, &long),
            ("console/client/types.d.ts", &long),
        ]);
        assert_eq!(places(&check_files(&tree)), ["b.rs", "console/client/types.d.ts", "tests/c.js"]);
    }

    #[test]
    fn the_length_of_lines_is_counted_in_characters() {
        let (allowed, long) = ("é".repeat(MAX_CHARS), format!("short\n{}\n", "x".repeat(MAX_CHARS + 1)));
        let script = format!("#!/usr/bin/env bash\n{long}");
        let tree = Tree::from_iter([
            ("a.rs", allowed.as_str()),
            ("b.sql", &long),
            ("migrations/V2__later.sql", &long),
            ("tests/old_migrations/V2__before.sql", &long),
            ("run", &script),
            ("README.md", &long),
            (GENERATED, &long),
        ]);
        assert_eq!(places(&check_lines(&tree)), ["b.sql:2", "migrations/V2__later.sql:2", "run:3"]);
    }

    #[test]
    fn only_whole_words_count_as_notes() {
        let note = ["// TO", "DO: later"].concat();
        let (longer, dashed) = (["TO", "DOs"].concat(), ["DEV-XX", "X-0001"].concat());
        let tree = Tree::from_iter([("a.rs", note.as_str()), ("b.md", &longer), ("c.md", &dashed)]);
        assert_eq!(places(&check_notes(&tree)), ["a.rs:1"]);
    }
}
