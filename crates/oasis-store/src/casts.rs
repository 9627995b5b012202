//! Reads the casts of an owner, and the casts of a workflow run, from the table `oasis_channels`.

use oasis_core::cast::CASTS;
use oasis_core::{CastState, Channel, DedupKey};
use tokio_postgres::types::{ToSql, Type};

use crate::channels::{ChannelState, ChannelStates, columns};
use crate::error::StoreError;
use crate::marks::HEAD;
use crate::store::Store;

/// A page of the casts of an owner.
#[derive(Debug, Clone, PartialEq)]
pub struct CastPage {
    /// The casts. The newest cast is first.
    pub casts: Vec<ChannelState<CastState>>,
    /// How many casts the owner has.
    pub total: i64,
}

/// The SQL condition that selects casts. It has the form that the indexes of casts need.
const IS_CAST: &str = "c.state IN ('queued', 'running', 'succeeded', 'failed')";

impl Store {
    /// Lists the casts of `owner`, newest first, without the first `skip` casts.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn casts(&self, owner: &str, skip: i64, most: i64) -> Result<CastPage, StoreError> {
        let columns = columns::<CastState>();
        let sql = self.sql(&format!(
            "SELECT counted.total, {columns} FROM (SELECT count(*) AS total \
               FROM {{schema}}.oasis_channels AS c WHERE {IS_CAST} AND c.owner = $1) AS counted \
             LEFT JOIN (SELECT c.* FROM {{schema}}.oasis_channels AS c WHERE {IS_CAST} AND c.owner = $1 \
               ORDER BY c.created_at DESC, c.channel DESC OFFSET $2 LIMIT $3) AS c ON true \
             ORDER BY c.created_at DESC, c.channel DESC"
        ));
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&owner, Type::TEXT), (&skip, Type::INT8), (&most, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut page = CastPage { casts: Vec::new(), total: 0 };
        for row in &rows {
            page.total = row.try_get("total")?;
            if row.try_get::<_, Option<&str>>("channel")?.is_some() {
                page.casts.push(ChannelState::from_row(row)?);
            }
        }
        Ok(page)
    }

    /// Casts of `owner`, in any order: those that have not ended, those that have changed after the row
    /// `after`, and the `latest` that have changed last. Of the first two, at most `most` each.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn casts_to_follow(
        &self,
        owner: &str,
        after: Option<i64>,
        (most, latest): (i64, i64),
    ) -> Result<ChannelStates<CastState>, StoreError> {
        let changed = |more: &str, limit: &str| {
            format!(
                "(SELECT c.channel FROM {{schema}}.oasis_channels AS c WHERE c.readers = 'owner' \
                    AND split_part(c.channel, ':', 1) = '{CASTS}' AND c.owner = $1 {more} \
                  ORDER BY c.last_id DESC LIMIT {limit})"
            )
        };
        let sql = self.sql(&format!(
            "SELECT {HEAD} AS head, {} FROM (SELECT) AS one LEFT JOIN ( \
               (SELECT c.channel FROM {{schema}}.oasis_channels AS c \
                WHERE c.state IN ('queued', 'running') AND c.owner = $1 ORDER BY c.last_id DESC LIMIT $2) \
               UNION {} UNION {}) AS named ON true \
             LEFT JOIN {{schema}}.oasis_channels AS c ON c.channel = named.channel",
            columns::<CastState>(),
            changed("AND c.last_id > $4", "$2"),
            changed("", "$3"),
        ));
        let after = after.unwrap_or(i64::MAX);
        let params: [(&(dyn ToSql + Sync), Type); 4] =
            [(&owner, Type::TEXT), (&most, Type::INT8), (&latest, Type::INT8), (&after, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        ChannelStates::from_rows(&rows)
    }

    /// Whether the row with this dedup key opened the cast `channel`. The first row that opens a cast stands.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn is_opened_by(&self, channel: &Channel, key: &DedupKey) -> Result<bool, StoreError> {
        let sql = self.sql(
            "SELECT e.dedup_key = $2 FROM {schema}.oasis_events AS e \
             WHERE e.channel <> 'devhub' AND e.kind = 'cast.queued' AND e.channel = $1 \
             ORDER BY e.id + 0 LIMIT 1",
        );
        let (channel, key) = (channel.as_str(), key.as_str());
        let params: [(&(dyn ToSql + Sync), Type); 2] = [(&channel, Type::TEXT), (&key, Type::TEXT)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        Ok(rows.first().and_then(|row| row.get::<_, Option<bool>>(0)).unwrap_or_default())
    }

    /// The casts that have this workflow run, at most 100. Requests at the same time can give a run to
    /// several casts.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn casts_of_run(&self, run_id: &str) -> Result<Vec<ChannelState<CastState>>, StoreError> {
        let columns = columns::<CastState>();
        let sql = self.sql(&format!(
            "SELECT {columns} FROM {{schema}}.oasis_channels AS c WHERE {IS_CAST} \
               AND octet_length(c.data ->> 'runId') <= 64 AND c.data ->> 'runId' = $1 \
             ORDER BY c.last_id LIMIT 100"
        ));
        let rows = self.read(async |client| client.query_typed(&sql, &[(&run_id, Type::TEXT)]).await).await?;
        rows.iter().map(ChannelState::from_row).collect()
    }
}
