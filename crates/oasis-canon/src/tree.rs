//! The files of a repository.
//!
//! Git lists them, so ignored files are left out. Symbolic links are not followed, so a loop of links does
//! no harm.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Larger files are not read.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// Why a command of git failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git cannot be started")]
    Missing(#[from] io::Error),
    /// What git printed, on one line.
    #[error("git says: {0}")]
    Failed(String),
}

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The path cannot be read.
    #[error("{} cannot be read", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Git is not installed, or it cannot be started.
    #[error("git cannot be started: `oasis canon` needs git to list the files of a repository")]
    NoGit(#[source] io::Error),
    /// Git refused the folder.
    #[error(
        "{} is not in a readable Git repository. Give a folder of a clone, or run `git init`. git says: \
         {message}",
        path.display()
    )]
    NotARepository {
        /// The folder.
        path: PathBuf,
        /// What Git printed.
        message: String,
    },
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's error.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file has more than 1 MiB.
    #[error("the file is larger than 1 MiB")]
    TooLarge,
    /// The file is not text.
    #[error("the file is not UTF-8")]
    NotText,
}

/// The files of a repository.
#[derive(Debug)]
pub struct Tree {
    /// Relative to the top, with `/`, in order.
    paths: Vec<String>,
    place: Place,
    /// The repository on GitHub, `owner/name`, if it is known.
    slug: Option<String>,
}

#[derive(Debug)]
enum Place {
    Disk(PathBuf),
    Memory(BTreeMap<String, String>),
}

impl Tree {
    /// Opens the repository that contains `path`, a file or a folder. Also returns the path relative to the
    /// top of the repository, which is empty for the top itself.
    ///
    /// # Errors
    /// The path does not exist, or it is not in a Git repository.
    pub fn open(path: &Path) -> Result<(Self, String), TreeError> {
        let failed = |source| TreeError::Path { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(failed)?;
        let folder = if real.is_dir() { real.as_path() } else { real.parent().unwrap_or(Path::new("/")) };
        let refused = |error: GitError| match error {
            GitError::Missing(source) => TreeError::NoGit(source),
            GitError::Failed(message) => TreeError::NotARepository { path: folder.to_owned(), message },
        };
        let shown = git(folder, &["rev-parse", "--show-toplevel"]).map_err(refused)?;
        let root = PathBuf::from(shown.trim_end_matches('\n'));
        let below = real.strip_prefix(&root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let listed =
            git(&root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).map_err(refused)?;
        let is_file = |path: &&str| root.join(path).symlink_metadata().is_ok_and(|found| found.is_file());
        let mut paths: Vec<String> =
            listed.split('\0').filter(|path| !path.is_empty()).filter(is_file).map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        // Without a remote, git fails here, and the repository has no known name.
        let slug = git(&root, &["remote", "get-url", "origin"]).ok().and_then(|url| slug_of(url.trim()));
        Ok((Self { paths, place: Place::Disk(root), slug }, below))
    }

    /// A repository of these files, for tests.
    pub fn of_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        Self { paths: files.keys().cloned().collect(), place: Place::Memory(files), slug: None }
    }

    /// Sets the name of the repository on GitHub, `owner/name`.
    #[must_use]
    pub fn with_slug(self, slug: Option<String>) -> Self {
        Self { slug: slug.or(self.slug), ..self }
    }

    /// The name of the repository on GitHub, `owner/name`, if it is known.
    pub fn slug(&self) -> Option<&str> {
        self.slug.as_deref()
    }

    /// The top of the repository. `None` if the files are in memory.
    pub fn root(&self) -> Option<&Path> {
        match &self.place {
            Place::Disk(root) => Some(root),
            Place::Memory(_) => None,
        }
    }

    /// The paths of all files, relative to the top, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Whether there is a file with this path.
    pub fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|other| other.as_str().cmp(path)).is_ok()
    }

    /// The text of a file.
    ///
    /// # Errors
    /// The file cannot be read, has more than 1 MiB, or is not UTF-8.
    pub fn read(&self, path: &str) -> Result<Cow<'_, str>, ReadError> {
        match &self.place {
            Place::Memory(files) => {
                let missing = || ReadError::Io(io::ErrorKind::NotFound.into());
                files.get(path).map(|text| Cow::Borrowed(text.as_str())).ok_or_else(missing)
            }
            Place::Disk(root) => {
                let path = root.join(path);
                if path.symlink_metadata()?.len() > MAX_BYTES {
                    return Err(ReadError::TooLarge);
                }
                let bytes = std::fs::read(path)?;
                String::from_utf8(bytes).map(Cow::Owned).map_err(|_| ReadError::NotText)
            }
        }
    }
}

/// Runs git in a folder and returns what it prints.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String, GitError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).env("LC_ALL", "C");
    // A hook runs with variables that name its own repository, which need not be the one of the folder.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(OsStr::new(variable));
    }
    // In a group of its own, git is not stopped by Ctrl-C in the middle of a rename.
    command.process_group(0);
    let output = command.output()?;
    if output.status.success() {
        // A path that is not UTF-8 is not found later, and so it is left out.
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    let lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    Err(GitError::Failed(lines.collect::<Vec<_>>().join(" ")))
}

/// The `owner/name` in the URL of a remote on GitHub.
fn slug_of(url: &str) -> Option<String> {
    let (before, path) = url.split_once("github.com")?;
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == '.') {
        return None;
    }
    let path = path.trim_start_matches([':', '/']).trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    (!owner.is_empty() && !name.is_empty() && !name.contains('/')).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_names_the_repository() {
        for url in [
            "https://github.com/acme/shop.git",
            "https://github.com/acme/shop",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop/",
        ] {
            assert_eq!(slug_of(url).as_deref(), Some("acme/shop"), "{url}");
        }
        for url in [
            "https://notgithub.com/acme/shop",
            "https://example.com/acme/shop.git",
            "https://github.com/acme",
            "",
        ] {
            assert_eq!(slug_of(url), None, "{url}");
        }
    }
}
