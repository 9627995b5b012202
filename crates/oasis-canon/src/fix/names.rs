//! Decides which workflow gets which new name.

use std::collections::{BTreeMap, BTreeSet};

use oasis_core::Prefixes;

use crate::config::Config;
use crate::rule::{Level, Rule};
use crate::rules::run_name;
use crate::tree::Tree;
use crate::words::{canonical, is_canonical};
use crate::workflow::{self, FOLDER, Workflow, stem};
use crate::yaml::Yaml;

/// Names that the user chose, for files and workflows whose canonical name no tool can know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renames(BTreeMap<String, String>);

/// A chosen name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--rename {0}")]
pub struct RenameError(String);

impl Renames {
    /// Parses `OLD=NEW` texts. A file name ends with `.yml` or `.yaml`; other texts are names of workflows.
    ///
    /// # Errors
    /// The text has no `=`, the new name is not canonical, or an old name is given twice.
    pub fn parse(texts: &[String]) -> Result<Self, RenameError> {
        let mut renames = BTreeMap::new();
        for text in texts {
            let refused = |why: &str| RenameError(format!("{text}: {why}"));
            let (old, new) = text.split_once('=').ok_or_else(|| refused("expected OLD=NEW"))?;
            let bare = |name: &'_ str| name.strip_prefix(FOLDER).unwrap_or(name).to_owned();
            let (old, new) = (&*bare(old), &*bare(new));
            let words = match (stem(old), stem(new)) {
                (Some(_), Some(words)) => words,
                (None, None) => new,
                _ => {
                    return Err(refused(
                        "expected two file names that end with .yml, or two names of workflows",
                    ));
                }
            };
            if !is_canonical(words) {
                let why = "the new name must have at least two words in capitals, as in CICDL-GATEWAY-DEPLOY";
                return Err(refused(why));
            }
            if renames.insert(old.to_owned(), new.to_owned()).is_some() {
                return Err(refused("the old name is given twice"));
            }
        }
        Ok(Self(renames))
    }

    fn get(&self, old: &str) -> Option<&str> {
        self.0.get(old).map(String::as_str)
    }
}

/// A file that `fix` leaves as it is, although it does not follow a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfixed {
    /// The file.
    pub path: String,
    /// Why the file cannot be fixed, and what to do.
    pub message: String,
}

impl Unfixed {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

/// The new names of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NewNames {
    /// The name of the file.
    pub(super) file: String,
    /// The value of `name:` before.
    pub(super) old_name: Option<String>,
    /// The new name of the file.
    pub(super) new_file: Option<String>,
    /// The new value of `name:`, even if there was none.
    pub(super) new_name: Option<String>,
    /// Whether a `run-name:` is missing.
    pub(super) lacks_run_name: bool,
    /// Whether there is a `run-name:` that cannot contain a VTID.
    has_wrong_run_name: bool,
}

impl NewNames {
    pub(super) fn path(&self) -> String {
        format!("{FOLDER}{}", self.file)
    }
}

/// Decides the names of all workflows. `without` are files that must stay as they are.
pub(super) fn decide(
    tree: &Tree,
    config: &Config,
    renames: &Renames,
    without: &BTreeSet<String>,
) -> Result<(Vec<NewNames>, Vec<Unfixed>), RenameError> {
    let mut all = Vec::new();
    let mut unfixed = Vec::new();
    for path in tree.paths() {
        let Some(file) = workflow::file_name(path) else { continue };
        let is_out = without.contains(path);
        let applies = |rule: Rule| {
            let is_excepted = config.exceptions.iter().any(|one| one.applies(rule, path));
            !is_out && config.level(rule) != Level::Off && !is_excepted
        };
        // The names of a workflow that stays as it is still count: no other workflow may get them.
        let renames = if is_out { &Renames::default() } else { renames };
        let Some(names) = of_file(tree, (renames, &config.prefixes), path, file, applies) else {
            let message = "the file cannot be read as a workflow: see `oasis canon check`";
            unfixed.push(Unfixed::new(path, message));
            continue;
        };
        let is_fine = |name: Option<&str>| name.is_some_and(is_canonical);
        if applies(Rule::WorkflowFileName) && names.new_file.is_none() && !is_fine(stem(file)) {
            let message = "choose a name for the file, as in --rename ci.yml=CICDL-CORE-CHECK.yml";
            unfixed.push(Unfixed::new(path, message));
        }
        let old = names.old_name.as_deref();
        if applies(Rule::WorkflowName) && names.new_name.is_none() && !is_fine(old) {
            let old = old.unwrap_or_default();
            let message =
                format!("choose a name for the workflow {old:?}, as in --rename CI=CICDL-CORE-CHECK");
            unfixed.push(Unfixed::new(path, message));
        }
        if names.has_wrong_run_name {
            let message =
                "the run-name: cannot contain a VTID: add ${{ github.ref_name }} or another expression";
            unfixed.push(Unfixed::new(path, message));
        }
        all.push(names);
    }
    check_renames(tree, renames, &all)?;
    settle_files(tree, &mut all, &mut unfixed);
    settle_names(&mut all, &mut unfixed);
    Ok((all, unfixed))
}

