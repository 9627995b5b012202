//! The repository that a command of the canon reads.

use std::path::{Path, PathBuf};

use oasis_canon::Tree;

use crate::output::Usage;

/// Opens the repository that contains a path. Also returns the path relative to the top.
///
/// # Errors
/// The path does not exist, or it is not in a Git repository. The exit code is then 2.
pub(super) fn open(path: Option<&PathBuf>) -> anyhow::Result<(Tree, String)> {
    let path = path.map_or(Path::new("."), PathBuf::as_path);
    Tree::open(path).map_err(|error| Usage(format!("{:#}", anyhow::Error::new(error))).into())
}
