//! [`StoreError`]: the errors that can occur when a service uses the database.

use std::time::Duration;

use oasis_core::{Invalid, chain};

use crate::tls;

/// An error that occurred when a service used the database. The text is for the log, not for a caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be made.
    #[error("no connection to the database: {0}")]
    Connect(String),
    /// The database refused a statement, or the connection broke during a statement.
    #[error("{}", chain(.0))]
    Postgres(tokio_postgres::Error),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The database did not answer in time.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// The column `families` of `oasis_feed_state` has a value that `oasis prune` does not write.
    #[error("the column `families` of oasis_feed_state can't be read: {0}")]
    Marks(#[source] serde_json::Error),
    /// A row of `oasis_api_keys` can't be read.
    #[error("a row of oasis_api_keys can't be read: {0}")]
    ApiKey(#[source] Invalid),
    /// A newer version wrote a row with a value that this version does not know.
    #[error("this version can't read event {id}: {why}. Run a newer version")]
    Newer {
        /// The id of the row.
        id: i64,
        /// Says which value is unknown.
        why: Invalid,
    },
}

impl StoreError {
    /// The error of an attempt to connect.
    pub(crate) fn connect(error: &tokio_postgres::Error) -> Self {
        Self::Connect(tls::explain(error))
    }

    /// Whether the server refused the statement, for example because a right is missing. False if the
    /// connection failed, or if the server could not do what it does at other times.
    pub fn is_refusal(&self) -> bool {
        // Connections, conflicts of transactions, resources, locks, operators, the system.
        let passing = ["08", "40", "53", "55", "57", "58"];
        self.class().is_some_and(|class| !passing.contains(&class))
    }

    /// Whether the server can't compute or output a value.
    pub(crate) fn is_about_data(&self) -> bool {
        self.class().is_some_and(|class| ["22", "54"].contains(&class))
    }

    /// The class of the SQLSTATE, if the server answered.
    fn class(&self) -> Option<&str> {
        match self {
            Self::Postgres(error) => error.code()?.code().get(..2),
            Self::Connect(_)
            | Self::Tls(_)
            | Self::Slow(_)
            | Self::Marks(_)
            | Self::ApiKey(_)
            | Self::Newer { .. } => None,
        }
    }
}

// The text already contains the causes of the error. With a source, the causes would be printed twice.
impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::connect(&error),
            other => Self::Connect(chain(&other)),
        }
    }
}
