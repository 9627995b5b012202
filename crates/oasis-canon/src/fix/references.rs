//! Finds the references to renamed workflows: triggers and expressions in workflows, paths and links in all
//! files, badges, and the names of checks in documents.

use std::collections::BTreeMap;

use super::names::{NewNames, Unfixed};
use super::workflow::replace;
use crate::text::{Edit, Place, words};
use crate::tree::Tree;
use crate::words::is_canonical;
use crate::workflow::{FOLDER, Workflow};
use crate::yaml::{Ref, Yaml};

/// The renamed files and workflows, from old to new.
#[derive(Debug)]
pub(super) struct References<'a> {
    files: BTreeMap<&'a str, &'a str>,
    names: BTreeMap<&'a str, &'a str>,
    tree: &'a Tree,
}

/// The maximum number of messages about one file.
const MOST_MESSAGES: usize = 20;

impl<'a> References<'a> {
    pub(super) fn of(all: &'a [NewNames], tree: &'a Tree) -> Self {
        let files = all.iter().filter_map(|names| Some((names.file.as_str(), names.new_file.as_deref()?)));
        // A reference to a name that two workflows had is ambiguous.
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for old in all.iter().filter_map(|names| names.old_name.as_deref()) {
            *counts.entry(old).or_default() += 1;
        }
        let renamed = all.iter().filter_map(|names| {
            let old = names.old_name.as_deref().filter(|old| counts[old] == 1)?;
            Some((old, names.new_name.as_deref()?))
        });
        Self { files: files.collect(), names: renamed.collect(), tree }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.names.is_empty()
    }

    /// The references by name in a workflow.
    pub(super) fn in_workflow(
        &self,
        path: &str,
        text: &str,
        yaml: &Yaml<'_>,
        unfixed: &mut Vec<Unfixed>,
    ) -> Vec<Edit> {
        let mut edits = Vec::new();
        let Some(workflow) = Workflow::of(yaml) else { return edits };
        let triggers = workflow.top.at(&["on", "workflow_run", "workflows"]);
        // A single name need not be in a list.
        let triggers = triggers.into_iter().flat_map(|list| std::iter::once(list).chain(list.items()));
        for node in triggers {
            let Some((old, new)) = node.text().and_then(|name| self.names.get_key_value(name)) else {
                continue;
            };
            match replace(text, node, new) {
                Ok(edit) => edits.push(edit),
                Err(why) => {
                    let line = Place::of(text, node.start()).line;
                    unfixed.push(Unfixed::new(path, format!("line {line} refers to {old:?}: {why}")));
                }
            }
        }
        edits.extend(yaml.scalars().flat_map(|node| self.compared(text, node)));
        self.report_mentions(path, text, workflow, &edits, unfixed);
        edits
    }

    /// Reports the names in quotes that were not edited: they may mean the workflow.
    fn report_mentions(
        &self,
        path: &str,
        text: &str,
        workflow: Workflow<'_>,
        edits: &[Edit],
        unfixed: &mut Vec<Unfixed>,
    ) {
        let own = workflow.name().map(|name| name.span()).unwrap_or_default();
        let is_edited = |at: usize| own.contains(&at) || edits.iter().any(|edit| edit.bytes.contains(&at));
        let found = self.names.iter().filter(|(old, _)| !is_canonical(old)).flat_map(|(old, new)| {
            let quotes = ['\'', '"'];
            let is_quoted = move |at: &usize| {
                text[..*at].ends_with(quotes) || text[*at + old.len()..].starts_with(quotes)
            };
            words(text, old).filter(is_quoted).map(move |at| (at, *old, *new))
        });
        for (at, old, new) in found.filter(|(at, ..)| !is_edited(*at)).take(MOST_MESSAGES) {
            let line = Place::of(text, at).line;
            let message = format!("line {line} mentions {old:?}: if it means this workflow, write {new}");
            unfixed.push(Unfixed::new(path, message));
        }
    }

