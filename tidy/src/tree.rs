//! [`Tree`]: the files that the checks read.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// The files of a repository, or the files that a test defines. Paths are relative to the root and have
/// forward slashes.
#[derive(Debug, Default)]
pub struct Tree {
    /// The text of each file, by path. The text is `None` if the file is not UTF-8.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the files under `root` that git tracks, and the new files that git does not ignore.
    ///
    /// # Errors
    /// Returns an error if `root` is not the working tree of a git repository, or if a file cannot be read.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .with_context(|| format!("can't run git in {}", root.display()))?;
        if !listed.status.success() {
            let reason = String::from_utf8_lossy(&listed.stderr);
            bail!("git lists no files in {}: {}", root.display(), reason.trim());
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            let on_disk = root.join(path);
            // A deleted file stays in the index until the deletion is staged.
            if on_disk.is_file() {
                let bytes = std::fs::read(&on_disk).with_context(|| format!("can't read {path}"))?;
                files.insert(path.to_owned(), String::from_utf8(bytes).ok());
            }
        }
        Ok(Self { files })
    }

    /// All paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The path and the text of each text file, in the order of the paths.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of the file at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file or a folder is at `path`. The path of a folder may end with a slash.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.has_folder(path)
    }

    fn has_folder(&self, path: &str) -> bool {
        let inside = format!("{}/", path.trim_end_matches('/'));
        self.files.range(inside.clone()..).next().is_some_and(|(next, _)| next.starts_with(&inside))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Tree {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(files: I) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self { files: files.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_if_it_contains_a_file() {
        let tree = Tree::from_iter([("docs/api.md", "# API"), ("docs-old.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/") && tree.has("docs/api.md"));
        assert!(!tree.has("doc") && !tree.has("docs/api") && !tree.has("docs-old"));
        assert_eq!(tree.text("docs/api.md"), Some("# API"));
    }

    #[test]
    fn reading_a_folder_that_is_not_a_git_repository_fails() {
        let outside = std::env::temp_dir();
        assert!(Tree::read(&outside).unwrap_err().to_string().contains("git lists no files"));
    }
}
