//! Finds `initdb` and `postgres`.
//!
//! If no folder is configured, the search tries the folder that `pg_config --bindir` prints, then the folders
//! in PATH, then the folders where packages install PostgreSQL. If one of these folders has several packages,
//! the search tries the highest version first. If the search finds no suitable folder, [`crate::npm`]
//! downloads both programs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::npm;
use crate::place::{Account, as_account};

/// The first version whose `initdb` has the option `--no-instructions`.
const MIN_VERSION: u32 = 14;

/// The folders where packages install PostgreSQL, each with the prefix of the package names. The programs of
/// a package are in `<folder>/<package name>/bin`.
const PACKAGE_DIRS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
];

/// A folder with `initdb`, and with a `postgres` that runs on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) dir: PathBuf,
    /// The major version.
    pub(crate) version: u32,
}

/// Finds the binaries for a cluster with the data folder `data`. If `bin_dir` is given, only that folder is
/// tried. Otherwise the function searches this machine, and downloads PostgreSQL if the search finds no
/// suitable folder. If there is data, the binaries must have the major version of the data.
pub(crate) fn find(bin_dir: Option<&Path>, data: &Path, account: Option<Account>) -> Result<Binaries, Error> {
    let wanted = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    if let Some(dir) = bin_dir {
        let found = inspect(dir, account).map_err(|reason| Error::BadBinaries { dir: dir.into(), reason })?;
        return first_of_version(wanted, [found]).map_err(|found| wrong_version(data, wanted, &found));
    }
    let candidates = candidates(Path::new("pg_config"), std::env::var_os("PATH"), Path::new("/"));
    let inspected = candidates.iter().filter_map(|dir| inspect(dir, account).ok());
    let seen = match first_of_version(wanted, inspected) {
        Ok(found) => return Ok(found),
        Err(seen) => seen,
    };
    if wanted.is_some_and(|wanted| wanted != npm::MAJOR) {
        return Err(wrong_version(data, wanted, &seen));
    }
    let dir = npm::download()?;
    inspect(&dir, account).map_err(|reason| Error::BadBinaries { dir, reason })
}

/// The first binaries of the wanted version. If there are none, the error lists the versions of all binaries
/// in `found`.
fn first_of_version(
    wanted: Option<u32>,
    found: impl IntoIterator<Item = Binaries>,
) -> Result<Binaries, Vec<u32>> {
    let mut seen = Vec::new();
    for binaries in found {
        if wanted.is_none_or(|wanted| wanted == binaries.version) {
            return Ok(binaries);
        }
        seen.push(binaries.version);
    }
    Err(seen)
}

fn wrong_version(data: &Path, wanted: Option<u32>, seen: &[u32]) -> Error {
    let found = seen.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    Error::WrongVersion {
        data: data.into(),
        wanted: wanted.unwrap_or_default(),
        found: if found.is_empty() { "none".into() } else { found },
    }
}

/// The folders that have both programs, in the order of the search. `root` is `/` except in tests.
fn candidates(pg_config: &Path, path: Option<OsString>, root: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Ok(output) = Command::new(pg_config).arg("--bindir").output()
        && output.status.success()
    {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()));
    }
    dirs.extend(path.iter().flat_map(std::env::split_paths));
    for (parent, prefix) in PACKAGE_DIRS {
        let parent = root.join(parent.trim_start_matches('/'));
        let mut packages: Vec<_> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let version = name.to_str()?.strip_prefix(prefix)?.trim_start_matches('@');
                Some((version.parse::<u32>().unwrap_or(0), entry.path().join("bin")))
            })
            .collect();
        packages.sort_by(|one, other| other.cmp(one));
        dirs.extend(packages.into_iter().map(|(_, dir)| dir));
    }
    let mut unique = Vec::new();
    for dir in dirs {
        // The programs may be symbolic links. Such links are common in PATH, and initdb follows them.
        if dir.join("initdb").is_file() && dir.join("postgres").is_file() && !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    unique
}