    /// The names that an expression compares, as in `github.workflow == 'Deploy gateway'`.
    fn compared(&self, text: &str, node: Ref<'_>) -> Vec<Edit> {
        if !node.text().is_some_and(|text| CONTEXTS.iter().any(|context| text.contains(context))) {
            return Vec::new();
        }
        let span = node.span();
        let mut edits = Vec::new();
        for (old, new) in &self.names {
            for at in text[span.clone()].match_indices(old).map(|(at, _)| span.start + at) {
                let end = at + old.len();
                if is_compared(&text[span.start..at], &text[end..span.end]) {
                    edits.push(Edit { bytes: at..end, with: (*new).to_owned() });
                }
            }
        }
        edits
    }

    /// The references by file in any text, and those by name in a document. The text of a program can mean a
    /// workflow of another repository, as test data does. So a person must change it.
    pub(super) fn in_text(&self, path: &str, text: &str, unfixed: &mut Vec<Unfixed>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let is_safe = is_safe(path);
        let mut messages = 0;
        for (old, new) in &self.files {
            for at in text.match_indices(old).map(|(at, _)| at) {
                let after = &text[at + old.len()..];
                if after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') {
                    continue;
                }
                let why = match self.meaning(path, text, at, old) {
                    Meaning::Own if is_safe => {
                        edits.push(Edit { bytes: at..at + old.len(), with: (*new).to_owned() });
                        continue;
                    }
                    Meaning::Other => continue,
                    Meaning::Own | Meaning::Unclear => format!("if it means this workflow, write {new}"),
                    Meaning::Version => "the renamed file is not in that version".to_owned(),
                    Meaning::Unknown => {
                        "the name of the repository is not known; add --repository".to_owned()
                    }
                };
                messages += 1;
                if messages <= MOST_MESSAGES {
                    let line = Place::of(text, at).line;
                    unfixed.push(Unfixed::new(path, format!("line {line} mentions {old}: {why}")));
                }
            }
        }
        if DOCUMENTS.contains(&extension(path)) {
            for (old, new) in &self.names {
                edits.extend(self.named_in_document(path, text, (old, new), unfixed));
            }
        }
        edits
    }

    /// What a file name at `at` means, by the text around it.
    fn meaning(&self, path: &str, text: &str, at: usize, old: &str) -> Meaning {
        let before = &text[token_start(text, at)..at];
        let after = &text[at + old.len()..];
        if before.is_empty() {
            return if follows_workflow(&text[..at]) { Meaning::Own } else { Meaning::Unclear };
        }
        let folders = [".github/workflows/", "actions/workflows/", "workflows/"];
        let folder = folders.iter().find_map(|folder| before.strip_suffix(folder));
        // shields.io names the repository after the folder.
        let shield = before.find("actions/workflow/status/").map(|found| &before[found..]);
        match (folder, shield) {
            (Some(place), _) if place.trim_matches(['.', '/']).is_empty() => {
                // A folder can have workflows of its own, as a template of a repository does.
                let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
                let is_nested = folders.any(|folder| self.tree.has(&format!("{folder}/{FOLDER}{old}")));
                if is_nested { Meaning::Other } else { Meaning::Own }
            }
            (Some(place), _) | (None, Some(place)) => self.repository(place, before, after),
            (None, None) => Meaning::Other,
        }
    }

    /// Whether a path with other folders is in this repository.
    fn repository(&self, place: &str, before: &str, after: &str) -> Meaning {
        let version = after.strip_prefix('@').or_else(|| {
            ["/blob/", "/tree/", "/raw/"].iter().find_map(|part| Some(before.split_once(part)?.1))
        });
        let is_called = after.starts_with('@') && place.trim_end_matches('/').matches('/').count() == 1;
        match self.tree.slug() {
            Some(slug) => {
                let place = format!("/{place}").to_ascii_lowercase();
                match place.contains(&format!("/{}/", slug.to_ascii_lowercase())) {
                    true if version.is_some_and(is_fixed_version) => Meaning::Version,
                    true => Meaning::Own,
                    false => Meaning::Other,
                }
            }
            None if before.contains("://") || is_called => Meaning::Unknown,
            None => Meaning::Other,
        }
    }

    /// The names of checks in code spans, as in `CI / build`, and in badges of the old form.
    fn named_in_document(
        &self,
        path: &str,
        text: &str,
        (old, new): (&str, &str),
        unfixed: &mut Vec<Unfixed>,
    ) -> Vec<Edit> {
        let mut edits = Vec::new();
        for at in words(text, old) {
            let before = &text[..at];
            let after = &text[at + old.len()..];
            // One word alone can mean something else, such as the variable `CI`.
            let is_name = after.starts_with(" / ") || (after.starts_with('`') && old.contains(' '));
            if before.ends_with('`') && is_name {
                edits.push(Edit { bytes: at..at + old.len(), with: new.to_owned() });
            }
        }
        let encoded = old.replace(' ', "%20");
        for (found, _) in text.match_indices(&format!("/workflows/{encoded}/badge.svg")) {
            let start = found + "/workflows/".len();
            let before = &text[token_start(text, start)..start];
            match self.repository(before, before, "") {
                Meaning::Own => {
                    edits.push(Edit { bytes: start..start + encoded.len(), with: new.to_owned() });
                }
                Meaning::Other => {}
                Meaning::Unclear | Meaning::Version | Meaning::Unknown => {
                    let line = Place::of(text, start).line;
                    let message = format!("line {line} has a badge of {old:?}: add --repository");
                    unfixed.push(Unfixed::new(path, message));
                }
            }
        }
        edits
    }
}