fn of_file(
    tree: &Tree,
    (renames, prefixes): (&Renames, &Prefixes),
    path: &str,
    file: &str,
    applies: impl Fn(Rule) -> bool,
) -> Option<NewNames> {
    let text = tree.read(path).ok()?;
    let yaml = Yaml::parse(&text).ok()?;
    let workflow = Workflow::of(&yaml)?;
    let stem = stem(file)?;
    let extension = &file[stem.len()..];
    let mut names = NewNames { file: file.to_owned(), ..NewNames::default() };
    if let Some(new) = renames.get(file) {
        names.new_file = Some(new.to_owned());
    } else if applies(Rule::WorkflowFileName) && !is_canonical(stem) {
        names.new_file = canonical(stem).map(|stem| format!("{stem}{extension}"));
    }
    names.old_name = workflow.name().and_then(|name| name.text()).map(str::to_owned);
    if let Some(new) = names.old_name.as_deref().and_then(|old| renames.get(old)) {
        names.new_name = Some(new.to_owned());
    } else if applies(Rule::WorkflowName) {
        names.new_name = match &names.old_name {
            Some(old) if is_canonical(old) => None,
            Some(old) => canonical(old),
            // A workflow without a name gets the name of its file.
            None => {
                names.new_file.as_deref().and_then(crate::workflow::stem).or(Some(stem)).and_then(canonical)
            }
        };
    }
    if applies(Rule::RunName) && run_name::check(path, &text, workflow, prefixes).is_some() {
        names.lacks_run_name = workflow.run_name().is_none();
        names.has_wrong_run_name = !names.lacks_run_name;
    }
    Some(names)
}

/// Checks that each chosen name has a workflow. A second run finds only the new name.
fn check_renames(tree: &Tree, renames: &Renames, all: &[NewNames]) -> Result<(), RenameError> {
    for (old, new) in &renames.0 {
        let is_known = |name: &str| {
            tree.has(&format!("{FOLDER}{name}"))
                || all.iter().any(|names| names.old_name.as_deref() == Some(name))
        };
        if !is_known(old) && !is_known(new) {
            return Err(RenameError(format!("{old}={new}: no workflow has this name: {old}")));
        }
    }
    Ok(())
}

/// Keeps a file whose new name another file has or gets.
fn settle_files(tree: &Tree, all: &mut [NewNames], unfixed: &mut Vec<Unfixed>) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for new in all.iter().filter_map(|names| names.new_file.clone()) {
        *taken.entry(new).or_default() += 1;
    }
    for names in all.iter_mut() {
        let Some(new) = names.new_file.clone() else { continue };
        let why = if tree.has(&format!("{FOLDER}{new}")) {
            "a file with this name exists"
        } else if taken.get(&new).is_some_and(|count| *count > 1) {
            "several files would get this name"
        } else {
            continue;
        };
        names.new_file = None;
        let message = format!("the file is not renamed to {new}: {why}; choose another name with --rename");
        unfixed.push(Unfixed::new(&names.path(), message));
    }
}

/// Keeps a `name:` whose new value another workflow has or gets. `workflow_run` could not tell them apart.
fn settle_names(all: &mut [NewNames], unfixed: &mut Vec<Unfixed>) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for name in all.iter().filter_map(|names| names.new_name.clone().or(names.old_name.clone())) {
        *taken.entry(name).or_default() += 1;
    }
    for names in all.iter_mut() {
        let Some(new) = names.new_name.clone() else { continue };
        if taken.get(&new).is_some_and(|count| *count > 1) {
            names.new_name = None;
            let message = format!(
                "the name is not changed to {new}: several workflows would have this name; choose another \
                 one with --rename"
            );
            unfixed.push(Unfixed::new(&names.path(), message));
        }
    }
}
