//! Finds the references to renamed workflows: triggers and expressions in workflows, paths and links in all
//! files, badges, and the names of checks in documents.

use std::collections::BTreeMap;

use super::names::{NewNames, Unfixed};
use super::workflow::replace;
use crate::text::{Edit, Place, words};
use crate::workflow::Workflow;
use crate::yaml::{Ref, Yaml};

/// The renamed files and workflows, from old to new.
#[derive(Debug, Default)]
pub(super) struct References<'a> {
    files: BTreeMap<&'a str, &'a str>,
    names: BTreeMap<&'a str, &'a str>,
    /// `owner/name` of the repository, if it is known.
    slug: Option<&'a str>,
}

impl<'a> References<'a> {
    pub(super) fn of(all: &'a [NewNames], slug: Option<&'a str>) -> Self {
        let files = all.iter().filter_map(|names| Some((names.file.as_str(), names.new_file.as_deref()?)));
        let mut renamed = BTreeMap::new();
        // Nobody knows which workflow a reference means if two had the same name.
        let mut is_ambiguous = BTreeMap::new();
        for names in all {
            if let Some(old) = &names.old_name {
                *is_ambiguous.entry(old.as_str()).or_insert(-1) += 1;
                if let Some(new) = &names.new_name {
                    renamed.insert(old.as_str(), new.as_str());
                }
            }
        }
        renamed.retain(|old, _| is_ambiguous[old] == 0);
        Self { files: files.collect(), names: renamed, slug }
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
            match replace(node, new) {
                Ok(edit) => edits.push(edit),
                Err(why) => {
                    let line = Place::of(text, node.start()).line;
                    unfixed.push(Unfixed::new(path, format!("line {line} refers to {old:?}: {why}")));
                }
            }
        }
        edits.extend(
            yaml.scalars().filter(|node| compares_names(*node)).flat_map(|node| self.quoted(text, node)),
        );
        edits
    }

    /// The names in quotes in an expression, as in `github.workflow == 'Deploy gateway'`.
    fn quoted(&self, text: &str, node: Ref<'_>) -> Vec<Edit> {
        let span = node.span();
        let found = self.names.iter().flat_map(|(old, new)| {
            let start = span.start;
            let places = text[span.clone()].match_indices(old).map(move |(at, _)| start + at);
            let is_quoted =
                |at: &usize| text[..*at].ends_with('\'') && text[*at + old.len()..].starts_with('\'');
            let edit = |at| Edit { bytes: at..at + old.len(), with: (*new).to_owned() };
            places.filter(is_quoted).map(edit).collect::<Vec<_>>()
        });
        found.collect()
    }

    /// The references by file in any text, and those by name in a document. The text of a program can mean a
    /// workflow of another repository, as test data does. So a person must change it.
    pub(super) fn in_text(&self, path: &str, text: &str, unfixed: &mut Vec<Unfixed>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let is_safe = is_safe(path);
        for (old, new) in &self.files {
            for at in text.match_indices(old).map(|(at, _)| at) {
                let after = &text[at + old.len()..];
                if after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') {
                    continue;
                }
                match self.meaning(text, at) {
                    Meaning::Own if !is_safe => {
                        let line = Place::of(text, at).line;
                        let message =
                            format!("line {line} mentions {old}; if it means this workflow, write {new}");
                        unfixed.push(Unfixed::new(path, message));
                    }
                    Meaning::Own => {
                        edits.push(Edit { bytes: at..at + old.len(), with: (*new).to_owned() });
                    }
                    Meaning::Unknown => {
                        let message = format!(
                            "line {} has a link to {old}, which is not changed because the name of the \
                             repository is not known; name it with --repository",
                            Place::of(text, at).line
                        );
                        unfixed.push(Unfixed::new(path, message));
                    }
                    Meaning::Other => {}
                }
            }
        }
        let is_document =
            [".md", ".markdown", ".rst", ".adoc", ".html"].iter().any(|end| path.ends_with(end));
        if is_document {
            for (old, new) in &self.names {
                edits.extend(named_in_document(text, old, new));
            }
        }
        edits
    }

    /// What a file name at `at` means, by the text before it.
    fn meaning(&self, text: &str, at: usize) -> Meaning {
        let ends = |c: char| c.is_whitespace() || "\"'`()[]<>{}=,;|".contains(c);
        let start = text[..at]
            .rfind(ends)
            .map_or(0, |found| found + text[found..].chars().next().map_or(1, char::len_utf8));
        let before = &text[start..at];
        if before.is_empty() {
            // A file name alone, as in `gh workflow run ci.yml`. The line must be about a workflow.
            let line_start = text[..at].rfind('\n').map_or(0, |found| found + 1);
            let line_end = text[at..].find('\n').map_or(text.len(), |found| at + found);
            let is_about = text[line_start..line_end].to_ascii_lowercase().contains("workflow");
            return if is_about { Meaning::Own } else { Meaning::Other };
        }
        let folders = [".github/workflows/", "actions/workflows/", "workflows/"];
        let folder = folders.iter().find_map(|folder| before.strip_suffix(folder));
        // shields.io names the repository after the folder.
        let shield = before.find("actions/workflow/status/").map(|found| &before[found..]);
        match (folder, shield) {
            (Some(repository), _) if repository.trim_matches(['.', '/']).is_empty() => Meaning::Own,
            (Some(place), _) | (None, Some(place)) => self.repository(place, before),
            (None, None) => Meaning::Other,
        }
    }

    /// Whether a path with other folders is in this repository.
    fn repository(&self, place: &str, before: &str) -> Meaning {
        match self.slug {
            Some(slug) => {
                let place = format!("/{place}").to_ascii_lowercase();
                let is_own = place.contains(&format!("/{}/", slug.to_ascii_lowercase()));
                if is_own { Meaning::Own } else { Meaning::Other }
            }
            None if before.contains("://") => Meaning::Unknown,
            None => Meaning::Other,
        }
    }
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
    /// A link to a file in a repository that may be this one.
    Unknown,
    /// Something else.
    Other,
}

/// Whether an expression can compare the name of a workflow.
fn compares_names(node: Ref<'_>) -> bool {
    let contexts = ["github.workflow", "workflow_run.name", "event.workflow.name", "workflow.name"];
    node.text().is_some_and(|text| contexts.iter().any(|context| text.contains(context)))
}

/// The names of checks in code spans, as in `CI / build`, and in badges of the old form.
fn named_in_document(text: &str, old: &str, new: &str) -> Vec<Edit> {
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
    let badge = format!("/workflows/{encoded}/badge.svg");
    for (at, _) in text.match_indices(&badge) {
        let start = at + "/workflows/".len();
        edits.push(Edit { bytes: start..start + encoded.len(), with: new.to_owned() });
    }
    edits
}
