//! The files that `oasis up` keeps in its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use oasis_identity::Secrets;
use oasis_service::Secret;

use crate::output::notice;
use crate::random;
use crate::running::{FILE, FOLDER, JWT_SECRET_FILE, SERVICE_TOKEN_FILE, is_private};

/// The files and folders that `oasis up` makes in its folder.
const OWN: [&str; 7] =
    ["postgres", DATABASE_URL_FILE, SECRET_FILE, JWT_SECRET_FILE, SERVICE_TOKEN_FILE, FILE, GITIGNORE];
/// The file with the webhook secret.
pub(super) const SECRET_FILE: &str = "webhook-secret";
/// The file with the URL of the private database.
pub(super) const DATABASE_URL_FILE: &str = "database-url";
const GITIGNORE: &str = ".gitignore";
/// The mode of a file that only its owner can read.
const PRIVATE: u32 = 0o600;

/// Makes the folder if it is missing, makes the secrets of an earlier run private, and keeps the files out of
/// git.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    // PostgreSQL may run as another user, who must be able to traverse the folder.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| {
        format!("cannot make the folder {}: pass another path with --data", path.display())
    })?;
    for secret in [SECRET_FILE, DATABASE_URL_FILE].map(|name| path.join(name)) {
        // Other users may be able to read the file, for example because it was copied without its mode. A
        // file that cannot be opened is reported when it is needed.
        if let Ok(file) = File::open(&secret) {
            let hint = "delete the file, and `oasis up` makes another one";
            let made = make_private(&file);
            made.with_context(|| format!("{} cannot be made private: {hint}", secret.display()))?;
        }
    }
    if is_own(path) && !path.join(GITIGNORE).exists() {
        // Otherwise `git add .` would add the secrets.
        let written = fs::write(path.join(GITIGNORE), "*\n");
        written.with_context(|| format!("cannot write {}", path.join(GITIGNORE).display()))?;
    }
    Ok(())
}

/// Whether the folder has only files of `oasis up`. `--data` may also name the folder of a project, whose
/// files must stay in git.
fn is_own(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == FOLDER)
        || fs::read_dir(path).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| OWN.iter().any(|own| entry.file_name() == *own)))
        })
}

/// Returns the webhook secret of the last run, or makes a new secret.
pub(super) fn webhook_secret(folder: &Path) -> anyhow::Result<String> {
    kept_secret(&folder.join(SECRET_FILE), random_hex::<20>)
}

/// Returns the secret of tokens of the last run, or makes a new secret. If others may know the secret, it is
/// replaced, and the tokens that were made with it are then refused.
pub(super) fn jwt_secret(folder: &Path) -> anyhow::Result<Secrets> {
    let path = folder.join(JWT_SECRET_FILE);
    remove_unless_private(&path)?;
    let kept = kept_secret(&path, || Ok(Secrets::generate()?.expose().to_owned()))?;
    kept.parse().with_context(|| format!("delete {}, and `oasis up` makes another one", path.display()))
}

/// Returns the service token of the last run, or makes a new token. If others may know the token, it is
/// replaced.
pub(super) fn service_token(folder: &Path) -> anyhow::Result<Secret> {
    let path = folder.join(SERVICE_TOKEN_FILE);
    remove_unless_private(&path)?;
    let token = kept_secret(&path, random_hex::<32>)?;
    anyhow::ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} has characters that a token can't have: delete the file, and `oasis up` makes another one",
        path.display()
    );
    Ok(token.into())
}

fn random_hex<const BYTES: usize>() -> anyhow::Result<String> {
    Ok(random::secret::<BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes a file that is a link, belongs to another user or can be read by others. It may come from somebody
/// who knows the secret, such as the author of a cloned repository.
fn remove_unless_private(path: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_ok() && !is_private(path) {
        fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
        notice(format_args!("others may know the secret in {}, so it is replaced", path.display()));
    }
    Ok(())
}

fn kept_secret(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let fail = || format!("cannot read or write the secret in {}", path.display());
    match File::open(path) {
        Ok(mut file) => {
            let mut secret = String::new();
            file.read_to_string(&mut secret).with_context(fail)?;
            let secret = secret.trim().to_owned();
            anyhow::ensure!(
                !secret.is_empty(),
                "{} is empty: delete the file to get a new secret",
                path.display()
            );
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = make()?;
            write_private(path, &secret).with_context(fail)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(fail),
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(path);
    let written = open.and_then(|mut file| writeln!(file, "{text}"));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Removes the rights of other users to a file.
fn make_private(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(PRIVATE);
    file.set_permissions(permissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_an_earlier_run_that_others_can_read_becomes_private() {
        let root = tempfile::tempdir().unwrap();
        let open_to_all = |name: &str| {
            let path = root.path().join(name);
            fs::write(&path, "old\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            path
        };
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let files = [SECRET_FILE, DATABASE_URL_FILE].map(open_to_all);
        folder(root.path()).unwrap();
        for file in &files {
            assert_eq!(
                (fs::read_to_string(file).unwrap().as_str(), mode(file)),
                ("old\n", 0o600),
                "{file:?}"
            );
            // A mode that is even stricter stays.
            fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
        }
        folder(root.path()).unwrap();
        assert_eq!(files.each_ref().map(|file| mode(file)), [0o400; 2]);
    }

    #[test]
    fn a_folder_of_up_keeps_its_files_out_of_git_and_a_project_keeps_its_own_rules() {
        let root = tempfile::tempdir().unwrap();
        let ignored = |folder: &str| fs::read_to_string(root.path().join(folder).join(GITIGNORE)).ok();
        let start = |path: &str| folder(&root.path().join(path)).unwrap();
        for made in [FOLDER, "data"] {
            start(made);
            assert_eq!(ignored(made).as_deref(), Some("*\n"), "{made}");
        }
        // A folder of an earlier version gets the file. A file of the user stays.
        fs::create_dir_all(root.path().join("old/postgres")).unwrap();
        fs::write(root.path().join("old/webhook-secret"), "x").unwrap();
        start("old");
        assert_eq!(ignored("old").as_deref(), Some("*\n"));
        fs::write(root.path().join("data/.gitignore"), "own").unwrap();
        start("data");
        assert_eq!(ignored("data").as_deref(), Some("own"));
        start("");
        assert_eq!(ignored(""), None);
    }

    #[test]
    fn a_secret_that_others_may_know_is_replaced() {
        for name in [JWT_SECRET_FILE, SERVICE_TOKEN_FILE] {
            let make = |folder: &Path| {
                jwt_secret(folder).unwrap();
                service_token(folder).unwrap();
            };
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(name);
            let secret = || {
                assert!(is_private(&file), "{name}");
                fs::read_to_string(&file).unwrap()
            };
            make(folder.path());
            let first = secret();
            make(folder.path());
            assert_eq!(secret(), first, "{name}");

            // A file of a cloned repository can be read by others.
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            make(folder.path());
            let second = secret();
            assert_ne!(second, first, "{name}");
            let other = folder.path().join("other");
            fs::rename(&file, &other).unwrap();
            std::os::unix::fs::symlink(&other, &file).unwrap();
            make(folder.path());
            assert_ne!(secret(), second, "{name}");
            assert_eq!(fs::read_to_string(&other).unwrap(), second, "{name}");
        }
    }

    #[test]
    fn a_service_token_that_no_request_can_carry_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        write_private(&folder.path().join(SERVICE_TOKEN_FILE), "two words").unwrap();
        let error = service_token(folder.path()).unwrap_err().to_string();
        assert!(error.contains("service-token") && error.contains("delete the file"), "{error}");
    }
}
