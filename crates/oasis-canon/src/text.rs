//! Places in texts, and edits of texts.

use std::ops::Range;

/// A place in a file. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let before = &text[..byte.min(text.len())];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        // A hostile file can have a finding in each of its lines, so this must be fast.
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        Self { line, column: before[start..].chars().count() + 1 }
    }
}

/// Replaces some bytes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) bytes: Range<usize>,
    pub(crate) with: String,
}

/// Adds `more` to `edits`, except for the edits that overlap one of them.
pub(crate) fn add(edits: &mut Vec<Edit>, more: Vec<Edit>) {
    for edit in more {
        let overlaps =
            |other: &Edit| edit.bytes.start < other.bytes.end && other.bytes.start < edit.bytes.end;
        if !edits.iter().any(overlaps) {
            edits.push(edit);
        }
    }
}

/// Applies edits to `text`. An edit that overlaps an earlier one is left out.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.bytes.start, edit.bytes.end));
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for edit in edits.iter().filter(|edit| edit.bytes.end <= text.len()) {
        if edit.bytes.start >= done {
            edited.push_str(&text[done..edit.bytes.start]);
            edited.push_str(&edit.with);
            done = edit.bytes.end;
        }
    }
    edited.push_str(&text[done..]);
    edited
}

/// Whether `path` is the folder or file `place`, or is in that folder.
pub(crate) fn is_at_or_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Finds each occurrence of `word` in `text` whose neighbours could not be parts of the same word.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let after = &text[at + word.len()..];
        // A dot may also end a sentence.
        let ends = !after.starts_with(is_part)
            || (after.starts_with('.') && !after[1..].starts_with(|c: char| c.is_alphanumeric()));
        !text[..at].ends_with(is_part) && ends
    })
}
