//! Repositories for the tests, in memory and on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use oasis_canon::{Baseline, Change, Config, Plan, Renames, Report, Tree, check};
use tempfile::TempDir;

pub(crate) type Files = BTreeMap<String, String>;

pub(crate) fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

pub(crate) fn renames(texts: &[&str]) -> Renames {
    Renames::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Plans the fixes of files in memory.
pub(crate) fn plan(files: &Files, renames: &Renames) -> Plan {
    plan_in(files, renames, Some("acme/shop"))
}

pub(crate) fn plan_in(files: &Files, renames: &Renames, slug: Option<&str>) -> Plan {
    let tree = Tree::of_files(files.clone()).with_slug(slug.map(str::to_owned));
    Plan::of(&tree, &Config::default(), renames).unwrap()
}

/// The files after a plan.
pub(crate) fn applied(files: &Files, plan: &Plan) -> Files {
    let mut after = files.clone();
    for fixed in &plan.fixed {
        assert_eq!(after.remove(&fixed.path).as_deref(), Some(fixed.before.as_str()));
        let old = after.insert(fixed.new_path().to_owned(), fixed.after.clone());
        assert_eq!(old, None, "{} was overwritten", fixed.new_path());
    }
    after
}

/// Checks a repository with its own settings and its own baseline.
pub(crate) fn report(tree: &Tree) -> Report {
    let config = Config::read(tree).unwrap();
    check(tree, &config, Baseline::read(tree).unwrap(), &Change::default(), "")
}

/// The rules and paths of the findings.
pub(crate) fn found(report: &Report) -> Vec<(&'static str, &str)> {
    report.findings.iter().map(|finding| (finding.rule.name(), finding.path.as_str())).collect()
}

/// A Git repository on the disk, in which all files are committed.
pub(crate) fn on_disk(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["add", "--all"]);
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    git(folder.path(), &[identity.as_slice(), &["commit", "--quiet", "--allow-empty", "-m", "x"]].concat());
    folder
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
