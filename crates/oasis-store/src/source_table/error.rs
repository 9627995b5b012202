//! [`SourceError`]: why the table to import can't be read.

use crate::error::StoreError;

/// Why a table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The database can't be reached or refuses a statement.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No table has this name.
    #[error("the database has no table {name}; it has {tables}")]
    Missing {
        /// The name that was looked for.
        name: String,
        /// The names of tables of the database.
        tables: String,
    },
    /// Several tables have this name.
    #[error("several tables have the name {name}: choose one of {tables}")]
    Ambiguous {
        /// The name that was looked for.
        name: String,
        /// The names of these tables.
        tables: String,
    },
}

impl From<tokio_postgres::Error> for SourceError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}
