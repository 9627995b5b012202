//! Writes the changed files: all of them, or none.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use tempfile::NamedTempFile;

use crate::tree::{Tree, git};

/// A file with its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The path, relative to the top of the repository.
    pub path: String,
    /// The new path, if the file is renamed.
    pub renamed: Option<String>,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

impl Fixed {
    /// The path after the change.
    pub fn new_path(&self) -> &str {
        self.renamed.as_deref().unwrap_or(&self.path)
    }

    /// The change as a diff in the format of git.
    pub(super) fn diff(&self) -> String {
        let (old, new) = (&self.path, self.new_path());
        let mut diff = format!("diff --git {} {}\n", quoted("a", old), quoted("b", new));
        if self.renamed.is_some() {
            diff += &format!("rename from {}\nrename to {}\n", quoted("", old), quoted("", new));
        }
        if self.before != self.after {
            // Git ends a line only at a line feed.
            let before: Vec<&str> = self.before.split_inclusive('\n').collect();
            let after: Vec<&str> = self.after.split_inclusive('\n').collect();
            let lines = TextDiff::configure().newline_terminated(true).diff_slices(&before, &after);
            let mut unified = lines.unified_diff();
            diff += &unified.context_radius(3).header(&quoted("a", old), &quoted("b", new)).to_string();
        }
        diff
    }
}

/// A path as git writes it in a diff: in quotes if it has special characters.
fn quoted(side: &str, path: &str) -> String {
    let path = if side.is_empty() { path.to_owned() } else { format!("{side}/{path}") };
    if !path.contains(|c: char| c.is_ascii_control() || c == '"' || c == '\\') {
        return path;
    }
    let shown = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\{:03o}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", path.chars().map(shown).collect::<String>())
}

/// Why the files were not written. Unless the message says so, no file has changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The files are in memory only.
    #[error("the repository is not on the disk")]
    InMemory,
    /// The file may not be written.
    #[error("{0} is read-only; nothing was changed. Make it writable, as with chmod u+w")]
    ReadOnly(String),
    /// The file has another text than the one that was read.
    #[error("{0} has changed in the meantime; nothing was changed. Run the command again")]
    Changed(String),
    /// The new name is taken.
    #[error("{0} exists; nothing was changed. Choose another name with --rename")]
    Exists(String),
    /// The system refused.
    #[error("{path} cannot be written; nothing was changed")]
    Io {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The system refused, and the files that were written could not be restored.
    #[error("{path} cannot be written, and {lost} could not be restored; `git status` shows the changes")]
    HalfWritten {
        /// The file that could not be written.
        path: String,
        /// The files that could not be restored.
        lost: String,
        /// The system's error.
        source: io::Error,
    },
}

/// Writes all files. If one cannot be written, restores those that were.
pub(super) fn write_all(tree: &Tree, files: &[Fixed]) -> Result<(), WriteError> {
    let root = tree.root().ok_or(WriteError::InMemory)?;
    // Everything that can fail and changes nothing comes first.
    for file in files {
        check(root, file)?;
    }
    let failed = |file: &Fixed, source| WriteError::Io { path: file.path.clone(), source };
    let mut ready = Vec::new();
    for file in files {
        ready.push(prepare(root, file).map_err(|source| failed(file, source))?);
    }
    // References first: if the process is killed, a second run still finds the names to follow.
    let mut pending: Vec<_> = files.iter().zip(ready).collect();
    pending.sort_by_key(|(file, _)| file.renamed.is_some());
    let mut written = Vec::new();
    for (file, new) in pending {
        written.push(file);
        let Err(source) = put(root, file, new) else { continue };
        // The failed file may have its new text already.
        let lost = written.iter().rev().filter(|file| restore(root, file).is_err());
        let lost: Vec<_> = lost.map(|file| file.path.as_str()).collect();
        if lost.is_empty() {
            return Err(failed(file, source));
        }
        return Err(WriteError::HalfWritten { path: file.path.clone(), lost: lost.join(", "), source });
    }
    Ok(())
}

fn check(root: &Path, file: &Fixed) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io { path: file.path.clone(), source };
    let path = root.join(&file.path);
    if path.symlink_metadata().map_err(failed)?.permissions().readonly() {
        return Err(WriteError::ReadOnly(file.path.clone()));
    }
    if fs::read(&path).map_err(failed)? != file.before.as_bytes() {
        return Err(WriteError::Changed(file.path.clone()));
    }
    match &file.renamed {
        Some(new) if exists_beside(&path, &root.join(new)) => Err(WriteError::Exists(new.clone())),
        _ => Ok(()),
    }
}

/// Whether `new` is a file other than `old`. On some systems, names that differ only in case are one file.
fn exists_beside(old: &Path, new: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    new.symlink_metadata().is_ok() && real(old) != real(new)
}

/// Writes the new text to a file without a name in the same folder.
fn prepare(root: &Path, file: &Fixed) -> io::Result<NamedTempFile> {
    let path = root.join(&file.path);
    let folder = path.parent().unwrap_or(root);
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(file.after.as_bytes())?;
    new.as_file().set_permissions(path.metadata()?.permissions())?;
    new.as_file().sync_all()?;
    Ok(new)
}

fn put(root: &Path, file: &Fixed, new: NamedTempFile) -> io::Result<()> {
    new.persist(root.join(&file.path)).map_err(|error| error.error)?;
    match &file.renamed {
        Some(renamed) => rename(root, &file.path, renamed),
        None => Ok(()),
    }
}

/// Renames a file. Git knows about the new name if it knows the old one.
fn rename(root: &Path, old: &str, new: &str) -> io::Result<()> {
    if git(root, &["ls-files", "--error-unmatch", "--", old]).is_ok() {
        return git(root, &["mv", "--", old, new]).map(drop).map_err(io::Error::other);
    }
    fs::rename(root.join(old), root.join(new))
}

fn restore(root: &Path, file: &Fixed) -> io::Result<()> {
    let old: PathBuf = root.join(&file.path);
    if let Some(new) = file.renamed.as_deref().filter(|new| !old.exists() && root.join(new).exists()) {
        rename(root, new, &file.path)?;
    }
    fs::write(old, &file.before)
}
