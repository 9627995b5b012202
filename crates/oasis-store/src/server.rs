//! [`ServerFacts`]: what the database server reports about itself, for `oasis doctor`.

use jiff::Timestamp;

use crate::error::StoreError;
use crate::migrate;
use crate::store::Store;

/// What the database server reports about itself. Unlike [`Store::check`], these facts need no table and no
/// rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// The version of PostgreSQL, such as `17.5`.
    pub version: String,
    /// The encoding of the database. It should be `UTF8`.
    pub encoding: String,
    /// The newest migration that this program knows. The database has this migration if [`Store::check`]
    /// reports no reason.
    pub schema: String,
    /// Whether the server is a standby. A standby accepts neither writes nor LISTEN.
    pub is_standby: bool,
    /// The time of the server's clock.
    pub clock: Timestamp,
}

impl Store {
    /// Reads the facts about the server.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        let sql = "SELECT split_part(current_setting('server_version'), ' ', 1) AS version, \
                     current_setting('server_encoding') AS encoding, \
                     pg_is_in_recovery() AS is_standby, clock_timestamp() AS clock";
        let row = self.read(async |client| client.query_typed(sql, &[]).await).await?;
        let row = row.first().ok_or(StoreError::Connect("the database returned no row".to_owned()))?;
        Ok(ServerFacts {
            version: row.try_get("version")?,
            encoding: row.try_get("encoding")?,
            schema: migrate::steps().pop().map(|step| step.to_string()).unwrap_or_default(),
            is_standby: row.try_get("is_standby")?,
            clock: row.try_get("clock")?,
        })
    }
}