/// Checks that `dir` has both programs and that the server's account can run `postgres --version`. The error
/// says what is wrong with the folder.
fn inspect(dir: &Path, account: Option<Account>) -> Result<Binaries, String> {
    if !dir.join("initdb").is_file() {
        return Err("it has no `initdb`".into());
    }
    let output = as_account(&dir.join("postgres"), account)
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major(&text) {
        Some(version) if version >= MIN_VERSION => Ok(Binaries { dir: dir.into(), version }),
        Some(version) => Err(format!("it has version {version}")),
        None => Err(format!(
            "`postgres --version` printed {:?} {:?}",
            text.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// The major version in the output of `postgres --version`. It is 15 for `postgres (PostgreSQL) 15.18`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let end = number.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Makes the tests that write scripts run one at a time. Otherwise, a process that another test forks
    /// could inherit a script that is open for writing. Running the script would then fail with ETXTBSY.
    fn one_at_a_time() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_fake(dir: &Path, version: &str) {
        fs::create_dir_all(dir).unwrap();
        for name in ["initdb", "postgres"] {
            let path = dir.join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn pg_config_comes_first_then_path_then_the_newest_package() {
        let _alone = one_at_a_time();
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for (dir, version) in [
            ("configured", "16.1"),
            ("on-path", "15.2"),
            ("usr/lib/postgresql/9/bin", "9.6"),
            ("usr/lib/postgresql/15/bin", "15.18"),
            ("usr/lib/postgresql/17/bin", "17.4"),
            ("usr/pgsql-16/bin", "16.2"),
            ("opt/homebrew/opt/postgresql@14/bin", "14.9"),
        ] {
            write_fake(&at(dir), version);
        }
        fs::create_dir_all(at("usr/lib/postgresql/18/bin")).unwrap();
        let pg_config = at("pg_config");
        fs::write(&pg_config, format!("#!/bin/sh\necho {}\n", at("configured").display())).unwrap();
        fs::set_permissions(&pg_config, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([at("empty"), at("on-path"), at("on-path")]).unwrap();

        let found = candidates(&pg_config, Some(path), root.path());
        let found: Vec<_> = found.iter().map(|dir| dir.strip_prefix(root.path()).unwrap()).collect();
        assert_eq!(
            found,
            [
                "configured",
                "on-path",
                "usr/lib/postgresql/17/bin",
                "usr/lib/postgresql/15/bin",
                "usr/lib/postgresql/9/bin",
                "usr/pgsql-16/bin",
                "opt/homebrew/opt/postgresql@14/bin"
            ]
            .map(Path::new)
        );
        assert_eq!(candidates(&at("absent"), None, &at("absent")), Vec::<PathBuf>::new());
    }

    #[test]
    fn binaries_that_do_not_match_the_version_of_the_data_are_refused() {
        let _alone = one_at_a_time();
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let bin = root.path().join("bin");
        write_fake(&bin, "16.3");
        assert_eq!(find(Some(&bin), &data, None).unwrap().version, 16);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        let error = find(Some(&bin), &data, None).unwrap_err().to_string();
        assert!(error.contains("written by PostgreSQL 15, but the available versions are: 16"), "{error}");
    }

    #[test]
    fn no_other_folder_is_tried_if_a_folder_is_configured() {
        let _alone = one_at_a_time();
        let root = tempfile::tempdir().unwrap();
        let error = find(Some(root.path()), root.path(), None).unwrap_err().to_string();
        assert!(error.contains("no `initdb`"), "{error}");
        write_fake(root.path(), "13.2");
        let error = find(Some(root.path()), root.path(), None).unwrap_err().to_string();
        assert!(error.contains("it has version 13"), "{error}");
    }

    #[test]
    fn the_version_is_parsed_in_the_formats_of_several_distributions() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("psql 15"), None);
    }
}
