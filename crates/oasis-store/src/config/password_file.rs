//! Reads a password from the file that `passfile` names. The file has the form of libpq's `~/.pgpass`: lines
//! `host:port:database:user:password`, in which `*` matches everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The login that needs a password.
pub(super) struct Login<'a> {
    /// The host, or `localhost` for a default socket.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Reads the file.
///
/// # Errors
/// When the file can't be read, or other users have access to it. libpq does not use such a file either.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = || format!("the file {}", path.display());
    let found = fs::metadata(path).map_err(|error| format!("{} can't be read: {error}", file()))?;
    if !found.is_file() {
        return Err(format!("{} is not a plain file", file()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(format!("{} must be accessible only to its owner: run chmod 600", file()));
    }
    fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", file()))
}

/// The password of the first line that matches the login.
pub(super) fn password(file: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    file.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in [login.host, &port, login.database, login.user] {
            let (field, after) = field(rest)?;
            // A field that matches everything is a bare `*`; `\*` is an asterisk.
            if !rest.starts_with("*:") && field != wanted {
                return None;
            }
            rest = after?;
        }
        Some(field(rest)?.0).filter(|password| !password.is_empty())
    })
}

/// The first field of a line without its backslashes, and the text after the colon that ends the field.
fn field(line: &str) -> Option<(String, Option<&str>)> {
    let mut text = String::new();
    let mut chars = line.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            ':' => return Some((text, line.get(at + 1..))),
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    Some((text, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let file = "# comment\n\
                    db:5432:app:other:no\n\
                    db:5432:app:me:s\\:ec\\\\ret\n\
                    db:*:*:me:second\n\
                    \\*:5432:app:star:no\n\
                    broken\n\
                    *:*:*:anyone:any:rest\n\
                    *:*:*:empty:\n";
        for (host, port, user, expected) in [
            ("db", 5432, "me", Some("s:ec\\ret")),
            ("db", 5433, "me", Some("second")),
            ("elsewhere", 5432, "me", None),
            ("db", 5432, "star", None),
            ("*", 5432, "star", Some("no")),
            ("elsewhere", 1, "anyone", Some("any")),
            ("db", 5432, "empty", None),
        ] {
            let login = Login { host, port, database: "app", user };
            assert_eq!(password(file, &login).as_deref(), expected, "{user}@{host}:{port}");
        }
    }
}