/// What an expression compares with the name of a workflow.
const CONTEXTS: [&str; 3] =
    ["github.workflow", "github.event.workflow_run.name", "github.event.workflow.name"];

/// Whether a name between `before` and `after` is a string that an expression compares with a context.
fn is_compared(before: &str, after: &str) -> bool {
    let (Some(before), Some(after)) = (before.strip_suffix('\''), after.strip_prefix('\'')) else {
        return false;
    };
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let (before, after) = (before.trim_end(), after.trim_start());
    let left = ["==", "!="].iter().find_map(|operator| before.strip_suffix(operator)).map(str::trim_end);
    let right = ["==", "!="].iter().find_map(|operator| after.strip_prefix(operator)).map(str::trim_start);
    CONTEXTS.iter().any(|context| {
        let left = left.and_then(|left| left.strip_suffix(context));
        let right = right.and_then(|right| right.strip_prefix(context));
        left.is_some_and(|rest| !rest.ends_with(is_part))
            || right.is_some_and(|rest| !rest.starts_with(is_part))
    })
}

/// Where the token that contains `at` starts.
fn token_start(text: &str, at: usize) -> usize {
    let ends = |c: char| c.is_whitespace() || "\"'`()[]<>{}=,;|".contains(c);
    let found = text[..at].rfind(ends);
    found.map_or(0, |found| found + text[found..].chars().next().map_or(1, char::len_utf8))
}

/// Whether the text before a file name says that a workflow follows, as in `gh workflow run ci.yml`.
fn follows_workflow(before: &str) -> bool {
    const WORDS: [&str; 8] = [
        "workflow",
        "workflow:",
        "workflow_id:",
        "workflow run",
        "workflow view",
        "workflow enable",
        "workflow disable",
        " -w",
    ];
    let before = before.trim_end_matches([' ', '"', '\'', '`', '=']);
    let ends_with = |word: &str| {
        let start = before.len().checked_sub(word.len());
        start.and_then(|start| before.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    WORDS.into_iter().any(ends_with)
}

/// Whether a reference is to a tag or a commit, whose files never change.
fn is_fixed_version(version: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "/#?\"'`)".contains(c);
    let name = version.split(ends).next().unwrap_or(version);
    let is_commit = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit || name.strip_prefix('v').unwrap_or(name).starts_with(|c: char| c.is_ascii_digit())
}

/// The extensions of documents.
const DOCUMENTS: [&str; 6] = ["md", "markdown", "rst", "adoc", "txt", "html"];
/// The extensions of other files in which a path is a reference. A script may have no extension.
const REFERRING: [&str; 7] = ["yml", "yaml", "toml", "sh", "bash", "zsh", ""];

/// Whether a path in this file means a file of the same repository.
fn is_safe(path: &str) -> bool {
    let extension = extension(path);
    DOCUMENTS.contains(&extension) || REFERRING.contains(&extension)
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// What a file name in a text means.
enum Meaning {
    /// The renamed file.
    Own,
    /// Perhaps the renamed file.
    Unclear,
    /// The file in an older version of this repository.
    Version,
    /// A file in a repository that may be this one.
    Unknown,
    /// Something else.
    Other,
}
