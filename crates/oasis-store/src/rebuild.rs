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

/// The functions that rebuild the states: of rooms and of casts.
const REBUILDS: [&str; 2] = ["oasis_channels_rebuild", "oasis_casts_rebuild"];
/// The number of channels of one transaction. Writers wait for the end of the transaction.
const PAGE: i64 = 500;

impl Store {
    /// Computes the states of all rooms and casts from their rows, and merges the result into the stored
    /// states. Nothing is deleted, and no user gets more access than before. A room or a cast without an
    /// opening row gets no state.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement. Earlier transactions stay committed.
    pub async fn rebuild_channels(&self) -> Result<Rebuilt, StoreError> {
        let mut rebuilt = Rebuilt::default();
        for function in REBUILDS {
            self.rebuild(function, &mut rebuilt).await?;
        }
        Ok(rebuilt)
    }

    async fn rebuild(&self, function: &str, rebuilt: &mut Rebuilt) -> Result<(), StoreError> {
        let sql = self.sql(&format!("SELECT channel, outcome FROM {{schema}}.{function}($1, $2)"));
        let mut after = String::new();
        loop {
            let params: [(&(dyn ToSql + Sync), Type); 2] = [(&after, Type::TEXT), (&PAGE, Type::INT8)];
            let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
            let Some(last) = rows.last() else { return Ok(()) };
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
