//! What `oasis up` keeps in its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::random;

/// Makes the folder, unless it is there.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    // PostgreSQL may run as another user, who has to pass through.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| format!("the folder {} can't be made: pass --data", path.display()))
}

/// The secret of last time, or a new one.
pub(super) fn kept_secret(path: &Path) -> anyhow::Result<String> {
    let fail = || format!("the webhook secret in {} can't be kept", path.display());
    match File::open(path) {
        Ok(mut file) => {
            let mut secret = String::new();
            file.read_to_string(&mut secret).with_context(fail)?;
            let secret = secret.trim().to_owned();
            anyhow::ensure!(!secret.is_empty(), "{} is empty: delete it", path.display());
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret: String = random::bytes::<20>().iter().map(|byte| format!("{byte:02x}")).collect();
            write_private(path, &secret).with_context(fail)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(fail),
    }
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = open.and_then(|mut file| writeln!(file, "{text}"));
    written.with_context(|| format!("{} can't be written", path.display()))
}
