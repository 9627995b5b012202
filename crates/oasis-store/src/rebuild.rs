//! Rebuilds the states of channels from their rows, after a restore or a repair of the database.

use oasis_core::Channel;
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::store::Store;

/// The result of a rebuild.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The number of channels that have been opened.
    pub channels: u64,
    /// The channels that had no state.
    pub added: Vec<Channel>,
    /// The channels whose state was wrong, and has been corrected.
    pub corrected: Vec<Channel>,
    /// The channels whose state and rows disagree about who may read or change the channel. Until the channel
    /// is changed again, only users who have access according to both have access.
    pub narrowed: Vec<Channel>,
}

/// The number of channels of one transaction. Writers wait for the end of the transaction.
const PAGE: i64 = 500;

impl Store {
    /// Computes the states of all rooms from their rows, and merges the result into the stored states.
    /// Nothing is deleted, and no user gets more access than before. A room without an opening row gets no
    /// state.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement. Earlier transactions stay committed.
    pub async fn rebuild_channels(&self) -> Result<Rebuilt, StoreError> {
        let sql = self.sql("SELECT channel, outcome FROM {schema}.oasis_channels_rebuild($1, $2)");
        let mut rebuilt = Rebuilt::default();
        let mut after = String::new();
        loop {
            let params: [(&(dyn ToSql + Sync), Type); 2] = [(&after, Type::TEXT), (&PAGE, Type::INT8)];
            let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
            let Some(last) = rows.last() else { return Ok(rebuilt) };
            after = last.try_get("channel")?;
            for row in &rows {
                let channel = Channel::stored(row.try_get("channel")?);
                let outcome: &str = row.try_get("outcome")?;
                rebuilt.channels += u64::from(outcome != "unopened");
                match outcome {
                    "added" => rebuilt.added.push(channel),
                    "merged" => rebuilt.corrected.push(channel),
                    "narrowed" => rebuilt.narrowed.push(channel),
                    // `unchanged` or `unopened`.
                    _ => {}
                }
            }
        }
    }
}
