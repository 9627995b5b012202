//! `oasis canon fix`: renames workflow files, rewrites `name:`, adds `run-name:`, and follows all references.
//!
//! [`Plan::of`] reads and plans, and changes nothing. [`Plan::write`] writes all files or none. An edited
//! workflow is parsed again and compared with the original. If more than names would change, the workflow is
//! left as it is.

mod names;
mod references;
mod verify;
mod workflow;
mod write;

use std::collections::BTreeSet;

use crate::config::Config;
use crate::text::{add, apply};
use crate::tree::Tree;
use crate::workflow::Workflow;
use crate::yaml::Yaml;
use names::NewNames;
use references::References;

pub use names::{RenameError, Renames, Unfixed};
pub use write::{Fixed, WriteError};

/// The changes that make the names of workflows canonical.
#[derive(Debug, Default)]
pub struct Plan {
    /// The files to change, by path.
    pub fixed: Vec<Fixed>,
    /// The files that a person must change.
    pub unfixed: Vec<Unfixed>,
}

impl Plan {
    /// Plans the changes of a repository.
    ///
    /// # Errors
    /// A chosen name belongs to no workflow.
    pub fn of(tree: &Tree, config: &Config, renames: &Renames) -> Result<Self, RenameError> {
        let mut without = BTreeSet::new();
        let mut refused = Vec::new();
        // Each round leaves at least one more file out, so the loop ends.
        loop {
            let (all, mut unfixed) = names::decide(tree, config, renames, &without)?;
            let references = References::of(&all, tree);
            let mut fixed = Vec::new();
            let mut failed = Vec::new();
            for path in tree.paths() {
                let own = all.iter().find(|names| names.path() == path);
                match fix_file(tree, path, own, &references, &mut unfixed) {
                    Ok(file) => fixed.extend(file),
                    // Such a file keeps its names already, and now keeps its references, too.
                    Err(why) if without.contains(path) => unfixed.push(Unfixed::new(path, why)),
                    Err(why) => failed.push(Unfixed::new(path, why)),
                }
            }
            if failed.is_empty() {
                unfixed.extend(refused);
                unfixed.sort_by(|a, b| a.path.cmp(&b.path));
                return Ok(Self { fixed, unfixed });
            }
            without.extend(failed.iter().map(|unfixed| unfixed.path.clone()));
            refused.extend(failed);
        }
    }

    /// The changes as a diff that `git apply` understands.
    pub fn diff(&self) -> String {
        self.fixed.iter().map(Fixed::diff).collect()
    }

    /// Writes all files, or none if one of them cannot be written.
    ///
    /// # Errors
    /// A file cannot be written, has changed since it was read, or has the name of another file.
    pub fn write(&self, tree: &Tree) -> Result<(), WriteError> {
        write::write_all(tree, &self.fixed)
    }
}

/// The changes of a file, if there are any. The error says why a workflow must stay as it is.
fn fix_file(
    tree: &Tree,
    path: &str,
    own: Option<&NewNames>,
    references: &References<'_>,
    unfixed: &mut Vec<Unfixed>,
) -> Result<Option<Fixed>, String> {
    let is_workflow = crate::workflow::file_name(path).is_some();
    // The history of a project stays as it was.
    let is_history = path.rsplit('/').next().is_some_and(|name| name.starts_with("CHANGELOG"));
    if !is_workflow && (references.is_empty() || is_history) {
        return Ok(None);
    }
    // A file that is no text has no references.
    let Ok(text) = tree.read(path) else { return Ok(None) };
    let yaml = if is_workflow { Yaml::parse(&text).ok() } else { None };
    let mut edits = Vec::new();
    if let Some(yaml) = &yaml {
        if let (Some(names), Some(workflow)) = (own, Workflow::of(yaml)) {
            edits.extend(workflow::edits(&text, workflow, names)?);
        }
        add(&mut edits, references.in_workflow(path, &text, yaml, unfixed));
    }
    add(&mut edits, references.in_text(path, &text, unfixed));
    let after = apply(&text, &edits);
    let is_same = |yaml| Yaml::parse(&after).is_ok_and(|after| verify::means_the_same(yaml, &after, &edits));
    if !yaml.as_ref().is_none_or(is_same) {
        return Err("an automatic edit would change more than names; change the file by hand".to_owned());
    }
    let renamed = own.and_then(|names| names.new_file.as_deref()).map(|new| {
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        format!("{folder}{new}")
    });
    if renamed.is_none() && after == text {
        return Ok(None);
    }
    Ok(Some(Fixed { path: path.to_owned(), renamed, before: text.into_owned(), after }))
}
