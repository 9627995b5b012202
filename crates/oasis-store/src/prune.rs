//! Retention: deletes the oldest events and records up to where, so that readers can be told.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::store::Store;

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Rows deleted.
    pub rows: u64,
    /// The highest id that has been pruned, by this run or an earlier one.
    pub through: i64,
}

impl Store {
    /// Rows deleted in one transaction: short enough that nobody waits for it.
    const PRUNE_STEP: i64 = 10_000;

    /// Deletes every event recorded more than `keep` ago, oldest first, a transaction per 10,000 ids. Readers see
    /// the mark move with the rows, and are woken to look at it. `progress` is told the rows deleted so far.
    ///
    /// # Errors
    /// When the database can't be reached or refuses; what was deleted until then stays deleted and recorded.
    pub async fn prune(&self, keep: Duration, progress: impl Fn(u64)) -> Result<Pruned, StoreError> {
        let micros = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let (oldest, bound) = self
            .read(async |client| {
                // Without an event that young, everything goes; the bound is exclusive.
                let sql = "SELECT coalesce((SELECT min(id) FROM public.oasis_events), 0), coalesce( \
                           public.oasis_first_id_since(clock_timestamp() - $1 * interval '1 microsecond'), \
                           (SELECT max(id) + 1 FROM public.oasis_events), 0)";
                let row = &client.query_typed(sql, &[(&(micros as f64), Type::FLOAT8)]).await?[0];
                Ok((row.get::<_, i64>(0), row.get::<_, i64>(1)))
            })
            .await?;
        let (mut rows, mut next) = (0, oldest);
        while next < bound {
            let through = (next + Self::PRUNE_STEP).min(bound) - 1;
            rows += self.prune_through(through).await?;
            progress(rows);
            next = through + 1;
        }
        let through = self
            .read(async |client| {
                let sql = "SELECT pruned_through FROM public.oasis_feed_state";
                Ok(client.query_typed(sql, &[]).await?.first().map_or(0, |row| row.get(0)))
            })
            .await?;
        Ok(Pruned { rows, through })
    }

    async fn prune_through(&self, through: i64) -> Result<u64, StoreError> {
        let sql = "WITH mark AS (UPDATE public.oasis_feed_state SET pruned_through = greatest(pruned_through, $1)), \
                   gone AS (DELETE FROM public.oasis_events WHERE id <= $1 RETURNING 1) \
                   SELECT count(*), pg_notify('oasis_events', '') FROM gone";
        self.read(async |client| {
            let rows = client.query_typed(sql, &[(&through, Type::INT8)]).await?;
            Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
        })
        .await
    }

    /// The highest id there has been: the newest row's, or how far was pruned.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn head(&self) -> Result<i64, StoreError> {
        let sql = "SELECT greatest((SELECT max(id) FROM public.oasis_events), \
                   (SELECT pruned_through FROM public.oasis_feed_state), 0)";
        self.read(async |client| Ok(client.query_typed(sql, &[]).await?.first().map_or(0, |row| row.get(0))))
            .await
    }

    /// The first id recorded at or after `since`, if there is one.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn first_id_since(&self, since: Timestamp) -> Result<Option<i64>, StoreError> {
        self.read(async |client| {
            let rows = client
                .query_typed("SELECT public.oasis_first_id_since($1)", &[(&since, Type::TIMESTAMPTZ)])
                .await?;
            Ok(rows.first().and_then(|row| row.get(0)))
        })
        .await
    }
}
