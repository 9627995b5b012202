//! Finds `initdb` and `postgres`: a folder that was named, `pg_config --bindir`, PATH, the places where
//! packages put them (highest version first), and else the download in [`crate::npm`].

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::npm;
use crate::place::{Account, as_account};

/// `initdb --no-instructions` came with this version.
const OLDEST: u32 = 14;

/// Folders of which each entry that matches `prefix*` may hold a `bin`.
const PACKAGES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
];

/// A folder with `initdb` and `postgres`, both known to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) dir: PathBuf,
    /// Major version.
    pub(crate) version: u32,
}

/// The binaries for a cluster: `named` and nothing else if given; otherwise the first that this machine has,
/// of the major version that wrote `data` if there is data already; otherwise downloaded.
pub(crate) fn find(named: Option<&Path>, data: &Path, account: Option<Account>) -> Result<Binaries, Error> {
    let wanted = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    if let Some(dir) = named {
        let found = inspect(dir, account).map_err(|reason| Error::BadBinaries { dir: dir.into(), reason })?;
        return fitting(wanted, [found]).map_err(|found| wrong_version(data, wanted, &found));
    }
    let candidates = candidates(Path::new("pg_config"), std::env::var_os("PATH"), Path::new("/"));
    let seen = match fitting(wanted, candidates.iter().filter_map(|dir| inspect(dir, account).ok())) {
        Ok(found) => return Ok(found),
        Err(seen) => seen,
    };
    if wanted.is_some_and(|wanted| wanted != npm::MAJOR) {
        return Err(wrong_version(data, wanted, &seen));
    }
    let dir = npm::download()?;
    inspect(&dir, account).map_err(|reason| Error::BadBinaries { dir, reason })
}

/// The first of the wanted version, or all versions seen.
fn fitting(wanted: Option<u32>, found: impl IntoIterator<Item = Binaries>) -> Result<Binaries, Vec<u32>> {
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

/// Folders that hold both programs, best first. `root` is `/` but for tests.
fn candidates(pg_config: &Path, path: Option<OsString>, root: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Ok(output) = Command::new(pg_config).arg("--bindir").output()
        && output.status.success()
    {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()));
    }
    dirs.extend(path.iter().flat_map(std::env::split_paths));
    for (parent, prefix) in PACKAGES {
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
        // PATH often has a link to each program of a version's own folder; initdb follows such links itself.
        if dir.join("initdb").is_file() && dir.join("postgres").is_file() && !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    unique
}

/// Runs `postgres --version` as the account that is going to run the server.
fn inspect(dir: &Path, account: Option<Account>) -> Result<Binaries, String> {
    if !dir.join("initdb").is_file() {
        return Err("there is no `initdb` in it".into());
    }
    let output = as_account(&dir.join("postgres"), account)
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major(&text) {
        Some(version) if version >= OLDEST => Ok(Binaries { dir: dir.into(), version }),
        Some(version) => Err(format!("it is version {version}")),
        None => Err(format!(
            "`postgres --version` answers {:?} {:?}",
            text.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
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

    /// A fork in one test holds the script that another is writing open, and then that cannot be run
    /// (ETXTBSY).
    fn one_at_a_time() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fake(dir: &Path, version: &str) {
        fs::create_dir_all(dir).unwrap();
        for name in ["initdb", "postgres"] {
            let path = dir.join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn order_is_pg_config_then_path_then_highest_package() {
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
            fake(&at(dir), version);
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
    fn data_decides_the_version() {
        let _alone = one_at_a_time();
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let bin = root.path().join("bin");
        fake(&bin, "16.3");
        assert_eq!(find(Some(&bin), &data, None).unwrap().version, 16);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        let error = find(Some(&bin), &data, None).unwrap_err().to_string();
        assert!(error.contains("written by PostgreSQL 15, and only 16 is here"), "{error}");
    }

    #[test]
    fn a_named_folder_is_not_replaced_by_another() {
        let _alone = one_at_a_time();
        let root = tempfile::tempdir().unwrap();
        let error = find(Some(root.path()), root.path(), None).unwrap_err().to_string();
        assert!(error.contains("no `initdb`"), "{error}");
        fake(root.path(), "13.2");
        let error = find(Some(root.path()), root.path(), None).unwrap_err().to_string();
        assert!(error.contains("it is version 13"), "{error}");
    }

    #[test]
    fn versions_as_distributions_write_them() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("psql 15"), None);
    }
}
