//! The files that `oasis up` keeps in its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::random;

/// Makes the folder if it is missing.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    // PostgreSQL may run as another user, who must be able to traverse the folder.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| format!("cannot make the folder {}: pass another path with --data", path.display()))
}

/// Returns the webhook secret of the last run, or makes a new secret.
pub(super) fn kept_secret(path: &Path) -> anyhow::Result<String> {
    let fail = || format!("cannot read or write the webhook secret in {}", path.display());
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
            let secret: String = random::secret::<20>()?.iter().map(|byte| format!("{byte:02x}")).collect();
            write_private(path, &secret).with_context(fail)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(fail),
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = open.and_then(|mut file| writeln!(file, "{text}"));
    written.with_context(|| format!("cannot write {}", path.display()))
}
